"""A value is read whole or not at all: the SQL is compared with a second implementation in Python."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
import pytest

from intelligence.telemetry.values import (
    Numerals,
    count_sql,
    number_sql,
    time_by_parts_sql,
    time_sql,
    truth_sql,
    unknown_sql,
)

BLANKS = " \t\r\n\u00a0\u2003\u202f\u3000\ufeff\u200b\x85"


def read(values: Sequence[Any], *expressions: str, type_: str = "VARCHAR") -> list[tuple[Any, ...]]:
    """Return what each of the expressions over `x` makes of each of the values, in their order."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'America/New_York'")
        connection.register("given", pl.DataFrame({"x": values}).with_row_index("place"))
        connection.execute(f"CREATE TABLE typed AS SELECT place, CAST(x AS {type_}) AS x FROM given")
        return connection.execute(f"SELECT {', '.join(expressions)} FROM typed ORDER BY place").fetchall()


def utc(*parts: int) -> datetime:
    return datetime(*parts)  # type: ignore[arg-type]


TIMES = [
    ("2025-05-05T10:00:00+02:00", utc(2025, 5, 5, 8)),
    ("2025-05-05T10:00:00+02:00 ", utc(2025, 5, 5, 8)),
    ("2025-05-05T10:00:00+02:00:00", utc(2025, 5, 5, 8)),
    ("2025-05-05T20:00:00-07:00\t", utc(2025, 5, 6, 3)),
    ("2025-05-05T10:15+02:00", utc(2025, 5, 5, 8, 15)),
    ("2025-05-05T08:16Z", utc(2025, 5, 5, 8, 16)),
    ("2025-05-05 08:17", utc(2025, 5, 5, 8, 17)),
    ("2025-05-05T10:00:00+02", utc(2025, 5, 5, 8)),
    ("2025-05-05T10:00:00+0230", utc(2025, 5, 5, 7, 30)),
    ("2025-05-05T10:00:00+023015", utc(2025, 5, 5, 7, 29, 45)),
    ("2025-05-05T10:00:00-00:25:21", utc(2025, 5, 5, 10, 25, 21)),
    ("2025-05-05T10:00:00z", utc(2025, 5, 5, 10)),
    ("2025-05-05t10:00:00 UTC", utc(2025, 5, 5, 10)),
    ("2025-05-05 10:00:00 gmt", utc(2025, 5, 5, 10)),
    ("2025-05-05 10:00:00.25 +0200", utc(2025, 5, 5, 8, 0, 0, 250_000)),
    ("2025-05-05 10:00:00,25Z", utc(2025, 5, 5, 10, 0, 0, 250_000)),
    ("2025-05-05T10:00:00.123456789Z", utc(2025, 5, 5, 10, 0, 0, 123_456)),
    ("2025-05-05T10:00:00 Europe/Berlin", utc(2025, 5, 5, 8)),
    ("2025-12-05T10:00 America/Argentina/Buenos_Aires", utc(2025, 12, 5, 13)),
    ("\ufeff\u00a02025-05-05T10:00:00\u22120700\u3000", utc(2025, 5, 5, 17)),
    ("2025/05/05 10:00", utc(2025, 5, 5, 10)),
    ("2025-5-5", utc(2025, 5, 5)),
    ("2025-05-05T24:00:00", utc(2025, 5, 6)),
    ("2024-12-31T23:30:00-01:00", utc(2025, 1, 1, 0, 30)),
]
NO_TIMES = [
    "2025-05-05T10", "2025-05-05+02:00", "20250505", "2025-05-05T10:00:00+2", "2025-05-05T10:00:00+2:00", "10:00:00Z",
    "2025-05-05T10:00:00+16:00", "2025-05-05T10:00:00+02:60", "2025-05-05T10:00:00 PST", "2025-05-05T10:00:00 Europe",
    "2025-05-05T10:00:00 Nowhere/City", "2025-05-05T10:00:00 UTC+2", "2025-05-05T10:00:00Z and more", "epoch",
    "2025-05-05T10:00:00+02:00[Europe/Berlin]", "2025-02-30T10:00:00Z", "2025-05-05T25:00:00", "2025-05-05T10:60Z",
    "2025-05-05T10:00:00ZZ", "2025-05-05T10:00:00+02:00+02:00", "2025-05-05T10:00:00.Z", "2025-05-05 (BC) 10:00:00",
    "٢٠٢٥-٠٥-٠٥T10:00:00Z", "1746439200", "infinity", "2025-03-30T02:30:00 Europe/Berlin", "2025-05-05T10:00:00\x00Z",
    "05.05.2025 10:00", "2025-05-05T10:00:00 +02:00 x", "2025-05-05T23:59:60Z",
]  # fmt: skip


