"""SQL that reads one delivered value: the only place that defines what a text, a number or a time in a file means.

Each function returns SQL that yields the typed value, or NULL where the value is unknown or malformed; `unknown_sql`
distinguishes these two. One expression both validates and converts, so a value is never read in part. Equal values are
read equally in every format: as text of CSV and JSON Lines, and as typed columns of Parquet.
"""

from dataclasses import dataclass
from typing import Final

from intelligence.core.sql import literal
from intelligence.telemetry.local_time import UTC_NAME, utc_time_sql

# Unicode white space, the Braille blank, and the byte order marks that exports leave at the ends of values.
BLANK: Final = r"\x09-\x0d\x1c-\x20\x{85}\p{Z}\x{2800}\x{200B}\x{FEFF}"
# What programs write where they have no value; in columns of numbers, times and booleans it means unknown.
UNKNOWN_WORDS: Final = (
    "null",
    "undefined",
    "none",
    "nan",
    "n/a",
    "#n/a",
    "(null)",
    "<null>",
    "nil",
    "nat",
    "<na>",
    "\\n",
    "[object object]",
)
_UNKNOWN_NUMBERS: Final = r"(?i)[+-]?(nan|inf|infinity)"
_TRUE: Final = "('true', 't', 'yes', 'y', 'on', '1')"
_FALSE: Final = "('false', 'f', 'no', 'n', 'off', '0')"
# Neighbouring whole numbers beyond this are equal in a floating-point column.
_EXACT_FLOATS: Final = 2**53

_CLOCK: Final = r"\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?"
_OFFSET: Final = r"[+-](?:0\d|1[0-5])(?::?[0-5]\d)?"
PLAIN_TIME: Final = rf"\d{{4}}-\d{{2}}-\d{{2}}(?:[T ]{_CLOCK})?"
ZONED_TIME: Final = rf"\d{{4}}-\d{{2}}-\d{{2}}[T ]\d{{2}}:\d{{2}}:\d{{2}}(?:\.\d{{1,9}})?(?:Z|{_OFFSET})"
# The parts of a time: date, hours and minutes, seconds, and the offset or name of a zone.
_PARTS: Final = (
    r"^(\d{4}[-/]\d{1,2}[-/]\d{1,2})"
    r"(?:(?:[Tt]| +)(\d{1,2}:\d{1,2})(:\d{1,2}(?:[.,]\d{1,9})?)?"
    r" *([Zz]|(?i:utc|gmt)|[+\-\x{2212}](?:0\d|1[0-5])(?:(?::[0-5]\d){0,2}|(?:[0-5]\d){1,2})|[A-Za-z]+(?:/[A-Za-z0-9_+-]+)+)?)?$"
)
_PLAIN_NUMBER: Final = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"


@dataclass(frozen=True, slots=True)
class Numerals:
    """How a source writes numbers in text.

    Attributes:
        decimal: The character before decimals.
        thousands: The character between groups of thousands; empty where there is none.
    """

    decimal: str = "."
    thousands: str = ""

    @property
    def is_plain(self) -> bool:
        """Return whether numbers are written as programs write them, such as `1234.5`."""
        return (self.decimal, self.thousands) == (".", "")


PLAIN_NUMERALS: Final = Numerals()


def stripped_sql(raw: str) -> str:
    """Return SQL for the text `raw` without blanks at its ends."""
    return f"regexp_replace({raw}, {literal(f'^[{BLANK}]+|[{BLANK}]+$')}, '', 'g')"


def unknown_sql(raw: str, raw_type: str) -> str:
    """Return SQL that is true where a value without a typed value is unknown, and false where it is malformed.

    Args:
        raw: SQL expression of the delivered value.
        raw_type: DuckDB's name of its type.
    """
    if raw_type == "VARCHAR":
        words = ", ".join(literal(word) for word in ("", *UNKNOWN_WORDS))
        text = stripped_sql(raw)
        wrong = f"lower({text}) NOT IN ({words}) AND NOT regexp_full_match({text}, {literal(_UNKNOWN_NUMBERS)})"
    elif raw_type == "BLOB":
        wrong = f"octet_length({raw}) > 0"
    elif is_floating(raw_type) or _is_timely(raw_type):
        wrong = f"isfinite({raw})"
    else:
        wrong = "true"
    return f"CASE WHEN {raw} IS NULL THEN true ELSE NOT ({wrong}) END"


def is_floating(raw_type: str) -> bool:
    """Return whether a column of the DuckDB type can contain NaN."""
    return raw_type in ("DOUBLE", "FLOAT")


def _is_timely(raw_type: str) -> bool:
    return raw_type.startswith("TIMESTAMP") or raw_type == "DATE"


