"""A message means on the stream what the same line means in a file, whether a glance or the SQL judges it."""

import json
from datetime import UTC, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intelligence.catalog.product import product_from
from intelligence.core.errors import SourceFileError
from intelligence.online.events import PlainEvents, StreamEvent, text_of
from resources.lake.door import Lake
from resources.online.judging import Judge
from tests.lakes import lake_in
from tests.resources.online.streamed import NOW, said

SOURCE = "{name: app, topics: events}"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return lake_in(tmp_path_factory.mktemp("lake"))


def judge(lake: Lake, source: str = SOURCE, more: str = "") -> Judge:
    product = product_from(f"name: Demo\nsources: [{source}]\n{more}")
    return Judge(lake, product, product.sources[0])


def both(judge: Judge, lines: list[str]) -> tuple[list[StreamEvent | None], list[StreamEvent | str]]:
    """What a glance says of lines, and what the SQL says of them."""
    ms = [
        int(each.replace(tzinfo=UTC).timestamp() * 1000)
        for each in (NOW - timedelta(days=9_000), NOW + timedelta(days=1))
    ]
    plain = [judge._plain.event(line, earliest_ms=ms[0], latest_ms=ms[1]) for line in lines]
    return plain, judge._by_sql(lines, now=NOW)


names = st.one_of(
    st.sampled_from(
        [
            "web",
            "1.0",
            "12",
            "1e5",
            "7.",
            "None",
            "null",
            "N/A",
            "0",
            "-1",
            "a b",
            " a",
            "é",
            "a<b",
            "{}",
            "[1]",
            "",
            "A",
        ]
    ),
    st.text(max_size=6),
    st.none(),
    st.integers(-3, 10**20),
    st.floats(allow_nan=False),
    st.booleans(),
)
numbers = st.one_of(
    st.none(), st.integers(-2, 10**7), st.floats(), st.text(max_size=3), st.sampled_from(["3", "nan", "1,5"])
)
times = st.one_of(
    st.sampled_from(
        [
            "2026-05-04T12:00:00Z",
            "2026-05-04T12:00:00.123456+00:00",
            "2026-05-04 12:00",
            "2026-05-04T12:00:00",
            "2026-05-04",
            "2026-13-04T12:00:00Z",
            "2026-05-04T24:00:00Z",
            "2026-05-04T12:00:60Z",
            "2026-05-06T00:00:00Z",
            "1970-01-01T00:00:00Z",
            "2026-05-04T12:00:00.1234Z",
            "2026-05-04T12:00:00+02:00",
        ]
    ),
    st.none(),
    st.integers(0, 2 * 10**12),
)
rows = st.fixed_dictionaries(
    {},
    optional={
        "event_id": names, "event_time": times, "anonymous_id": names, "user_id": names, "feature": names, "event_type": names,
        "latency_ms": numbers, "error_count": numbers, "crashed": numbers, "rating": numbers, "value": numbers,
        "platform": names, "app_version": names, "properties": st.one_of(names, st.dictionaries(st.text(max_size=3), names)),
        "Platform": names, "extra": names,
    },
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(st.tuples(rows, st.booleans()), min_size=1, max_size=25))
def test_a_glance_says_what_the_sql_says_or_nothing(lake: Lake, drawn: list[tuple[dict, bool]]) -> None:
    lines = [
        text_of(json.dumps({**(said() if is_usual else {}), **row}, separators=(",", ":")).encode())
        for row, is_usual in drawn
    ]
    plain, by_sql = both(judge(lake), lines)
    for line, at_a_glance, judged in zip(lines, plain, by_sql, strict=True):
        assert at_a_glance is None or at_a_glance == judged, line


