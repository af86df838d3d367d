"""Exposures, moments and standings on a real lake, compared with the same computed plainly in Python from the events."""

from collections import defaultdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from intelligence.core.sql import sql
from intelligence.core.tables import Days
from intelligence.experiments.daily import DAY_ALONE, known_on
from intelligence.experiments.moments import added
from intelligence.experiments.settings import Experiment, MetricUse
from intelligence.experiments.standing import UNHEALTHY
from intelligence.experiments.tables import (
    EXPERIMENT_MOMENTS,
    EXPERIMENT_RESULTS,
    EXPERIMENT_VERDICTS,
    FACT_EXPOSURES,
)
from intelligence.metrics.registry import METRICS
from intelligence.metrics.tables import USER_DAY
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.tables import DIM_USERS, FACT_SESSIONS, FACT_VISIT_EVENTS
from resources.lake.door import Lake
from resources.services.experiments import ExperimentService
from tests.intelligence.hand_made_lake import CONVERSIONS, PRODUCT, Event, Warehouse, day, event
from tests.lakes import lake_in

QUIET_DAY = 9  # nothing at all is delivered on it
SPAN = 52
OUTCOME_DAYS = 5
EXPERIMENT = Experiment(
    name="checklist",
    feature="quiz",
    start=day(2),
    end=day(40),
    outcome_days=OUTCOME_DAYS,
    minimum_units=10,
    metrics=tuple(
        MetricUse(metric=name, role=role)  # type: ignore[arg-type]
        for name, role in {
            "feature_conversion_rate": "goal",
            "events_per_unit": "signal",
            "crash_free_user_rate": "guardrail",
            "retention_7d": "signal",
            "median_duration_s": "signal",
        }.items()
    ),
)
ALL = Days(day(0), day(SPAN))


def marked_events(seed: int = 5, users: int = 90) -> list[Event]:
    """Events of users in two arms; every tenth user changes the arm once, and some events carry no mark."""
    random = np.random.default_rng(seed)
    found = []
    for user in range(users):
        arm = ("control", "treatment")[user % 2]
        for number in range(SPAN):
            for _ in range(random.poisson(0.35 if number != QUIET_DAY else 0)):
                feature = str(random.choice(["quiz", "chat"]))
                changed = ("treatment", "control")[user % 2] if user % 10 == 0 and number > 20 else arm
                is_marked = feature == "quiz" and 1 <= number <= 40 and random.random() < 0.9
                found.append(
                    event(
                        datetime(2026, 5, 4) + timedelta(days=number, seconds=int(random.integers(0, 86_400))),
                        f"u{user}",
                        feature,
                        event_type=str(random.choice(["use", "complete"])),
                        session_id=f"s{random.integers(0, 2)}",
                        error_count=int(random.random() < 0.2),
                        crashed=bool(random.random() < 0.1),
                        segment=("student", "teacher")[user % 3 == 0],
                        experiment="checklist" if is_marked else None,
                        variant=changed if is_marked else None,
                    )
                )
    return found


class Site:
    """The lake with the events, and the tables that experiments are computed from."""

    def __init__(self, folder: Path | Lake, events: list[Event], experiments: tuple[Experiment, ...]) -> None:
        self.events = events
        self.warehouse = Warehouse(folder if isinstance(folder, Lake) else lake_in(folder))
        self.lake = self.warehouse.lake
        self.service = ExperimentService(PRODUCT.model_copy(update={"experiments": experiments}), self.lake)
        self.warehouse.put(*events)
        self.warehouse.declare(ALL)
        self.warehouse.build(DIM_USERS, FACT_VISIT_EVENTS, FACT_SESSIONS, USER_DAY, days=ALL)
        quality = {column.name: None for column in DAY_QUALITY.columns}
        days = sorted({each["event_time"].date() for each in events})
        rows = [{**quality, "event_date": each, "verdict": "whole", "events": 1, "reason": ""} for each in days]
        self.lake.replace(DAY_QUALITY, ALL, "FROM rows", frames={"rows": DAY_QUALITY.frame(rows)})

    def build(self, days: Days) -> None:
        self.lake.replace(FACT_EXPOSURES, days, sql("experiments/fact_exposures.sql"))
        moments = self.service.moments_of(days)
        self.lake.replace(EXPERIMENT_MOMENTS, days, "FROM found", frames={"found": moments})
        for table, found in zip((EXPERIMENT_RESULTS, EXPERIMENT_VERDICTS), self.service.standing_of(days), strict=True):
            self.lake.replace(table, days, "FROM found", frames={"found": found})

    def all(self) -> list[list[tuple[Any, ...]]]:
        tables = (FACT_EXPOSURES, EXPERIMENT_MOMENTS, EXPERIMENT_RESULTS, EXPERIMENT_VERDICTS)
        return [self.lake.frame(f"FROM {table.path} ORDER BY ALL").rows() for table in tables]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = Site(tmp_path_factory.mktemp("experiments"), marked_events(), (EXPERIMENT,))
    made.build(ALL)
    return made


