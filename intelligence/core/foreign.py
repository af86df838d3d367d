"""Text from outside (data, file names, settings, answers of services), escaped so that it is safe to print.

Whoever can send an event must not be able to control the owner's screen: a terminal obeys control characters, and invisible
characters or those that reverse the writing direction make one name look like another. Everything that is printed goes
through `harmless`; `intelligence/interfaces/cli/console.py` ensures it.
"""

import unicodedata
from functools import cache
from typing import Final

# Joiners are invisible, but scripts such as Persian, and emoji made of several characters, cannot be written without them.
_JOINERS: Final = "\u200c\u200d"
_ESCAPED: Final = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
_SHORT: Final = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def harmless(text: str, *, lines: bool = False) -> str:
    r"""Return the text with every control, format, surrogate and private-use character escaped, and all others unchanged.

    Args:
        text: Text of any origin.
        lines: Whether line feeds come from the program itself and are kept.

    >>> harmless("a\x1b[2Jb\u202ec\n"), harmless("O'Brien, Zürich"), harmless("two\nlines", lines=True)
    ('a\\x1b[2Jb\\u202ec\\n', "O'Brien, Zürich", 'two\nlines')
    """
    if text.isprintable():
        return text
    return "".join(sign if lines and sign == "\n" else _shown(sign) for sign in text)


@cache
def _shown(sign: str) -> str:
    if sign in _JOINERS or unicodedata.category(sign) not in _ESCAPED:
        return sign
    code = ord(sign)
    if sign in _SHORT:
        return _SHORT[sign]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
