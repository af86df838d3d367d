"""For whom variants work: what units did on a real lake, compared with plain Python, and planted differences on made frames."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from intelligence.catalog.pages import AsOf
from intelligence.catalog.reading.trials import uplift_page
from intelligence.core.errors import ExperimentError
from intelligence.core.sql import sql
from intelligence.experiments.for_whom import ForWhom, for_whom, goal_of
from intelligence.experiments.settings import Experiment, MetricUse
from intelligence.interfaces.cli.experiments import uplift_parts, uplift_record
from intelligence.metrics.registry import METRICS, VALUES
from tests.intelligence.experiments.test_lake import (
    ALL,
    EXPERIMENT,
    OUTCOME_DAYS,
    SPAN,
    Site,
    exposures,
    marked_events,
    of_unit,
)
from tests.intelligence.hand_made_lake import CONVERSIONS, day

LAST = day(SPAN - 1)
CHECKOUT = Experiment(name="checkout", feature="quiz")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = Site(tmp_path_factory.mktemp("whom"), marked_events(), (EXPERIMENT,))
    made.build(ALL)
    return made


@pytest.mark.parametrize(("shown", "after"), [(LAST, 0), (day(20), 7)])
def test_each_unit_has_what_it_did_after_its_exposure_and_before(site: Site, shown: Any, after: int) -> None:
    found = site.lake.frame(
        sql("experiments/unit_outcomes.sql"),
        {
            "experiment": "checklist",
            "feature": "quiz",
            "first_day": day(2),
            "last_day": day(40),
            "day": shown,
            "outcome_days": OUTCOME_DAYS,
            "after_days": after,
            "window_days": 7,
            "conversion_events": list(CONVERSIONS),
        },
    )
    known = [each for each in site.events if each["event_time"].date() <= shown]
    first_seen = {
        user: min(each["event_time"].date() for each in site.events if each["user_id"] == user)
        for user in {each["user_id"] for each in site.events}
    }
    expected = {
        user: seen
        for user, seen in exposures(known).items()
        if len(seen) == 1 and day(2) <= seen[0][0].date() <= day(40)
    }
    assert set(found["user_id"]) == set(expected)
    assert found.height > 20
    for row in found.iter_rows(named=True):
        at, variant = expected[row["user_id"]][0]
        on = at.date()
        assert (row["variant"], row["exposed_on"]) == (variant, on)
        assert row["days_since_first_seen"] == (on - first_seen[row["user_id"]]).days
        did = of_unit(known, row["user_id"], on, on + timedelta(days=OUTCOME_DAYS - 1))
        before = of_unit(known, row["user_id"], on - timedelta(days=OUTCOME_DAYS), on - timedelta(days=1))
        for name in set(VALUES) & set(did):
            assert row[name] == pytest.approx(did[name] or 0), name
            assert row[f"pre_{name}"] == pytest.approx(before[name] or 0), name
        back = on + timedelta(days=after)
        is_over = bool(after) and back + timedelta(days=6) <= shown
        returned = of_unit(known, row["user_id"], back, back + timedelta(days=6))["events"]
        assert row["retained"] == (float((returned or 0) > 0) if is_over else None)


def test_the_health_of_an_experiment_counts_and_an_unknown_name_says_which_there_are(site: Site) -> None:
    (found,) = site.service.for_whom("checklist")
    problems = site.lake.frame("FROM experiments.experiment_verdicts ORDER BY event_date DESC LIMIT 1")["problems"][0]
    assert (found.units, found.average, found.is_evidence) == (0, None, False)
    assert found.refused == f"checklist: {problems[0]}. Its results are blocked until that is explained."
    with pytest.raises(ExperimentError, match="There are: checklist"):
        site.service.for_whom("nobody")
    with pytest.raises(ExperimentError, match="is a quantile"):
        site.service.for_whom("checklist", metric="median_duration_s")


def units(n: int = 6_000, *, lift: float = 0.0, of_teachers: float = 0.0, seed: int = 3) -> pl.DataFrame:
    """Units of an experiment; the treatment completes more often by `lift`, and teachers by `of_teachers` more."""
    random = np.random.default_rng(seed)
    is_treated, is_teacher = random.random(n) < 0.5, random.random(n) < 0.3
    events = random.poisson(4, n) + 1
    share = 0.4 + lift * is_treated + of_teachers * (is_treated & is_teacher)
    before = dict.fromkeys(("pre_sessions", "pre_errors", "pre_converted_days", "pre_value"), 0.0)
    return pl.DataFrame(
        {
            "user_id": [f"u{number:05d}" for number in range(n)],
            "variant": np.where(is_treated, "treatment", "control"),
            "segment": np.where(is_teacher, "teacher", "student"),
            "platform": random.choice(["ios", "web"], n),
            "days_since_first_seen": random.integers(0, 50, n),
            "feature_events": events.astype(float),
            "feature_conversions": random.binomial(events, share).astype(float),
            "feature_failed_events": random.binomial(events, 0.05 + 0.2 * (is_treated & is_teacher)).astype(float),
            "pre_active_days": random.poisson(3, n).astype(float),
            "pre_events": random.poisson(9, n).astype(float),
            "pre_feature_events": random.poisson(2, n).astype(float),
            "pre_feature_conversions": random.poisson(1, n).astype(float),
            **before,
        }
    )


def found_in(frame: pl.DataFrame, metric: str = "feature_conversion_rate", **more: Any) -> ForWhom:
    (found,) = for_whom(frame, CHECKOUT, METRICS[metric], day=LAST, **more)
    return found


def text_of(found: ForWhom) -> str:
    console = Console(width=240)
    with console.capture() as captured:
        for part in uplift_parts([found]):
            console.print(part)
    return captured.get()


def test_a_planted_difference_is_found_and_said_with_its_interval() -> None:
    found = found_in(units(of_teachers=0.25))
    row = found.table.filter(share=0.3).row(0, named=True)
    assert (found.refused, found.p is not None and found.p < 0.001) == ("", True)
    assert row["low"] < 0.25 < row["high"]
    assert row["rest_low"] < 0 < row["rest_high"]
    assert found.average is not None
    assert found.average.low < 0.3 * 0.25 < found.average.high
    top = found.profile.row(0, named=True)
    assert (top["covariate"], top["first"] > 0.9) == ("segment", True)
    said = text_of(found)
    assert "It works differently for some than for others (checkout, treatment; p < 0.001)." in said
    assert "Who fares best: segment" in said
    page = uplift_page(AsOf("Tiny"), [found])
    assert page["groups"].rows["units_in_order"].to_list()[:2] == ["first 10%", "other 90%"]
    assert page["groups"].rows.row(4, named=True)["effect"] == row["effect"]


def test_the_same_effect_on_all_is_refused_in_words_and_has_no_group() -> None:
    found = found_in(units(lift=0.05))
    assert found.refused.startswith("no differing effect is shown (p = ")
    assert found.table.is_empty()
    assert found.profile.is_empty()
    assert found.average is not None
    assert found.average.low < 0.05 < found.average.high
    said = text_of(found)
    assert said.startswith(
        "Not enough evidence that it works differently for some than for others (checkout, treatment)"
    )
    page = uplift_page(AsOf("Tiny"), [found])
    assert page["groups"].is_empty
    assert page["average"].rows["effect"].to_list() == [found.average.value]


def test_too_few_units_are_not_enough_evidence() -> None:
    found = found_in(units(300))
    assert (found.units, found.average, found.is_evidence) == (0, None, True)
    assert "At least 200 are needed in each arm." in found.refused
    assert text_of(found).startswith("Not enough evidence for whom it works (checkout, treatment): ")


def test_where_less_is_wanted_the_effect_keeps_its_direction_and_the_least_harmed_come_first() -> None:
    found = found_in(units(), "feature_error_rate")
    row = found.table.filter(share=0.3).row(0, named=True)
    assert found.average is not None
    assert 0 < found.average.low < 0.3 * 0.2 < found.average.high
    assert row["low"] < row["effect"] < row["high"] < row["rest_low"]


def test_what_blocks_the_results_blocks_this_too_and_is_no_want_of_evidence() -> None:
    found = found_in(units(of_teachers=0.25), problems=["arms do not fit"])
    assert (found.is_evidence, found.table.is_empty()) == (False, True)
    assert found.refused == "checkout: arms do not fit. Its results are blocked until that is explained."
    assert text_of(found).startswith("Not computed for whom it works (checkout, treatment): checkout: arms do not fit.")
    broken = found_in(units().filter((pl.col("variant") == "control") | (pl.col("user_id") > "u02000")))
    assert (broken.is_evidence, "do not fit" in broken.refused) == (False, True)
    assert uplift_record(broken)["refused"] == broken.refused


def test_the_metric_is_the_first_goal_or_one_that_a_unit_can_have() -> None:
    both = Experiment(
        name="x", metrics=(MetricUse(metric="value_per_unit"), MetricUse(metric="conversion_rate", role="goal"))
    )
    assert goal_of(both, None).name == "conversion_rate"
    assert goal_of(both, "value_per_unit").name == "value_per_unit"
    with pytest.raises(ExperimentError, match="is of a feature"):
        goal_of(both, "feature_conversion_rate")


def test_a_lake_without_days_says_what_to_do(tmp_path: Path) -> None:
    from tests.platforms import platform_in

    with pytest.raises(ExperimentError, match="it holds no day"):
        platform_in(tmp_path).experiments.for_whom("checkout")