def exposures(events: list[Event]) -> dict[str, list[tuple[datetime, str]]]:
    """Each user's variants in the order in which they were first seen."""
    first: dict[str, dict[str, datetime]] = defaultdict(dict)
    for each in sorted(events, key=lambda row: row["event_time"]):
        if each["experiment"]:
            first[each["user_id"]].setdefault(each["variant"], each["event_time"])
    return {user: sorted((at, name) for name, at in seen.items()) for user, seen in first.items()}


def test_exposures_are_the_first_time_in_each_variant(site: Site) -> None:
    rows = site.lake.frame(f"FROM {FACT_EXPOSURES.path}").to_dicts()
    found = {(row["user_id"], row["variant"]): (row["exposed_at"], row["is_first"]) for row in rows}
    expected = {
        (user, name): (at, place == 0)
        for user, seen in exposures(site.events).items()
        for place, (at, name) in enumerate(seen)
    }
    assert found == expected
    assert any(not is_first for _, is_first in found.values())


def of_unit(events: list[Event], user: str, first: date, last: date) -> dict[str, float]:
    """What a user did on some days, in the units of the metrics."""
    mine = [each for each in events if each["user_id"] == user and first <= each["event_time"].date() <= last]
    days = {each["event_time"].date() for each in mine}
    crashed = {each["event_time"].date() for each in mine if each["crashed"]}
    quiz = [each for each in mine if each["feature"] == "quiz"]
    return {
        "events": len(mine),
        "active_days": len(days),
        "crash_free_days": len(days) - len(crashed),
        "feature_events": len(quiz),
        "feature_conversions": sum(each["event_type"] in CONVERSIONS for each in quiz),
    }


@pytest.mark.parametrize("number", [3, 8, QUIET_DAY, 10, 24, 40, 51])
@pytest.mark.parametrize("name", ["events_per_unit", "feature_conversion_rate", "crash_free_user_rate"])
def test_moments_are_those_of_the_units_one_by_one(site: Site, name: str, number: int) -> None:
    """Each unit counts from its exposure for five days, as far as these are over, and with as many days before as covariate.

    A unit that changes the variant is left out from that day on; where it was observed to the end before, it stays.
    """
    on, metric = day(number), METRICS[name]
    sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for user, seen in exposures(site.events).items():
        exposed_on, variant = seen[0][0].date(), seen[0][1]
        end = exposed_on + timedelta(days=OUTCOME_DAYS - 1)
        settled = min(end if end != day(QUIET_DAY) else end + timedelta(days=1), on)
        crossed = len(seen) > 1 and seen[1][0].date() <= settled
        if not day(2) <= exposed_on <= min(on, day(40)) or crossed:
            continue
        after = of_unit(site.events, user, exposed_on, min(end, on))
        before = of_unit(site.events, user, exposed_on - timedelta(days=OUTCOME_DAYS), exposed_on - timedelta(days=1))
        x, a = after[metric.column], before[metric.column]
        y = after[metric.denominator] if metric.denominator else 0
        for key, value in {
            "units": 1,
            "sum_x": x,
            "sum_y": y,
            "sum_xx": x * x,
            "sum_xy": x * y,
            "sum_xa": x * a,
        }.items():
            sums[variant][key] += value
    rows = added(known_on(site.lake.frame(f"FROM {EXPERIMENT_MOMENTS.path}"), on).filter(metric=name), by=("variant",))
    found = {row["variant"]: {key: row[key] for key in sums[row["variant"]]} for row in rows.to_dicts()}
    assert found == {variant: pytest.approx(values) for variant, values in sums.items()}


def test_a_quantile_is_that_of_the_units_one_by_one(tmp_path: Path) -> None:
    on, first_days = day(14), Days(day(0), day(15))
    random = np.random.default_rng(11)
    timed = [{**each, "duration_s": float(random.integers(1, 500)) / 8} for each in marked_events()]
    site = Site(tmp_path, timed, (EXPERIMENT,))
    site.build(first_days)
    spent: dict[str, list[float]] = defaultdict(list)
    durations = site.lake.frame(f"SELECT user_id, event_date, duration_s FROM {USER_DAY.path}").to_dicts()
    for user, seen in exposures(site.events).items():
        first, variant = seen[0][0].date(), seen[0][1]
        if day(2) <= first <= on and not (len(seen) > 1 and seen[1][0].date() <= on):
            days = {first + timedelta(days=number) for number in range(OUTCOME_DAYS)}
            mine = [row for row in durations if row["user_id"] == user and row["event_date"] in days]
            spent[variant].append(float(sum(row["duration_s"] for row in mine if row["event_date"] <= on)))
    (row,) = site.lake.frame(
        f"FROM {EXPERIMENT_RESULTS.path} WHERE event_date = $on AND metric = 'median_duration_s'", {"on": on}
    ).to_dicts()
    assert (row["n_control"], row["n_variant"]) == (len(spent["control"]), len(spent["treatment"]))
    assert row["control"] == np.median(spent["control"]) > 0
    assert row["effect"] == np.median(spent["treatment"]) - np.median(spent["control"])
    assert row["grade"] == "A"


