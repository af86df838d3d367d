"""Windows by rings equal a naive definition over all events, late ones included; sketches merge, and estimate well enough."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intelligence.online.events import StreamEvent
from intelligence.online.settings import COUNTERS, Online
from intelligence.online.windows import EntityWindows, FeatureWindows

MINUTE, HOUR = 60_000, 3_600_000
ONLINE = Online(lateness_minutes=10)


def event(entity: str, at_ms: int, **facts: object) -> StreamEvent:
    usual = {"feature": "f", "platform": "web", "release": "1", "errors": False, "crashed": False, "value": None}
    return StreamEvent(
        **{"id": f"{entity}-{at_ms}", "at_ms": at_ms, "entity": entity, "latency_ms": None, **usual, **facts}
    )


def amounts(each: StreamEvent) -> tuple[float, float, float, float]:
    return 1.0, float(each.errors), float(each.crashed), each.value or 0.0


def naive_row(events: list[StreamEvent], place: int, online: Online = ONLINE) -> list[float]:
    """What is known just after an event: sums over the buckets up to its own, and the time since the newest before."""
    now = events[place]
    mine = [each for each in events[: place + 1] if each.entity == now.entity]
    row: list[float] = []
    for minutes in online.windows_minutes:
        unit, length = (MINUTE, minutes) if minutes <= 60 else (HOUR, minutes // 60)
        last = now.at_ms // unit
        held = [amounts(each) for each in mine if last - length < each.at_ms // unit <= last]
        row += [math.fsum(each[counter] for each in held) for counter in range(len(COUNTERS))]
    before = [each.at_ms for each in mine[:-1]]
    return [*row, max(now.at_ms - max(before), 0) / 1000 if before else math.nan]


# Three entities over three days; an event may come up to ten minutes after a newer one.
steps = st.tuples(
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from([0, 500, 30_000, 50_000, 10 * MINUTE, 59 * MINUTE, 2 * HOUR, 25 * HOUR]),
    st.integers(0, 9 * MINUTE),
    st.booleans(),
    st.booleans(),
    st.one_of(st.none(), st.integers(-5, 50).map(float)),
)


def history(drawn: list[tuple]) -> list[StreamEvent]:
    now, events = 1_780_000_000_000, []
    for entity, passed, late, errors, crashed, value in drawn:
        now += passed
        events.append(event(entity, now - late, errors=errors, crashed=crashed, value=value))
    return events


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, min_size=1, max_size=60), st.integers(1, 60))
def test_windows_equal_the_naive_definition_however_events_are_batched(drawn: list[tuple], size: int) -> None:
    events, windows = history(drawn), EntityWindows(ONLINE)
    parts = [windows.counted(events[start : start + size]) for start in range(0, len(events), size)]
    rows, counted = np.concatenate([rows for rows, _ in parts]), np.concatenate([each for _, each in parts])
    assert counted.all()
    np.testing.assert_allclose(rows, [naive_row(events, place) for place in range(len(events))], rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.lists(steps, min_size=2, max_size=40), st.data())
def test_windows_continue_from_what_was_stored(drawn: list[tuple], data: st.DataObject) -> None:
    events = history(drawn)
    half = data.draw(st.integers(1, len(events) - 1))
    whole, before, after = EntityWindows(ONLINE), EntityWindows(ONLINE), EntityWindows(ONLINE)
    expected = whole.counted(events)[0][half:]
    before.counted(events[:half])
    for entity, content in before.to_store().changed.items():
        after.restore(entity, content)
    np.testing.assert_array_equal(after.counted(events[half:])[0], expected)


def test_an_event_older_than_the_ring_is_not_counted_and_changes_nothing() -> None:
    windows = EntityWindows(ONLINE)
    now = 1_780_000_000_000
    windows.counted([event("a", now)])
    before = windows.figures("a", at_ms=now)
    _, counted = windows.counted([event("a", now - 70 * MINUTE)])
    assert not counted.any()
    assert windows.figures("a", at_ms=now) == before


def test_the_entity_not_seen_for_longest_is_evicted_and_begins_anew() -> None:
    windows = EntityWindows(Online(most_entities=2))
    now = 1_780_000_000_000
    rows, _ = windows.counted([event(name, now + place) for place, name in enumerate("abacaba")])
    events_1m = rows[:, windows.predictors.index("events_1m")]
    # b goes for c, c goes for b: both begin anew; a never goes.
    assert events_1m.tolist() == [1, 1, 2, 1, 3, 1, 4]
    assert (len(windows), windows.evictions) == (2, 2)
    assert windows.figures("c", at_ms=now) is None
    assert windows.to_store().gone == {"c"}


def test_an_entity_whose_windows_are_stored_is_told_to_be_gone_once_evicted() -> None:
    windows = EntityWindows(Online(most_entities=1))
    windows.counted([event("a", 1_780_000_000_000)])
    assert set(windows.to_store().changed) == {"a"}
    windows.counted([event("b", 1_780_000_000_000)])
    stored = windows.to_store()
    assert (set(stored.changed), stored.gone) == ({"b"}, {"a"})


@pytest.mark.parametrize("users", [1, 7, 100, 1_000, 20_000])
def test_distinct_users_are_estimated_within_a_fifth_whatever_the_repeats(users: int) -> None:
    features, now = FeatureWindows(Online()), 1_780_000_000_000
    harmed = max(users // 10, 1)
    events = [event(f"user {n}", now + (n % 5) * MINUTE, errors=n < harmed) for n in range(users)]
    features.count(events + events[: users // 2])
    found = features.figures(("f", "web", "1"), at_ms=now + 4 * MINUTE, minutes=60)
    assert found is not None
    assert found.users == pytest.approx(users, rel=0.2, abs=0.2)
    assert found.harmed_users == pytest.approx(harmed, rel=0.2, abs=0.2)
    assert found.events == users + users // 2


def test_sketches_of_two_halves_merge_to_that_of_the_whole() -> None:
    now = 1_780_000_000_000
    halves, whole = FeatureWindows(Online()), FeatureWindows(Online())
    early, later = (
        [event(f"u{n}", now + at) for n in range(first, first + 300)] for first, at in ((0, 0), (150, MINUTE))
    )
    halves.count(early)
    halves.count(later)
    whole.count([*(each for each in early), *later])
    key = ("f", "web", "1")
    assert halves.figures(key, at_ms=now + MINUTE, minutes=5) == whole.figures(key, at_ms=now + MINUTE, minutes=5)


def test_quantiles_of_latency_are_within_a_fifth() -> None:
    features, now = FeatureWindows(Online()), 1_780_000_000_000
    draws = np.random.default_rng(3).lognormal(5, 0.8, 5_000)
    features.count([event("u", now, latency_ms=float(each)) for each in draws])
    found = features.figures(("f", "web", "1"), at_ms=now, minutes=1)
    assert found is not None
    assert found.p50_latency_ms == pytest.approx(np.quantile(draws, 0.5), rel=0.2)
    assert found.p95_latency_ms == pytest.approx(np.quantile(draws, 0.95), rel=0.2)


def test_windows_of_features_pass_with_time_and_continue_from_what_was_stored() -> None:
    features, again, now = FeatureWindows(Online()), FeatureWindows(Online()), 1_780_000_000_000
    features.count([event(f"u{n}", now + n * MINUTE, errors=n == 0) for n in range(8)])
    key = ("f", "web", "1")
    for series, content in features.to_store().changed.items():
        again.restore(series, content)
    for held in (features, again):
        at = now + 7 * MINUTE
        five, hour, day = (held.figures(key, at_ms=at, minutes=minutes) for minutes in (5, 60, 1440))
        assert None not in (five, hour, day)
        assert (five.events, five.errors, hour.events, hour.errors, day.events) == (5, 0, 8, 1, 8)
        assert held.figures(("other", "web", "1"), at_ms=at, minutes=5) is None
