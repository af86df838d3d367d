"""Guesses at how a source is written, from a few of its lines: its delimiter, and the format of its times.

A guess is never applied: it is shown to a person, who writes it into product.yaml.
"""

import csv
import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from intelligence.core.sql import identifier

READ_SHARE: Final = 0.8
DELIMITERS: Final = (",", ";", "\t", "|", ":")
_NAMES: Final = {"\t": "a tab", ";": "a semicolon", ",": "a comma", "|": "a vertical bar", ":": "a colon"}
_WRITTEN: Final = {"\t": r'"\t"'}

_DATES: Final = (
    "%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d",
    "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d/%b/%Y",
    "%a %b %d %Y", "%a, %d %b %Y",
)  # fmt: skip
_CLOCKS: Final = (
    "%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%H:%M:%S,%f", "%I:%M:%S %p", "%I:%M %p", "%H.%M", "%H.%M.%S", "%H%M%S", "%H%M", "%Hh%M",
)  # fmt: skip
_BETWEEN: Final = (" ", "T", ", ", ":", " um ", "", " - ", "_")
_ZONES: Final = ("", " %z", "%z")
# Lower bound, upper bound (exclusive) and divisor to seconds: the years 2000 to 2100 reveal the unit of a number.
_EPOCHS: Final = ((946_684_800, 4_102_444_800, 1), (946_684_800_000, 4_102_444_800_000, 1_000))
_FINE_EPOCHS: Final = ((946_684_800_000_000, 4_102_444_800_000_000, "make_timestamp({0})"),)
_SPREADSHEET_DAYS: Final = (36_526, 73_415)  # 2000 to 2100


def delimiter_guess(lines: Sequence[str], declared: str) -> str | None:
    r"""Return the delimiter that splits all lines into the same number of values; None if `declared` splits the header.

    Args:
        lines: The first lines of a file, the header first; blank ones are ignored.
        declared: The delimiter that the source declares.

    >>> delimiter_guess(["zeit;wer", "01.05.2025 10:00;u1"], ",")
    ';'
    >>> delimiter_guess(["time,user", "2025-05-01,u1"], ",") is None
    True
    """
    lines = [line for line in lines if line.strip()]
    if not lines or _width(lines[0], declared) > 1:
        return None
    widths = {sign: Counter(_width(line, sign) for line in lines) for sign in DELIMITERS if sign != declared}
    whole = {sign: next(iter(found)) for sign, found in widths.items() if len(found) == 1 and next(iter(found)) > 1}
    if not whole:
        # An unquoted text may split a line once too often; the header and most lines decide.
        whole = {
            sign: _width(lines[0], sign)
            for sign, found in widths.items()
            if _width(lines[0], sign) > 1 and found[_width(lines[0], sign)] * 2 > len(lines)
        }
    return max(whole, key=lambda sign: whole[sign]) if whole else None


def delimiter_advice(delimiter: str) -> str:
    r"""Return the advice to declare a guessed delimiter in product.yaml.

    >>> delimiter_advice(";")
    'Its values seem to be parted by a semicolon: write `delimiter: ";"` in the source.'
    """
    written = _WRITTEN.get(delimiter, f'"{delimiter}"')
    return f"Its values seem to be parted by {_NAMES[delimiter]}: write `delimiter: {written}` in the source."


def _width(line: str, delimiter: str) -> int:
    return len(next(csv.reader([line], delimiter=delimiter), []))


def time_expression(column: str, samples: Sequence[str]) -> str | None:
    """Return the SQL expression that reads at least four of five samples as a time; None where none does.

    Where the samples leave open which number is the day and which the month, the day is first, except in a text
    with slashes and AM or PM.

    Args:
        column: The column's name in the file, which the expression uses.
        samples: Values of the column as delivered; blank ones are ignored.

    >>> time_expression("zeit", ["01.05.2025 10:00", "24.12.2025 18:30"])
    "TRY_STRPTIME(zeit, '%d.%m.%Y %H:%M')"
    >>> time_expression("ts", ["1746093600000"])
    'to_timestamp(TRY_CAST(ts AS DOUBLE) / 1000)'
    """
    texts = [text.strip() for text in samples if text and text.strip()]
    if not texts:
        return None
    name = column if column.isidentifier() and column.isascii() else identifier(column)
    number = _number_expression(name, texts)
    if number:
        return number
    # A few malformed values among many do not prevent the guess.
    enough = max(1, math.ceil(READ_SHARE * len(texts)))
    format_ = next((each for each in _formats(texts) if sum(_reads(text, each) for text in texts) >= enough), None)
    return f"TRY_STRPTIME({name}, '{format_}')" if format_ else None


def _number_expression(name: str, texts: Sequence[str]) -> str | None:
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        return None
    for low, high, divisor in _EPOCHS:
        if all(low <= number < high for number in numbers):
            return f"to_timestamp(TRY_CAST({name} AS DOUBLE){f' / {divisor}' if divisor > 1 else ''})"
    for low, high, expression in _FINE_EPOCHS:
        if all(low <= number < high for number in numbers):
            return expression.format(f"TRY_CAST({name} AS BIGINT)")
    first, last = _SPREADSHEET_DAYS
    if all(first <= number < last for number in numbers):
        return f"TIMESTAMP '1899-12-30' + to_seconds(round(TRY_CAST({name} AS DOUBLE) * 86400))"
    return None


def _formats(texts: Sequence[str]) -> list[str]:
    american = any("/" in text and text[-1:] in "mM" for text in texts)
    dates = (
        sorted(_DATES, key=lambda each: each.startswith("%m/"))
        if not american
        else sorted(_DATES, key=lambda each: not each.startswith("%m/"))
    )
    clocks = [(between, f"{between}{clock}{zone}") for zone in _ZONES for clock in _CLOCKS for between in _BETWEEN]
    # With no character between them, a year of two digits and a clock cannot be distinguished from a year of four.
    timed = [f"{date}{clock}" for date in dates for between, clock in clocks if between or not date.endswith("%y")]
    return [*dates, *timed]


def _reads(text: str, format_: str) -> bool:
    try:
        return 1990 <= datetime.strptime(text, format_).year < 2100
    except ValueError:
        return False
