"""Any frame with one row per user: the planted effect is found, and what cannot be known is no number."""

import numpy as np
import polars as pl
import pytest

from intelligence.core.errors import ExperimentError, NotEnoughEvidence
from intelligence.experiments.analysis import analysis
from intelligence.experiments.results import RESULTS
from intelligence.metrics.registry import Metric
from tests.intelligence.experiments.frames import ALL, CONVERTED, ERRORS, MEDIAN, ORDERS, REVENUE, users


def test_a_lift_is_found_in_every_kind_of_metric() -> None:
    found = analysis(users(20_000, lift=0.1), ALL, margins={"errors": 0.1})
    assert found.problems == ()
    assert found.verdicts["treatment"].word == "ship"
    assert found.table.schema == RESULTS
    rows = {row["metric"]: row for row in found.table.iter_rows(named=True)}
    assert 0.05 < rows["revenue"]["relative"] < 0.1
    assert rows["orders_per_session"]["relative"] == pytest.approx(0.1, abs=0.02)
    assert rows["median_revenue"]["low"] > 0
    assert rows["revenue"]["p_adjusted"] >= rows["revenue"]["p"]
    assert rows["revenue"]["watched_low"] < rows["revenue"]["low"]
    assert rows["revenue"]["chance_to_win"] > 0.999


def test_harm_on_a_guardrail_rolls_back() -> None:
    found = analysis(users(10_000, lift=0.1, more_errors=0.5), ALL, margins={"errors": 0.1})
    assert str(found.verdicts["treatment"]) == "roll back: errors is worse by more than the margin"


def test_a_null_effect_is_not_shipped() -> None:
    assert analysis(users(10_000), ALL, margins={"errors": 0.2}).verdicts["treatment"].word == "not_enough_evidence"


def test_an_unhealthy_experiment_shows_no_number() -> None:
    found = analysis(users(share=0.56, lift=0.2), ALL)
    assert [each.name for each in found.problems] == ["sample_ratio"]
    assert found.table.is_empty()
    assert (found.readings, found.verdicts["treatment"].word) == ({}, "review")


def test_planned_shares_are_no_mismatch() -> None:
    found = analysis(users(share=0.2), ALL, shares={"control": 0.8, "treatment": 0.2})
    assert found.problems == ()


def test_units_in_two_arms_are_counted_and_left_out() -> None:
    frame = users()
    crossed = (
        frame.head(10).with_columns(variant=pl.lit("treatment")),
        frame.head(10).with_columns(variant=pl.lit("control")),
    )
    found = analysis(pl.concat([frame.tail(-10), *crossed]), [REVENUE])
    (problem,) = found.problems
    assert problem.sentence.startswith("10 of 4000 units (0.2%) were seen in more than one variant")
    assert found.readings["treatment"][0].planned
    assert found.readings["treatment"][0].planned.n_control + found.readings["treatment"][0].planned.n_variant == 3_990


def test_three_arms_share_alpha() -> None:
    two = analysis(users(), [REVENUE])
    frame = users().with_columns(
        variant=pl.when(pl.col("user_id") % 3 == 0).then(pl.lit("third")).otherwise(pl.col("variant"))
    )
    three = analysis(frame, [REVENUE], shares={"control": 1, "treatment": 1, "third": 1})
    assert sorted(three.verdicts) == ["third", "treatment"]
    assert two.readings["treatment"][0].planned
    assert three.readings["treatment"][0].planned
    assert two.readings["treatment"][0].planned.confidence == 0.95
    assert three.readings["treatment"][0].planned.confidence == 0.975


def test_an_always_valid_analysis_has_the_wide_interval_and_never_ends() -> None:
    found = analysis(users(), [REVENUE], design="always_valid")
    (reading,) = found.readings["treatment"]
    assert reading.planned == reading.watched
    assert found.verdicts["treatment"].word == "keep_running"


def test_metrics_of_the_registry_go_by_their_names() -> None:
    frame = users().rename({"orders": "events"}).with_columns(pre_events=pl.col("pre_orders"))
    assert analysis(frame, ["events_per_unit"]).table["metric"].to_list() == ["events_per_unit"]


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (pl.lit(3.0).alias("revenue"), "no two units of an arm differ in it"),
        (pl.lit(None, pl.Float64).alias("revenue"), "0 units of an arm have an outcome; 100 are needed"),
        (pl.lit(None).alias("revenue"), "0 units of an arm have an outcome; 100 are needed"),
    ],
)
def test_an_outcome_without_information_has_a_note_and_no_number(change: pl.Expr, note: str) -> None:
    found = analysis(users().with_columns(change), [REVENUE])
    (row,) = found.table.iter_rows(named=True)
    assert row["note"] == note
    assert {row[name] for name in RESULTS if name not in ("metric", "role", "variant", "note")} == {None}
    assert found.verdicts["treatment"].word == "not_enough_evidence"


