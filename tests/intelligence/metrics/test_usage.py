"""Retention, funnels, lifecycle and adoption on a real lake equal the same computed plainly in pandas."""

import itertools
from collections.abc import Iterator, Sequence
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intelligence.core.tables import Days
from intelligence.metrics.tables import ADOPTION_DAY, FUNNEL_STEPS, LIFECYCLE_DAY, RETENTION_COHORTS, USE_CHANGES
from resources.services.usage import parts
from tests.intelligence.hand_made_lake import DAY_1, Event, day, event
from tests.intelligence.metrics.plain_usage import (
    plain_adoption,
    plain_funnel,
    plain_lifecycle,
    plain_retention,
    plain_waits,
)
from tests.intelligence.metrics.usage_house import FUNNELS, RULES, House, when

SPAN = 75
ALL = Days(day(0), day(SPAN))


def some_events(seed: int, *, users: int = 12, days: int = SPAN, rate: float = 0.16) -> list[Event]:
    """Events of users who come rarely, so that they fall silent and come back; many events fall on the same second."""
    random = np.random.default_rng(seed)
    found = []
    for user in range(users):
        begin, often = int(random.integers(0, days)), rate * random.exponential()
        for number in range(begin, days):
            for _ in range(random.poisson(often * 3) if random.random() < 0.6 else 0):
                found.append(
                    event(
                        when(DAY_1, number, 3_600 * int(random.integers(0, 24)) + int(random.integers(0, 2))),
                        f"u{user}",
                        str(random.choice(["quiz", "chat", "search"])),
                        event_type=str(random.choice(["use", "view", "complete"])),
                        session_id="s",
                        segment=[None, "student", "teacher"][random.integers(0, 3)],
                        platform=[None, "ios", "web"][random.integers(0, 3)],
                        app_version=[None, "1.0", "1.1"][random.integers(0, 3)],
                    )
                )
    first, last = (event(when(DAY_1, number, 0), "u0", session_id="s", segment="student") for number in (0, days - 1))
    numbered = [first, *found, last]
    return [{**row, "event_id": f"e{number:05}"} for number, row in enumerate(numbered)]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("usage"))
    yield made
    made.lake.close()


def assert_plain(house: House, events: Sequence[Event]) -> None:
    """Compare all tables of usage with the plain computation."""
    frame, newest = house.frame(events), ALL.end - timedelta(days=1)
    assert house.retention() == plain_retention(frame, RULES, first_day=ALL.start, newest=newest)
    assert house.lifecycle() == plain_lifecycle(frame, first_day=ALL.start, newest=newest)
    for funnel in FUNNELS:
        found, plain = house.funnel(funnel.name), plain_funnel(frame, funnel, newest=newest)
        assert found.keys() == plain.keys()
        assert {key: found[key] for key in plain if found[key] != pytest.approx(plain[key])} == {}
    rows = house.lake.frame(f"FROM {ADOPTION_DAY.path}").iter_rows(named=True)
    names = ("users", "features", "median_features", "p90_features", "users_by_active_days")
    found = {(row["event_date"], row["segment"]): tuple(row[name] for name in names) for row in rows}
    plain = plain_adoption(frame, first_day=ALL.start, newest=newest)
    assert found.keys() == plain.keys()
    assert {key: found[key] for key in plain if found[key][4] != plain[key][4]} == {}
    assert {key: found[key] for key in plain if found[key][:4] != pytest.approx(plain[key][:4])} == {}
    waits = house.lake.frame(
        f"SELECT event_date, value, median_days_to_first_use FROM {LIFECYCLE_DAY.path}"
        " WHERE median_days_to_first_use IS NOT NULL"
    ).rows()
    assert {(on, feature): days for on, feature, days in waits} == plain_waits(frame)


def test_every_figure_equals_the_plain_one(house: House) -> None:
    events = some_events(2)
    house.put(events, ALL)
    house.build(ALL)
    assert_plain(house, events)
    house.warehouse.assert_claims(ALL, USE_CHANGES, RETENTION_COHORTS, FUNNEL_STEPS, LIFECYCLE_DAY, ADOPTION_DAY)


def test_however_the_days_are_cut_the_figures_are_the_same(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many events are built some days at a time, and a long past in parts: both at once here."""
    monkeypatch.setattr("resources.services.usage.DAYS_AT_ONCE", 40)
    monkeypatch.setattr("resources.lake.replacement._parts", lambda _, days: parts(days, 25))
    events = some_events(2)
    house.put(events, ALL)
    house.build(ALL)
    assert_plain(house, events)


@pytest.mark.proof
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    late=st.lists(st.integers(0, 400), max_size=6),
    cuts=st.lists(st.integers(1, SPAN - 1), max_size=4),
)
def test_late_and_repeated_events_end_where_an_orderly_build_ends(
    house: House, seed: int, late: list[int], cuts: list[int]
) -> None:
    """Whatever arrives late changes the days from its own on; days built in parts equal all days built at once."""
    events = some_events(seed, users=6)
    chosen = {1 + number % max(1, len(events) - 2) for number in late} & set(range(1, len(events) - 1))
    house.put([row for place, row in enumerate(events) if place not in chosen], ALL)
    edges = [0, *sorted(set(cuts)), SPAN]
    for first, end in itertools.pairwise(edges):
        house.build(Days(day(first), day(end)))
    if chosen:
        again = [{**events[0], "is_duplicate": True}]
        house.add([*(events[place] for place in sorted(chosen)), *again], ALL)
        house.build(Days(min(events[place]["event_time"].date() for place in chosen), ALL.end))
    assert_plain(house, events)


@pytest.mark.proof
def test_day_by_day_is_the_same_as_all_at_once(house: House) -> None:
    events = some_events(3)
    house.put(events, ALL)
    house.build(ALL)
    at_once = house.all()
    assert all(at_once)
    for each in ALL.each[-6:]:
        house.build(Days(each, each + timedelta(days=1)))
    assert house.all() == at_once


@pytest.mark.proof
def test_no_day_of_the_future_is_needed_for_an_earlier_one(house: House) -> None:
    """What was known of retention on a day does not depend on what came after it."""
    events, until = some_events(4), day(50)
    house.put(events, ALL)
    house.build(ALL)
    cut = "SELECT * FROM metrics.cohort_activity WHERE event_date < $until ORDER BY ALL"
    whole = house.lake.frame(cut, {"until": until})
    early = [row for row in events if row["event_time"].date() < until]
    house.put(early, Days(ALL.start, until))
    house.build(Days(ALL.start, until))
    assert whole.height > 50
    assert house.lake.frame(cut, {"until": until}).equals(whole)