def test_each_way_to_write_a_time_is_read_whole_in_utc() -> None:
    found = read([text for text, _ in TIMES], time_sql("x", "VARCHAR"), time_by_parts_sql("x"))
    assert found == [(time, time) for _, time in TIMES]


def test_what_is_no_time_or_more_than_one_is_not_read_in_part() -> None:
    found = read(NO_TIMES, time_sql("x", "VARCHAR"), unknown_sql("x", "VARCHAR"))
    assert dict(zip(NO_TIMES, found, strict=True)) == dict.fromkeys(NO_TIMES, (None, False)) | {
        "infinity": (None, True)
    }


def written_times(count: int) -> list[str]:
    """Return texts that are times, or nearly: each part in one of its spellings, and sometimes something left over."""
    random = Random(7)

    def text() -> str:
        at = datetime(1990, 1, 1) + timedelta(microseconds=random.randrange(45 * 365 * 86_400 * 10**6))
        clock = random.choice(["%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%H:%M:%S,%f"])
        hour, minute, second = random.randrange(18), random.randrange(62), random.randrange(62)
        offset = random.choice([f"{hour:02}", f"{hour:02}:{minute:02}", f"{hour:02}{minute:02}", f"{hour}",
                                f"{hour:02}:{minute:02}:{second:02}", f"{hour:02}:"])  # fmt: skip
        sign = random.choice("+-\u2212")
        zone = random.choice(["", "Z", "z", " UTC", "GMT", f"{sign}{offset}", f" {sign}{offset}", " Asia/Tokyo"])
        left_over = random.choice(["", "", "", "", "Z", "x", ":00", "+02", "\x00", "."])
        before, behind = ("".join(random.choices(BLANKS, k=random.randrange(3))) for _ in range(2))
        return f"{before}{at:%Y-%m-%d}{random.choice('T t')}{at.strftime(clock)}{zone}{left_over}{behind}"

    return [text() for _ in range(count)]


def second_reading(text: str) -> datetime | None:
    """Return the time in UTC that Python reads in the text once its spelling is the canonical one; None where it cannot."""
    text = text.strip(BLANKS).replace("\u2212", "-").replace(",", ".").upper()
    text = re.sub(r" ?(UTC|GMT)$", "Z", text)
    zone: Any = UTC
    if text.endswith(" ASIA/TOKYO"):
        text, zone = text.removesuffix(" ASIA/TOKYO"), ZoneInfo("Asia/Tokyo")
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{5,8}(\.[0-9]+)? ?(Z|[+-][0-9:]+)?", text):
        return None
    offset = re.search(r"[+-](\d\d)(?::?(\d\d))?(?::?(\d\d))?$", text[10:])
    if re.search(r"[+-]", text[10:]):
        # Python also reads offsets of up to a day, and two parts that are written in different ways.
        if not re.search(r"[+-](\d\d|\d{4}|\d{6}|\d\d:\d\d(:\d\d)?)$", text) or offset is None or int(offset[1]) > 15:
            return None
        hours, minutes, seconds = (int(part or 0) for part in offset.groups())
        if max(minutes, seconds) > 59:
            return None
        zone = timezone((-1 if "-" in text[10:] else 1) * timedelta(hours=hours, minutes=minutes, seconds=seconds))
        text = text[: 10 + offset.start()]
    elif text.endswith("Z"):
        text = text[:-1]
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None)
    except ValueError:
        return None


def test_every_text_is_read_as_python_reads_it_or_not_at_all() -> None:
    texts = written_times(5_000)
    found = read(texts, time_sql("x", "VARCHAR"))
    second = [second_reading(text) for text in texts]
    assert [
        (text, mine, other) for text, (mine,), other in zip(texts, found, second, strict=True) if mine != other
    ] == []
    assert min(sum(time is None for time in second), sum(time is not None for time in second)) > 1_000


NUMBERS = {
    "5": 5.0, " 5 ": 5.0, "5\u00a0": 5.0, "\ufeff5": 5.0, "+5": 5.0, "-0": 0.0, "1e5": 1e5, "1.5E-3": 0.0015, ".5": 0.5,
    "1.": 1.0, "00012": 12.0, "1e400": float("inf"),
    "1_000": None, "0x10": None, "5,3": None, "١٢": None, "５": None, "1 000": None, "5 ms": None, "--5": None, "1e": None,
    "5\x00": None, "1.5.2": None, "$5": None, "5%": None, "": None, "true": None,
}  # fmt: skip