def time_sql(raw: str, raw_type: str, clock: str = UTC_NAME) -> str:
    """Return SQL for a time in UTC.

    Text is read as `2025-05-05` or `2025-05-05T10:15`, optionally with seconds and fractions of them, followed by `Z`, `UTC`,
    an offset (`+02`, `+0200`, `+02:00`, `+02:00:00`) or the name of a zone (`Europe/Berlin`).

    Args:
        raw: SQL expression of the delivered value.
        raw_type: DuckDB's name of its type.
        clock: IANA time zone of times that name no zone.
    """
    if clock != UTC_NAME and raw_type != "TIMESTAMP WITH TIME ZONE":
        moved = f"CASE WHEN {_has_no_zone(raw, raw_type)} THEN {utc_time_sql('shown', clock)} ELSE shown END"
        return f"list_transform([{time_sql(raw, raw_type)}], lambda shown: {moved})[1]"
    if raw_type == "TIMESTAMP WITH TIME ZONE":
        return f"CASE WHEN isfinite({raw}) THEN timezone('UTC', {raw}) END"
    if _is_timely(raw_type):
        return f"CASE WHEN isfinite({raw}) THEN TRY_CAST({raw} AS TIMESTAMP) END"
    if raw_type != "VARCHAR":
        return f"TRY_CAST({raw} AS TIMESTAMP)"
    # Times in the usual notations are cast directly, all others are read part by part.
    return (
        f"CASE WHEN regexp_full_match({raw}, {literal(PLAIN_TIME)}) THEN TRY_CAST({raw} AS TIMESTAMP)"
        f" WHEN regexp_full_match({raw}, {literal(ZONED_TIME)}) THEN timezone('UTC', TRY_CAST({raw} AS TIMESTAMPTZ))"
        f" ELSE {time_by_parts_sql(raw)} END"
    )


def _has_no_zone(raw: str, raw_type: str) -> str:
    if raw_type != "VARCHAR":
        return "true"
    part = f"regexp_extract({stripped_sql(raw)}, {literal(_PARTS)}, ['day', 'clock', 'seconds', 'zone'])['zone']"
    return f"(regexp_full_match({raw}, {literal(PLAIN_TIME)}) OR {part} = '')"


def time_by_parts_sql(raw: str) -> str:
    """Return SQL for the time in the text `raw` in UTC, computed from its parts; NULL where it contains anything else."""
    parts = f"regexp_extract({stripped_sql(raw)}, {literal(_PARTS)}, ['day', 'clock', 'seconds', 'zone'])"
    return f"list_transform([{parts}], lambda part: {_OF_PARTS})[1]"


_LOCAL: Final = (
    "TRY_CAST(replace(part.day, '/', '-') || ' ' || CASE WHEN part.clock = '' THEN '00:00' ELSE part.clock END"
    " || CASE WHEN part.seconds = '' THEN ':00' ELSE replace(part.seconds, ',', '.') END AS TIMESTAMP)"
)
_DIGITS: Final = "rpad(regexp_replace(part.zone, '\\D', '', 'g'), 6, '0')"
_SHIFT: Final = (
    "to_seconds(CAST(substr({digits}, 1, 2) AS INTEGER) * 3600 + CAST(substr({digits}, 3, 2) AS INTEGER) * 60"
    " + CAST(substr({digits}, 5, 2) AS INTEGER))"
).replace("{digits}", _DIGITS)
_OF_ZONE: Final = f"TRY_CAST(CAST({_LOCAL} AS VARCHAR) || ' ' || part.zone AS TIMESTAMPTZ)"
# A local time that the zone's clocks skip is malformed: converted back to its zone, the time must be the same.
_IN_ZONE: Final = (
    f"CASE WHEN {_OF_ZONE} IS NULL THEN NULL"
    f" WHEN timezone(part.zone, {_OF_ZONE}) = {_LOCAL} THEN timezone('UTC', {_OF_ZONE}) END"
)
_OF_PARTS: Final = (
    "CASE WHEN part.day = '' OR part.day IS NULL THEN NULL"
    f" WHEN lower(part.zone) IN ('', 'z', 'utc', 'gmt') THEN {_LOCAL}"
    f" WHEN part.zone[1] = '+' THEN {_LOCAL} - {_SHIFT}"
    f" WHEN part.zone[1] IN ('-', chr(8722)) THEN {_LOCAL} + {_SHIFT}"
    f" ELSE {_IN_ZONE} END"
)


def number_sql(raw: str, raw_type: str, numerals: Numerals = PLAIN_NUMERALS) -> str:
    """Return SQL for a number as a DOUBLE.

    Args:
        raw: SQL expression of the delivered value.
        raw_type: DuckDB's name of its type.
        numerals: The only notation in which text is read.
    """
    if raw_type == "VARCHAR":
        if numerals.is_plain:
            at_once, text = f"regexp_full_match({raw}, {literal(_PLAIN_NUMBER)})", stripped_sql(raw)
            slow = f"CASE WHEN regexp_full_match({text}, {literal(_PLAIN_NUMBER)}) THEN TRY_CAST({text} AS DOUBLE) END"
            return f"CASE WHEN {at_once} THEN TRY_CAST({raw} AS DOUBLE) WHEN {raw} IS NOT NULL THEN {slow} END"
        return _declared_number_sql(stripped_sql(raw), numerals)
    if is_floating(raw_type):
        return f"CASE WHEN isfinite({raw}) THEN CAST({raw} AS DOUBLE) END"
    return f"TRY_CAST({raw} AS DOUBLE)"


