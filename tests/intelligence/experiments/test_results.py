"""Declared experiments day by day, from their moments: the design of the day, and speed that does not depend on users."""

from datetime import date, timedelta

import polars as pl
import pytest

from intelligence.core.errors import NotEnoughEvidence
from intelligence.experiments.boundaries import boundaries
from intelligence.experiments.moments import moments
from intelligence.experiments.quantiles import quantile_effect
from intelligence.experiments.results import look_at, results
from intelligence.experiments.sequences import confidence_of
from intelligence.experiments.settings import Experiment
from intelligence.metrics.registry import METRICS, Metric
from tests.intelligence.experiments.frames import users

FIRST = date(2026, 5, 4)
NAMES = ("value_per_unit", "errors_per_event", "conversion_rate", "crash_free_user_rate", "median_duration_s")


def declared(**options) -> Experiment:
    metrics = [
        {"metric": "value_per_unit", "role": "goal"},
        {"metric": "conversion_rate", "role": "goal"},
        {"metric": "errors_per_event", "margin": 0.2},
        {"metric": "crash_free_user_rate", "margin": 0.02},
        {"metric": "median_duration_s"},
    ]
    return Experiment.model_validate(
        {"name": "e", "start": FIRST, "end": FIRST + timedelta(days=13), "metrics": metrics, **options}
    )


def people(**options) -> pl.DataFrame:
    """Users with the columns of the registry."""
    frame = users(12_000, **options)
    active = pl.col("sessions")
    return frame.with_columns(
        value=pl.col("revenue"),
        pre_value=pl.col("pre_revenue"),
        events=active * 5,
        pre_events=pl.col("pre_sessions") * 5,
        pre_errors=pl.col("pre_orders"),
        active_days=active,
        pre_active_days=pl.col("pre_sessions"),
        converted_days=pl.col("orders"),
        pre_converted_days=pl.col("pre_orders"),
        crash_free_days=active - (pl.col("user_id") % 17 == 0),
        pre_crash_free_days=pl.col("pre_sessions"),
        duration_s=pl.col("revenue") * 60,
    )


def registered() -> list[Metric]:
    return [METRICS[name] for name in NAMES]


MOMENTS = moments(people(lift=0.1), registered(), experiment="e")
NOTHING = moments(people(lift=0.0), registered(), experiment="e")


def test_a_lift_is_shipped_after_a_week_and_stays_so() -> None:
    words = [
        results(MOMENTS, declared(), day=FIRST + timedelta(days=n)).verdicts["treatment"].word for n in (1, 6, 9, 13)
    ]
    assert words[0] == "keep_running"
    assert words[-1] == "ship"


def test_an_experiment_without_an_end_is_over_when_its_last_units_have_been_observed() -> None:
    still, over = (
        results(NOTHING, declared(start=None, end=None), day=FIRST + timedelta(days=13), is_over=is_over)
        for is_over in (False, True)
    )
    assert still.verdicts["treatment"].word == "keep_running"
    assert over.verdicts["treatment"].word == "not_enough_evidence"


def test_a_metric_that_knows_its_units_late_does_not_change_the_look() -> None:
    day = FIRST + timedelta(days=6)
    late = MOMENTS.filter(metric="value_per_unit").with_columns(metric=pl.lit("a_retention"), units=pl.lit(1, pl.Int64))
    assert look_at(pl.concat([MOMENTS, late]), declared(), day) == look_at(MOMENTS, declared(), day)


def test_goals_share_alpha_at_the_boundary_of_the_day() -> None:
    day = FIRST + timedelta(days=6)
    found = results(MOMENTS, declared(), day=day)
    goal, _, guardrail, _, quantile = found.readings["treatment"]
    look = look_at(MOMENTS.filter(pl.col("exposed_on") <= day), declared(), day)
    assert len(look.information) == 7
    assert goal.planned
    assert guardrail.planned
    for reading, alpha in ((goal, 0.025), (guardrail, 0.05)):
        z = boundaries(look.information, spent_at=[n / 14 for n in range(1, 8)], alpha=alpha)[-1]
        assert reading.planned.confidence == pytest.approx(confidence_of(float(z)))
    assert found.notes == {}
    seen = people(lift=0.1).filter(pl.col("exposed_on") <= day)
    arms = [seen.filter(variant=name)["duration_s"].to_numpy() for name in ("control", "treatment")]
    assert quantile.planned == quantile_effect(
        *arms, quantile=0.5, metric="median_duration_s", variant="treatment", confidence=quantile.planned.confidence
    )


def test_exposures_after_the_day_are_not_known() -> None:
    day = FIRST + timedelta(days=6)
    cut = results(MOMENTS.filter(pl.col("exposed_on") <= day), declared(), day=day)
    assert results(MOMENTS, declared(), day=day).table.equals(cut.table)


def test_a_fixed_design_says_nothing_before_its_end() -> None:
    early, late = (results(MOMENTS, declared(design="fixed"), day=FIRST + timedelta(days=n)) for n in (8, 13))
    assert early.verdicts["treatment"].word == "keep_running"
    assert late.verdicts["treatment"].word == "ship"


def test_without_a_horizon_it_is_watched() -> None:
    found = results(MOMENTS, declared(end=None), day=FIRST + timedelta(days=13))
    assert found.verdicts["treatment"].word == "ship"
    assert found.verdicts["treatment"].until is None


def test_days_without_a_new_unit_are_looks_too() -> None:
    early = MOMENTS.filter(pl.col("exposed_on") < FIRST + timedelta(days=5))
    day = FIRST + timedelta(days=13)
    look = look_at(early, declared(), day)
    assert len(look.information) == 14
    assert 0.94 < look.planned_confidence(1_000) < 0.999


def test_faults_and_warnings_reach_the_verdict() -> None:
    faulty = results(
        MOMENTS, declared(), day=FIRST + timedelta(days=13), faulty_days=[FIRST + timedelta(days=n) for n in range(7)]
    )
    assert faulty.table.is_empty()
    assert "telemetry was at fault on 7 of 14 days" in str(faulty.verdicts["treatment"])


@pytest.mark.parametrize("name", ["e", "other"])
def test_without_exposures_there_is_not_enough_evidence(name: str) -> None:
    with pytest.raises(NotEnoughEvidence, match="has no exposure"):
        results(MOMENTS, declared(name=name), day=FIRST - timedelta(days=1))


def test_before_the_first_planned_look_nothing_is_said() -> None:
    with pytest.raises(NotEnoughEvidence, match="no planned look"):
        results(MOMENTS, declared(end=None, looks=[FIRST + timedelta(days=7)]), day=FIRST + timedelta(days=3))