def test_retention_has_a_number_once_its_week_is_over(site: Site) -> None:
    moments = site.lake.frame(f"FROM {EXPERIMENT_MOMENTS.path} WHERE metric = 'retention_7d'")
    gaps = {(row["event_date"] - row["exposed_on"]).days for row in moments.iter_rows(named=True)}
    assert gaps == {13}
    expected = [
        of_unit(site.events, user, seen[0][0].date() + timedelta(days=7), seen[0][0].date() + timedelta(days=13))[
            "events"
        ]
        > 0
        for user, seen in exposures(site.events).items()
        if day(2) <= seen[0][0].date() and len(seen) == 1
    ]
    assert moments["sum_x"].sum() >= sum(expected)
    assert moments["units"].sum() - moments["sum_x"].sum() >= len(expected) - sum(expected)


def test_what_was_done_on_single_days_adds_up_to_what_was_done_since(site: Site) -> None:
    moments = site.lake.frame(f"FROM {EXPERIMENT_MOMENTS.path} WHERE metric = 'feature_conversion_rate'")
    never_crossed = moments.filter(pl.col("exposed_on") < day(12))
    by_day = never_crossed.filter(measured_in=DAY_ALONE)["sum_x"].sum()
    since = known_on(never_crossed, day(20))["sum_x"].sum()
    assert by_day == since > 0


@pytest.mark.proof
def test_day_by_day_is_the_same_as_all_at_once_and_again_changes_nothing(site: Site, tmp_path: Path) -> None:
    expected = site.all()
    other = Site(tmp_path, site.events, (EXPERIMENT,))
    for number in range(SPAN):
        other.build(Days(day(number), day(number + 1)))
    assert other.all() == expected
    other.build(Days(day(30), day(SPAN)))
    assert other.all() == expected


def test_each_day_is_judged_by_what_was_known_at_its_end(site: Site) -> None:
    verdicts = site.lake.frame(f"FROM {EXPERIMENT_VERDICTS.path} ORDER BY event_date").to_dicts()
    assert [row["event_date"] for row in verdicts] == [day(number) for number in range(2, 41)]
    assert {row["design"] for row in verdicts} == {"group_sequential"}
    by_day = {row["event_date"]: row for row in verdicts}
    crossed = [seen[1][0].date() for seen in exposures(site.events).values() if len(seen) > 1]
    for number in (5, 20, 25, 40):
        assert by_day[day(number)]["units_in_two"] == sum(each <= day(number) for each in crossed)
    # More than one unit of a hundred changed the variant: then no effect is shown, only what is wrong.
    last = by_day[day(40)]
    assert (last["verdict"], last["is_healthy"], last["grade"]) == ("review", False, "D")
    results = site.lake.frame(f"FROM {EXPERIMENT_RESULTS.path}")
    last_rows = results.filter(event_date=day(40))
    assert last_rows["effect"].null_count() == last_rows.height == 5
    assert {*last_rows["note"]} == {UNHEALTHY}
    assert results.filter(pl.col("effect").is_not_null())["grade"].unique().to_list() == ["A"]


def test_an_experiment_that_nobody_declared_is_analysed_and_says_so(tmp_path: Path) -> None:
    events = [each for each in marked_events() if int(str(each["user_id"])[1:]) % 10]
    other = Site(tmp_path, events, ())
    other.build(ALL)
    last = other.lake.frame(f"FROM {EXPERIMENT_VERDICTS.path} ORDER BY event_date").to_dicts()[-1]
    assert (last["is_declared"], last["design"], last["feature"]) == (False, "always_valid", "quiz")
    assert last["grade"] == "B", "nobody said how units are assigned"
    assert last["owner"] == PRODUCT.owner
    metrics = other.lake.frame(f"SELECT DISTINCT metric FROM {EXPERIMENT_RESULTS.path}")["metric"].to_list()
    assert {"feature_conversion_rate", "feature_error_rate", "conversion_rate"} <= {*metrics}


def test_a_product_without_experiments_has_no_rows_and_no_errors(tmp_path: Path) -> None:
    events = [{**each, "experiment": None, "variant": None} for each in marked_events(users=8)]
    other = Site(tmp_path, events, (EXPERIMENT,))
    other.build(ALL)
    assert other.all() == [[], [], [], []]
