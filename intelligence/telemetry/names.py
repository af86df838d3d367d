"""How a name is written down: what no eye can tell apart is one name, in SQL for events and in Python for `product.yaml`."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from intelligence.core.sql import literal
from intelligence.telemetry.values import UNKNOWN_WORDS

# Blanks are of many widths; each run of them within a name is one blank.
_BLANKS: Final = (
    (0x09, 0x09), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
    (0x202F, 0x202F), (0x205F, 0x205F), (0x2800, 0x2800), (0x3000, 0x3000),
)  # fmt: skip
# Ends of lines are blanks at the ends of a name, and refused within.
_ENDS: Final = ((0x0A, 0x0D), *_BLANKS)
# Joiners, fillers, selectors of variants, marks of direction and of byte order, tags: signs that have no picture of their own.
_INVISIBLE: Final = (
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F),
    (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0),
    (0xFFF9, 0xFFFB), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
NOBODY: Final = ("0", "-1", "00000000-0000-0000-0000-000000000000")


@dataclass(frozen=True, slots=True)
class Naming:
    """How names of events are written down, and which are none.

    `fold` makes lower case of all names but ids; `placeholders` are no names, in any case; `nobody` are no users beside.
    """

    fold: bool = False
    placeholders: tuple[str, ...] = UNKNOWN_WORDS
    nobody: tuple[str, ...] = NOBODY

    def placeholders_of(self, column: str) -> tuple[str, ...]:
        """Return what names nothing in the column, in lower case."""
        words = (*self.placeholders, *(self.nobody if column in ("user_id", "anonymous_id", "alias") else ()))
        return tuple(dict.fromkeys(word.lower() for word in words))


DEFAULT_NAMING: Final = Naming()


def _python_class(ranges: tuple[tuple[int, int], ...]) -> str:
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


def _re2_class(ranges: tuple[tuple[int, int], ...]) -> str:
    return "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in ranges)


_INVISIBLE_SIGNS: Final = re.compile(f"[{_python_class(_INVISIBLE)}]")
_BLANK_ENDS: Final = re.compile(f"^[{_python_class(_ENDS)}]+|[{_python_class(_ENDS)}]+\\Z")
_BLANK_RUNS: Final = re.compile(f"[{_python_class(_BLANKS)}]+")


def normalised_name(text: str, *, fold: bool = False) -> str:
    """Return the name as it is written down: no invisible signs, no blanks at its ends, single ones within, composed (NFC).

    >>> normalised_name("  checkout\\u200b\\u00a0"), normalised_name("Page\\u00a0 view", fold=True)
    ('checkout', 'page view')
    """
    visible = _INVISIBLE_SIGNS.sub("", text)
    name = unicodedata.normalize("NFC", _BLANK_RUNS.sub(" ", _BLANK_ENDS.sub("", visible)))
    return name.lower() if fold else name


def normalised_name_sql(name: str) -> str:
    """Return SQL for the text `name` as `normalised_name` writes it down; NULL where nothing remains.

    Plain text, which is most of all, is passed through before anything is worked out.
    """
    visible = f"regexp_replace({name}, {literal(f'[{_re2_class(_INVISIBLE)}]')}, '', 'g')"
    ends = _re2_class(_ENDS)
    bare = f"regexp_replace({visible}, {literal(f'^[{ends}]+|[{ends}]+$')}, '', 'g')"
    written = f"nfc_normalize(regexp_replace({bare}, {literal(f'[{_re2_class(_BLANKS)}]+')}, ' ', 'g'))"
    return f"CASE WHEN regexp_full_match({name}, '[!-~]+( [!-~]+)*') THEN {name} ELSE nullif({written}, '') END"
