"""A row that fails the contract is in quarantine with its reason, value, whole payload, file and position; nothing is lost."""

import json
from typing import Any

import pytest

HEADER = "event_id,event_time,user_id,feature,event_type,latency_ms,error_count,crashed,rating,duration_s,properties"
GOOD = {
    "event_id": "", "event_time": "2026-05-04T10:00:00", "user_id": "u1", "feature": "search", "event_type": "use",
    "latency_ms": "12.5", "error_count": "0", "crashed": "false", "rating": "4", "duration_s": "30", "properties": "{}",
}  # fmt: skip
SQL = "x'); DROP TABLE telemetry.raw_events; --"
HTML = "<script>alert(1)</script>"

# Each way to break a row: the column, the value, and the reason that it must be given.
WAYS = [
    ("event_time", "yesterday", "event_time is not a TIMESTAMP"),
    ("event_time", "2026-13-45T99:00:00", "event_time is not a TIMESTAMP"),
    ("event_time", "0001-01-01", "event_time lies before the product's start"),
    ("event_time", "9999-12-31", "event_time lies in the future or after the product's end"),
    ("event_time", "infinity", "event_time is missing"),
    ("event_time", "", "event_time is missing"),
    ("user_id", "", "user_id is missing"),
    ("user_id", HTML, "user_id has characters that a name may not have"),
    ("feature", "", "feature is missing"),
    ("feature", HTML, "feature has characters that a name may not have"),
    ("feature", "f" * 257, "feature is longer than 256 characters"),
    ("event_type", "a\x00b", "event_type has characters that a name may not have"),
    ("latency_ms", "fast", "latency_ms is not a DOUBLE"),
    ("latency_ms", "-1", "latency_ms is outside 0 to 6.048e+08"),
    ("latency_ms", "1_000", "latency_ms is not a DOUBLE"),
    ("latency_ms", "1e400", "latency_ms is outside 0 to 6.048e+08"),
    ("error_count", "1.5", "error_count is not a whole number"),
    ("error_count", "99999999999999999999", "error_count is outside 0 to 1e+06"),
    ("crashed", "perhaps", "crashed is not a BOOLEAN"),
    ("rating", "6", "rating is outside 1 to 5"),
    ("duration_s", "86401", "duration_s is outside 0 to 86400"),
    ("properties", '{"a": ', "properties is not a JSON object"),
    ("properties", "[1]", "properties is not a JSON object"),
    ("properties", '{"a": "' + "x" * 70_000 + '"}', "properties is longer than 65536 characters"),
]
# Lines that are no rows at all: the text (of one line), and the reason.
LINES = [
    (b"one,two", b"one,two", "unreadable line: missing columns"),
    (b",".join([b"x"] * 12), b",".join([b"x"] * 12), "unreadable line: too many columns"),
    (b'u,"closed"early,x', b'u,"closed"early,x', "unreadable line: unquoted value"),
    (b"u\xff\xfe,x", b"u\\xff\\xfe,x", "unreadable line: invalid encoding"),
]


def quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def csv_line(**changed: str) -> bytes:
    return ",".join(quoted(value) if value else "" for value in {**GOOD, **changed}.values()).encode()


def test_ten_thousand_rows_broken_in_many_ways_are_all_in_quarantine_with_their_reasons(bench: Any) -> None:
    lines, expected = [], {}
    for number in range(1, 12_001):
        way = number % (len(WAYS) + len(LINES) + 5)
        if way < len(WAYS):
            column, value, reason = WAYS[way]
            if len(value) > 1_000 and number > 300:
                column, value, reason = WAYS[0]
            lines.append(csv_line(**{column: value}))
            expected[number] = (reason, column, value[:1000] or None)
        elif way < len(WAYS) + len(LINES):
            text, told, reason = LINES[way - len(WAYS)]
            lines.append(text)
            expected[number] = (reason, None, told.decode())
        else:
            lines.append(csv_line(properties=json.dumps({"n": number})))
    assert len(expected) >= 10_000
    bench.deliver("broken.csv", b"\n".join([HEADER.encode(), *lines]))
    assert bench.ingest().refused == []
    assert bench.counts() == [(12_000, 12_000 - len(expected), 0, len(expected))]
    found = {row[0]: row[1:] for row in bench.rejected("source_row, reason, column_name, value")}
    assert found == expected
    for row, payload, file in bench.rejected("source_row, payload, source_file"):
        assert file.endswith("broken.csv")
        reason, column, value = expected[row]
        if column is None:
            assert payload == value
        else:
            assert json.loads(payload) == {
                **{k: v or None for k, v in GOOD.items()},
                column: json.loads(payload)[column],
            }
    assert bench.rows("SELECT count(*) FROM telemetry.raw_events") == [(12_000 - len(expected),)]


