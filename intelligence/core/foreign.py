"""Text from outside (data, file names, settings, answers of services), escaped so that it is safe to print.

Whoever can send an event must not be able to control the owner's screen: a terminal obeys control characters, and invisible
characters or those that reverse the writing direction make one name look like another. Everything that is printed goes
through `harmless`; `intelligence/interfaces/cli/console.py` ensures it.
"""

import re
import sys
import unicodedata
from typing import Final

# Joiners are invisible, but scripts such as Persian, and emoji made of several characters, cannot be written without them.
_JOINERS: Final = "\u200c\u200d"
_ESCAPED: Final = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
_CODES: Final = [
    code
    for code in range(sys.maxunicode + 1)
    if chr(code) not in _JOINERS and unicodedata.category(chr(code)) in _ESCAPED
]


def _ranges(codes: list[int]) -> str:
    """Return the sorted code points as the inside of a character class of a regular expression."""
    parts: list[str] = []
    first = last = codes[0]
    for code in [*codes[1:], sys.maxunicode + 2]:
        if code != last + 1:
            parts.append(f"\\U{first:08x}-\\U{last:08x}")
            first = code
        last = code
    return "".join(parts)


_HARMFUL: Final = re.compile(f"[{_ranges(_CODES)}]")
_SHORT: Final = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def harmless(text: str, *, lines: bool = False) -> str:
    r"""Return the text with every control, format, surrogate and private-use character escaped, and all others unchanged.

    Args:
        text: Text of any origin.
        lines: Whether line feeds come from the program itself and are kept.

    >>> harmless("a\x1b[2Jb\u202ec\n"), harmless("O'Brien, Zürich"), harmless("two\nlines", lines=True)
    ('a\\x1b[2Jb\\u202ec\\n', "O'Brien, Zürich", 'two\nlines')
    """
    return _HARMFUL.sub(lambda found: "\n" if lines and found[0] == "\n" else _escape(found[0]), text)


def _escape(character: str) -> str:
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