def test_a_number_is_read_whole_or_not_at_all() -> None:
    assert [row[0] for row in read(list(NUMBERS), number_sql("x", "VARCHAR"))] == list(NUMBERS.values())


def test_every_number_is_the_one_that_python_reads() -> None:
    random = Random(7)
    pieces = ["", "", " ", "\u00a0", "+", "-", ".", ",", "_", "e", "E+", "x", "0", "7", "12", "345", "\t"]
    texts = ["".join(random.choices(pieces, k=random.randrange(1, 7))) for _ in range(5_000)]

    def second(text: str) -> float | None:
        try:
            return None if "_" in text else float(text)
        except ValueError:
            return None

    found = [row[0] for row in read(texts, number_sql("x", "VARCHAR"))]
    assert [(text, mine) for text, mine in zip(texts, found, strict=True) if mine != second(text)] == []


DECLARED = [
    (Numerals(",", "."), {"1.234,5": 1234.5, "1.234": 1234.0, "5,3": 5.3, "-1.234.567,89": -1234567.89, "12": 12.0,
                          "1.23": None, "1.2345,6": None, "1,234,5": None, "1.5": None, ",5": 0.5, "1234,5": 1234.5}),
    (Numerals(","), {"5,3": 5.3, "5.3": None, "1.234,5": None, "5,3e2": 530.0}),
    (Numerals(",", " "), {"1 234,5": 1234.5, "1\u202f234\u00a0567": 1234567.0, "1 23": None, " 7 ": 7.0}),
    (Numerals(".", ","), {"1,234.5": 1234.5, "1,23": None, "1,234": 1234.0}),
    (Numerals(".", "'"), {"1'234.5": 1234.5, "1''234": None}),
]  # fmt: skip


@pytest.mark.parametrize(("numerals", "texts"), DECLARED)
def test_decimals_and_thousands_are_read_as_declared_and_not_otherwise(
    numerals: Numerals, texts: dict[str, float | None]
) -> None:
    assert [row[0] for row in read(list(texts), number_sql("x", "VARCHAR", numerals))] == list(texts.values())


TRUTHS = {
    "true": True, "TRUE": True, "t": True, "yes": True, "Y": True, "on": True, "1": True, "1.0": True, " 1 ": True,
    "false": False, "f": False, "No": False, "off": False, "0": False, "0.0": False, "-0": False, "0e0": False,
    "true\u00a0": True, "0.5": None, "2": None, "1.0001": None, "maybe": None, "tru": None, "10": None, "-1": None,
}  # fmt: skip


def test_truth_is_a_word_or_a_one_or_a_zero() -> None:
    assert [row[0] for row in read(list(TRUTHS), truth_sql("x", "VARCHAR"))] == list(TRUTHS.values())
    numbers = [0.0, 1.0, 0.5, 2.0, -1.0, float("nan"), float("inf")]
    assert [row[0] for row in read(numbers, truth_sql("x", "DOUBLE"), type_="DOUBLE")] == [
        False, True, None, None, None, None, None,
    ]  # fmt: skip
    assert [row[0] for row in read([0, 1, 2], truth_sql("x", "TINYINT"), type_="TINYINT")] == [False, True, None]


def test_a_count_is_a_number_or_a_truth() -> None:
    texts = ["3", "2.0", "1.5", "true", "False", "yes", "nan"]
    assert [row[0] for row in read(texts, count_sql("x", "VARCHAR"))] == [3.0, 2.0, 1.5, 1.0, 0.0, None, None]


@pytest.mark.parametrize(
    ("type_", "unknown", "wrong"),
    [
        ("VARCHAR", [None, "", "  ", "NaN", "-inf", "null", "N/A", "undefined", "None", "\u00a0", "NaT", "#N/A"], ["x", "na na"]),
        ("DOUBLE", [None, float("nan"), float("inf"), float("-inf")], [0.5]),
        ("BIGINT", [None], [7]),
        ("BLOB", [None, b""], [b"\xff"]),
    ],
)  # fmt: skip
def test_what_is_unknown_is_told_from_what_is_wrong(type_: str, unknown: list[Any], wrong: list[Any]) -> None:
    found = [row[0] for row in read([*unknown, *wrong], unknown_sql("x", type_), type_=type_)]
    assert found == [True] * len(unknown) + [False] * len(wrong)