def test_json_lines_broken_in_many_ways_are_all_in_quarantine(bench: Any) -> None:
    good = {key: value for key, value in GOOD.items() if value and key != "properties"}
    lines = [
        (json.dumps(good).encode(), None),
        (json.dumps(good).encode()[:-20], "unreadable line: not a JSON object"),
        (b"[1, 2]", "unreadable line: not a JSON object"),
        (b'"text"', "unreadable line: not a JSON object"),
        (b'{"user_id": "a\xffb"}', "unreadable line: invalid encoding"),
        (b'{"user_id": "\x01"}', "unreadable line: too many columns"),
        (b"", ""),
        (json.dumps({**good, "user_id": None}).encode(), "user_id is missing"),
        (json.dumps({key: value for key, value in good.items() if key != "feature"}).encode(), "feature is missing"),
        (json.dumps({**good, "latency_ms": [1]}).encode(), "latency_ms is not a DOUBLE"),
        (json.dumps({**good, "user_id": {"$gt": ""}}).encode(), "user_id is a JSON object or list"),
        (json.dumps({**good, "feature": HTML}).encode(), "feature has characters that a name may not have"),
        (b"{}", "event_time is missing"),
        (json.dumps({**good, "event_time": 1777888800}).encode(), "event_time is not a TIMESTAMP"),
        (json.dumps({**good, "crashed": True}).encode(), None),
        (json.dumps({**good, "properties": {"a": {"b": "c"}}}).encode(), None),
    ]
    bench.deliver("broken.jsonl", b"\n".join(line for line, _ in lines))
    assert bench.ingest().refused == []
    expected = [(row, reason) for row, (_, reason) in enumerate(lines, start=1) if reason]
    assert bench.rejected() == expected
    assert bench.counts() == [(15, 3, 0, 12)]
    payloads = dict(bench.rejected("source_row, payload"))
    assert payloads[5] == '{"user_id": "a\\xffb"}'
    assert payloads[11] == lines[10][0].decode()


@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_positions_are_right_after_unreadable_and_quoted_lines(bench: Any, suffix: str) -> None:
    lines = [
        (csv_line(), None),
        (csv_line(rating="9"), "rating is outside 1 to 5"),
        (b"short,line", "unreadable line: missing columns"),
        (csv_line(rating="9"), "rating is outside 1 to 5"),
        (csv_line(properties='{"a":\n"two\n\nlines"}', rating="9"), "rating is outside 1 to 5"),
        (b"bad \xff," + csv_line(), "unreadable line: invalid encoding"),
        (b"short,line", "unreadable line: missing columns"),
        (csv_line(), None),
        (csv_line(rating="9"), "rating is outside 1 to 5"),
    ]
    bench.deliver(f"a.{suffix}", b"\n".join([HEADER.encode(), *(line for line, _ in lines)]) + b"\n")
    assert bench.ingest().refused == []
    expected = [(row, reason) for row, (_, reason) in enumerate(lines, start=1) if reason]
    assert bench.rejected() == expected
    assert bench.rows("SELECT source_row FROM telemetry.events ORDER BY ALL") == [(1,), (8,)]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_blank_lines_are_no_rows_and_do_not_shift_positions(bench: Any, newline: bytes) -> None:
    lines = [
        csv_line(), b"", b"", b"short,line", b"", csv_line(properties='{"a":\n\n1}'), b"short,line", b"",
        csv_line(rating="9"), b"", b"tail",
    ]  # fmt: skip
    bench.deliver("a.csv", newline.join([HEADER.encode(), *lines]) + newline)
    assert bench.ingest().refused == []
    assert bench.rejected() == [
        (2, "unreadable line: missing columns"),
        (4, "unreadable line: missing columns"),
        (5, "rating is outside 1 to 5"),
        (6, "unreadable line: missing columns"),
    ]
    assert bench.counts() == [(6, 2, 0, 4)]
    assert bench.rejected("payload")[0] == ("short,line",)


def test_lines_that_an_open_quote_swallows_are_each_in_quarantine(bench: Any) -> None:
    open_quote = b'e,"open,u1,search'
    lines = [csv_line(), open_quote, b"swallowed,1", b"swallowed,2", csv_line(rating="9"), csv_line(rating="9")]
    bench.deliver("a.csv", b"\n".join([HEADER.encode(), *lines]))
    assert bench.ingest().refused == []
    assert bench.rejected("source_row, payload")[:3] == [
        (2, open_quote.decode()), (3, "swallowed,1"), (4, "swallowed,2"),
    ]  # fmt: skip
    assert bench.rejected()[-1] == (6, "rating is outside 1 to 5")
    assert bench.counts() == [(6, 1, 0, 5)]


@pytest.mark.proof
def test_strings_of_ten_megabytes_are_kept_whole_in_quarantine(bench: Any) -> None:
    ten = "x" * 10_000_000
    lines = [
        csv_line(),
        csv_line(feature=ten),
        f"short,{ten}".encode(),
        f"long,{ten}{ten[:7_000_000]}".encode(),
        csv_line(),
    ]
    bench.deliver("a.csv", b"\n".join([HEADER.encode(), *lines]))
    assert bench.ingest().refused == []
    assert bench.counts() == [(5, 2, 0, 3)]
    found = bench.rows(
        "SELECT reason, length(payload) > 10000000, length(value) FROM telemetry.rejected_events ORDER BY ALL"
    )
    assert found == [
        ("feature is longer than 256 characters", True, 1000),
        ("unreadable line: line size over maximum", True, 1000),
        ("unreadable line: missing columns", True, 1000),
    ]


def test_nothing_in_a_row_or_a_name_is_executed(bench: Any) -> None:
    names = [SQL, f'"; {SQL}', HTML, "{{7*7}}", "$(touch x)", "%s%n", "=cmd|' /C calc'!A0"]
    header = ",".join(quoted(name) for name in names)
    bench.deliver(f"{SQL.replace('/', '')}.csv", f"{HEADER},{header}\n".encode() + csv_line() + b"," + header.encode() + b"\n"
                  + csv_line(feature=HTML) + b"," + header.encode() + b"\n"
                  + csv_line(feature=SQL) + b"," + header.encode() + b"\n")  # fmt: skip
    assert bench.ingest().refused == []
    assert bench.counts() == [(3, 2, 0, 1)]
    assert (SQL,) in bench.events("feature")
    ((payload,),) = bench.rejected("payload")
    assert {name: json.loads(payload)[name] for name in names} == dict(zip(names, names, strict=True))