@pytest.mark.parametrize("least", [1, 3, 10])
def test_three_users_are_not_enough_whatever_is_asked_for(least: int) -> None:
    frame = pl.concat([users().filter(pl.col("variant") == name).head(2) for name in ("control", "treatment")]).head(3)
    found = analysis(frame, [*ALL], minimum_units=least)
    assert found.verdicts["treatment"].word == "not_enough_evidence"
    assert found.table["effect"].null_count() == len(ALL)


@pytest.mark.parametrize("metric", ALL, ids=lambda each: each.name)
def test_a_constant_outcome_of_every_kind_is_not_enough(metric: Metric) -> None:
    found = analysis(users().with_columns(pl.lit(1).alias(column) for column in metric.columns), [metric])
    assert found.table["effect"].to_list() == [None]


@pytest.mark.parametrize(
    ("change", "options", "error", "words"),
    [
        ({"drop": ["revenue"]}, {}, ExperimentError, "lacks `revenue`"),
        ({"drop": ["variant"]}, {}, ExperimentError, "lacks `variant`"),
        ({"drop": ["user_id"]}, {}, ExperimentError, "lacks `user_id`"),
        ({"add": pl.lit("control").alias("variant")}, {}, NotEnoughEvidence, "has units of `control` alone"),
        (
            {"add": pl.lit("other").alias("variant")},
            {},
            NotEnoughEvidence,
            "control: has no unit; there are units of other",
        ),
        ({"add": pl.lit(None, pl.Float64).alias("pre_revenue")}, {}, ExperimentError, "is null for every unit"),
        ({"add": pl.lit(1e308 * 10).alias("revenue")}, {}, ExperimentError, "is infinite"),
        ({"add": pl.lit("much").alias("revenue")}, {}, ExperimentError, "no number"),
        ({"add": pl.lit(None, pl.String).alias("variant")}, {}, ExperimentError, "is null in 4000 rows"),
        (
            {"add": (pl.col("user_id") // 2).alias("user_id"), "rows": "control"},
            {},
            ExperimentError,
            "have several rows",
        ),
        ({"rows": "nobody"}, {}, NotEnoughEvidence, "has no row"),
        ({}, {"design": "group_sequential"}, ExperimentError, "needs the earlier looks"),
        ({}, {"metrics": []}, ExperimentError, "there are none"),
        ({}, {"metrics": [REVENUE, REVENUE]}, ExperimentError, "named more than once"),
        ({}, {"metrics": ["revenue"]}, ExperimentError, "is no metric of the registry"),
        ({}, {"shares": {"treatment": 1.0}}, ExperimentError, "Give a share above 0 for `control`"),
    ],
)
def test_what_cannot_be_analysed_is_an_error_that_says_what_to_do(change, options, error, words) -> None:
    frame = users().with_columns(change.get("add", [])).drop(change.get("drop", []))
    if "rows" in change:
        frame = frame.filter(pl.col("variant") == change["rows"])
    with pytest.raises(error, match=words):
        analysis(frame, options.pop("metrics", [REVENUE]), **options)


def test_the_order_of_rows_changes_nothing_but_rounding() -> None:
    frame = users()
    shuffled = frame.sample(fraction=1, shuffle=True, seed=3)
    there, back = (analysis(each, [REVENUE, ORDERS, CONVERTED, ERRORS, MEDIAN]).table for each in (frame, shuffled))
    np.testing.assert_allclose(
        there.select(pl.selectors.float()).to_numpy(), back.select(pl.selectors.float()).to_numpy(), rtol=1e-9
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"margins": {"errors": float("nan")}}, "margins: has nan for `errors`"),
        ({"margins": {"errors": float("inf")}}, "margins: has inf"),
        ({"margins": {"errors": -0.1}}, "margins: has -0.1"),
        ({"margins": {"errors": "0.1"}}, "margins: has '0.1'"),
        ({"margins": {"errors": None}}, "margins: has None"),
        ({"margins": {"erors": 0.1}}, "margins: names `erors`, which is not asked for"),
        ({"smallest_effects": {"revenue": float("nan")}}, "smallest_effects: has nan"),
        ({"minimum_units": -1}, "minimum_units: is -1"),
        ({"planned_units": float("inf")}, "planned_units: is inf"),
    ],
)
def test_what_decides_the_verdict_is_a_sound_number_of_a_metric_that_is_asked_for(options: dict, words: str) -> None:
    with pytest.raises(ExperimentError, match=words):
        analysis(users(2_000), ALL, **options)
