"""Normalisation of names: names that look identical become one, in SQL for events and in Python for `product.yaml`."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from intelligence.core.sql import literal
from intelligence.telemetry.values import UNKNOWN_WORDS

# Blanks of all widths; each run of them within a name becomes one space.
_BLANKS: Final = (
    (0x09, 0x09), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
    (0x202F, 0x202F), (0x205F, 0x205F), (0x2800, 0x2800), (0x3000, 0x3000),
)  # fmt: skip
# Line breaks are removed like blanks at the ends of a name, and rejected within it.
_ENDS: Final = ((0x0A, 0x0D), *_BLANKS)
# Joiners, fillers, variation selectors, direction and byte order marks, tags: characters that are not visible by themselves.
_INVISIBLE: Final = (
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F),
    (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0),
    (0xFFF9, 0xFFFB), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
NOBODY: Final = ("0", "-1", "00000000-0000-0000-0000-000000000000")


@dataclass(frozen=True, slots=True)
class Naming:
    """How names of events are normalised, and which words are no names.

    Attributes:
        fold: Whether all names but ids are converted to lower case.
        placeholders: Words that are no names in any column, whatever their case.
        nobody: Further words that are no users.
    """

    fold: bool = False
    placeholders: tuple[str, ...] = UNKNOWN_WORDS
    nobody: tuple[str, ...] = NOBODY

    def placeholders_of(self, column: str) -> tuple[str, ...]:
        """Return the words that are no names in the column, in lower case."""
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
    """Return the normalised name: no invisible characters, no blanks at its ends, single spaces within, composed (NFC).

    Args:
        text: The name as delivered or declared.
        fold: Whether the name is converted to lower case.

    >>> normalised_name("  checkout\\u200b\\u00a0"), normalised_name("Page\\u00a0 view", fold=True)
    ('checkout', 'page view')
    """
    visible = _INVISIBLE_SIGNS.sub("", text)
    name = unicodedata.normalize("NFC", _BLANK_RUNS.sub(" ", _BLANK_ENDS.sub("", visible)))
    return name.lower() if fold else name


def normalised_name_sql(name: str) -> str:
    """Return SQL that normalises the text `name` as `normalised_name` does; NULL where nothing remains.

    Plain ASCII text, which is by far the most frequent, is returned without any further evaluation.
    """
    visible = f"regexp_replace({name}, {literal(f'[{_re2_class(_INVISIBLE)}]')}, '', 'g')"
    ends = _re2_class(_ENDS)
    bare = f"regexp_replace({visible}, {literal(f'^[{ends}]+|[{ends}]+$')}, '', 'g')"
    written = f"nfc_normalize(regexp_replace({bare}, {literal(f'[{_re2_class(_BLANKS)}]+')}, ' ', 'g'))"
    return f"CASE WHEN regexp_full_match({name}, '[!-~]+( [!-~]+)*') THEN {name} ELSE nullif({written}, '') END"