def _declared_number_sql(text: str, numerals: Numerals) -> str:
    decimal, thousands = _escaped(numerals.decimal), _escaped(numerals.thousands)
    grouped = rf"\d{{1,3}}(?:{thousands}\d{{3}})+|" if numerals.thousands else ""
    grammar = rf"[+-]?(?:(?:{grouped}\d+)(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?"
    bare = f"regexp_replace({text}, {literal(thousands)}, '', 'g')" if numerals.thousands else text
    plain = f"replace({bare}, {literal(numerals.decimal)}, '.')"
    return f"CASE WHEN regexp_full_match({text}, {literal(grammar)}) THEN TRY_CAST({plain} AS DOUBLE) END"


def _escaped(sign: str) -> str:
    # A blank between thousands may have any width, and is often a non-breaking one.
    return r"[\p{Z}]" if sign.isspace() else "".join(f"\\x{{{ord(each):X}}}" for each in sign)


def truth_sql(raw: str, raw_type: str, numerals: Numerals = PLAIN_NUMERALS) -> str:
    """Return SQL for a BOOLEAN: from a word such as `yes` or `off`, or from the numbers 1 and 0.

    Args:
        raw: SQL expression of the delivered value.
        raw_type: DuckDB's name of its type.
        numerals: How numbers are written in text.
    """
    if raw_type == "BOOLEAN":
        return raw
    of_number = f"CASE {number_sql(raw, raw_type, numerals)} WHEN 1 THEN true WHEN 0 THEN false END"
    if raw_type != "VARCHAR":
        return of_number
    text = f"lower({stripped_sql(raw)})"
    return (
        f"CASE WHEN lower({raw}) IN {_TRUE} THEN true WHEN lower({raw}) IN {_FALSE} THEN false WHEN {raw} IS NULL THEN NULL"
        f" WHEN {text} IN {_TRUE} THEN true WHEN {text} IN {_FALSE} THEN false ELSE {of_number} END"
    )


def count_sql(raw: str, raw_type: str, numerals: Numerals = PLAIN_NUMERALS) -> str:
    """Return SQL for a count as a DOUBLE, whole or not; true counts as 1 and false as 0.

    Args:
        raw: SQL expression of the delivered value.
        raw_type: DuckDB's name of its type.
        numerals: How numbers are written in text.
    """
    if raw_type == "BOOLEAN":
        return f"CAST({raw} AS DOUBLE)"
    number = number_sql(raw, raw_type, numerals)
    if raw_type != "VARCHAR":
        return number
    return f"coalesce({number}, CASE lower({stripped_sql(raw)}) WHEN 'true' THEN 1.0 WHEN 'false' THEN 0.0 END)"


def text_sql(raw: str, raw_type: str, *, is_id: bool = False) -> str:
    """Return SQL for a value as text; NULL where it is empty.

    Args:
        raw: SQL expression of the delivered value.
        raw_type: DuckDB's name of its type.
        is_id: Whether the value is an id, so that `42.0` becomes `42`, and a floating-point number too large to be exact
            becomes `9.007199e+15`, which the contract rejects.
    """
    nested = raw_type.endswith("]") or raw_type.startswith(("STRUCT", "MAP", "UNION"))
    if nested:
        return f"CAST(to_json({raw}) AS VARCHAR)"
    if raw_type == "BLOB":
        return f"nullif(TRY(decode({raw})), '')"
    if is_floating(raw_type):
        whole = (
            f" WHEN {raw} <> trunc({raw}) THEN CAST({raw} AS VARCHAR)"
            f" WHEN abs({raw}) < {_EXACT_FLOATS} THEN CAST(CAST({raw} AS BIGINT) AS VARCHAR)"
            f" ELSE format('{{:e}}', {raw})"
            if is_id
            else f" ELSE CAST({raw} AS VARCHAR)"
        )
        return f"CASE WHEN NOT isfinite({raw}) THEN NULL{whole} END"
    if raw_type.startswith("DECIMAL") and is_id:
        return f"CASE WHEN {raw} = trunc({raw}) THEN CAST(CAST({raw} AS HUGEINT) AS VARCHAR) ELSE CAST({raw} AS VARCHAR) END"
    if raw_type == "VARCHAR" and is_id:
        return (
            f"CASE WHEN {raw} = '' THEN NULL WHEN ends_with({raw}, '.0') AND regexp_full_match({raw}, '-?\\d+\\.0')"
            f" THEN left({raw}, -2) ELSE {raw} END"
        )
    return f"nullif(CAST({raw} AS VARCHAR), '')"