def test_a_glance_is_enough_for_the_events_that_programs_usually_send(lake: Lake) -> None:
    usual = said(
        latency_ms=120.5,
        error_count=1,
        crashed=False,
        value=3,
        platform="ios",
        app_version="2.10.1",
        properties={"a": 1},
    )
    plain, by_sql = both(judge(lake), [json.dumps(usual, separators=(",", ":"))])
    assert plain == by_sql
    assert plain[0] == StreamEvent(
        "e0",
        1_777_896_000_000,
        "u1",
        "search",
        "ios",
        "2.10.1",
        errors=True,
        crashed=False,
        value=3.0,
        latency_ms=120.5,
    )


@pytest.mark.parametrize(
    ("source", "more", "event"),
    [
        ("{name: app, topics: e, mapping: {user_id: uid, value: cents}}", "", said(user_id=..., uid="u9", cents=250)),
        ("{name: app, topics: e, mapping: {value: TRY_CAST(cents AS DOUBLE) / 100}}", "", said(cents=250)),
        ("{name: app, topics: e, mapping: {user_id: who, event_id: who}}", "", said(who="w1", user_id=..., event_id=...)),
        ("{name: app, topics: e, timezone: Europe/Berlin}", "", said(event_time="2026-05-04T12:00:00")),
        ("{name: app, topics: e, decimal: ','}", "", said(value="2,5")),
        ("{name: app, topics: e, null_values: [web]}", "", said(platform="web")),
        (SOURCE, "names: {case: fold}", said(platform="IOS", feature="Search")),
        (SOURCE, "names: {placeholders: [search]}", said()),
    ],
)  # fmt: skip
def test_mapping_zone_and_names_hold_for_messages_as_for_lines(lake: Lake, source: str, more: str, event: dict) -> None:
    line = json.dumps(event, separators=(",", ":"))
    (at_a_glance,), (judged,) = both(judge(lake, source, more), [line])
    assert at_a_glance in (None, judged)
    assert judge(lake, source, more).judged([line], now=NOW) == [judged]


def test_of_a_key_that_comes_twice_both_take_the_same_value(lake: Lake) -> None:
    line = '{"event_time":"2026-05-04T12:00:00Z","user_id":"a","user_id":"b","feature":"f","event_type":"use"}'
    (at_a_glance,), (judged,) = both(judge(lake), [line])
    assert at_a_glance in (None, judged)


def test_a_message_on_which_the_mapping_fails_is_rejected_alone(lake: Lake) -> None:
    strict = judge(lake, "{name: app, topics: e, mapping: {value: CAST(cents AS DOUBLE)}}")
    lines = [json.dumps(said(place, cents=cents)) for place, cents in enumerate(["1", "x", "3"])]
    first, broken, last = strict.judged(lines, now=NOW)
    assert isinstance(broken, str)
    assert "Could not convert string 'x' to DOUBLE" in broken
    assert [each.value for each in (first, last) if isinstance(each, StreamEvent)] == [1, 3]


def test_a_mapping_that_fits_no_message_is_refused_at_the_start(lake: Lake) -> None:
    with pytest.raises(SourceFileError, match=r"app: its mapping of `value` to .* does not fit"):
        judge(lake, "{name: app, topics: e, mapping: {value: cents / 100.0}}")


@pytest.mark.parametrize(
    ("payload", "line"),
    [
        (None, "null"),
        (b"", "null"),
        (b" \n ", "null"),
        (b'{"a": 1}', '{"a": 1}'),
        (b'{\n "a": 1\r\n}\n', '{"a":1}'),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"a\nb\x00c", "a b\\x00c"),
        ("a\u2028b".encode(), "a b"),
    ],
)
def test_every_message_is_one_line(payload: bytes | None, line: str) -> None:
    assert text_of(payload) == line


def test_plain_events_need_a_mapping_of_names_to_be_recognised() -> None:
    naming = product_from(f"name: D\nsources: [{SOURCE}]").names.naming
    line = json.dumps(said(), separators=(",", ":"))
    bounds = {"earliest_ms": 0, "latest_ms": 10**14}
    assert PlainEvents({}, naming=naming).event(line, **bounds) is not None
    assert PlainEvents({"value": "a * 2"}, naming=naming).event(line, **bounds) is None
