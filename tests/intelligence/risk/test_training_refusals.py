"""What training refuses, with messages that name the problem and the next step."""

from dataclasses import replace

import polars as pl
import pytest

from intelligence.core.errors import NotEnoughEvidence, PanelError
from intelligence.risk.task import Task
from intelligence.risk.training import Rules, trained, what_is_missing

TRUE, FALSE = pl.lit(value=True), pl.lit(value=False)
UNKNOWN = pl.lit(None, dtype=pl.Boolean)
EVIDENCE = {
    "no rows": (lambda panel: panel.head(0), "of 0 rows 0 have a known label, none"),
    "no columns either": (lambda panel: pl.DataFrame(), "of 0 rows 0 have a known label, none"),
    "no mature label": (lambda panel: panel.with_columns(label=UNKNOWN), "of 4000 rows 0 have a known label, none"),
    "labels without a type": (lambda panel: panel.with_columns(label=pl.lit(None)), "0 have a known label, none"),
    "negatives only": (lambda panel: panel.with_columns(label=FALSE), "known label, only negative ones"),
    "positives only": (lambda panel: panel.with_columns(label=TRUE), "known label, only positive ones"),
    "few positives": (
        lambda panel: panel.with_columns(label=(pl.col("unit") == "u0001") & (pl.col("time") % 9 == 0)),
        "6 of 4000 rows with a known label are positive, and too few of them early on",
    ),
    "positives late": (
        lambda panel: panel.with_columns(label=pl.col("time") >= 45),
        "too few of them early on",
    ),
    "positives of few units": (
        lambda panel: panel.with_columns(label=pl.col("unit").is_in(["u0001", "u0002"]) & (pl.col("time") % 2 == 0)),
        "2 units had an onset on unseen time, fewer than 5",
    ),
    "positives only late": (
        lambda panel: panel.with_columns(label=(pl.col("time") >= 15) | (pl.col("unit") < "u0040")),
        "rows of unseen time are positive: nothing can be ranked",
    ),
    "few points in time": (
        lambda panel: panel.filter(pl.col("time") < 3),
        "3 points in time with known labels are too few",
    ),
    "constant predictors": (
        lambda panel: panel.with_columns(signal=pl.lit(1.0), noise=pl.lit(None), gappy=pl.lit(float("nan"))),
        "none of the 3 varies over 3760 rows",
    ),
}


@pytest.mark.parametrize("case", EVIDENCE)
def test_too_little_evidence_is_reported_with_its_numbers(
    case: str, panel: pl.DataFrame, task: Task, quick: Rules
) -> None:
    spoil, words = EVIDENCE[case]
    with pytest.raises(NotEnoughEvidence, match=words) as refusal:
        trained(spoil(panel), task, rules=quick)
    assert refusal.value.hint
    assert what_is_missing(spoil(panel), task, rules=quick) == refusal.value.problem


def test_a_horizon_longer_than_the_data_is_too_little_evidence(panel: pl.DataFrame, task: Task, quick: Rules) -> None:
    with pytest.raises(NotEnoughEvidence):
        trained(panel, replace(task, horizon=60), rules=quick)


MALFORMED = {
    "a predictor is missing": (lambda panel: panel.drop("noise"), "no column noise"),
    "several columns are missing": (lambda panel: panel.drop("weak", "unit"), "no column unit, weak"),
    "a predictor is text": (lambda panel: panel.with_columns(noise=pl.lit("much")), "noise hold no numbers but String"),
    "the label is text": (lambda panel: panel.with_columns(label=pl.lit("yes")), "label hold no numbers but String"),
    "the label counts": (lambda panel: panel.with_columns(label=pl.lit(2)), "label has values other than 0 and 1"),
    "times are moments": (
        lambda panel: panel.with_columns(time=pl.from_epoch(pl.col("time") * 86_400)),
        "time is Datetime",
    ),
    "times are fractions": (lambda panel: panel.with_columns(pl.col("time").cast(pl.Float64)), "time is Float64"),
    "a time is unknown": (
        lambda panel: panel.with_columns(time=pl.when(pl.col("time") > 0).then("time")),
        "time or unit is null",
    ),
    "rows are there twice": (lambda panel: pl.concat([panel, panel.head(1)]), "several rows share time and unit"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_panel_is_reported_with_the_column(
    case: str, panel: pl.DataFrame, task: Task, quick: Rules
) -> None:
    spoil, words = MALFORMED[case]
    with pytest.raises(PanelError, match=words) as refusal:
        trained(spoil(panel), task, rules=quick)
    assert refusal.value.hint
    with pytest.raises(PanelError, match=words):
        what_is_missing(spoil(panel), task, rules=quick)


CONTRADICTIONS = {
    "a label among the predictors": ({"predictors": ("signal", "label")}, "its label label is among its predictors"),
    "a horizon into the past": ({"horizon": -3}, "its horizon -3 is no whole number from 0"),
    "half a horizon": ({"horizon": 1.5}, "its horizon 1.5 is no whole number"),
    "a predictor twice": ({"predictors": ("signal", "signal")}, "a predictor is there twice"),
    "a direction of nothing": ({"directions": {"signl": 1}}, "a direction is of no predictor"),
    "a direction of its own": ({"directions": {"signal": 7}}, "neither 1 nor 0 nor -1"),
    "a floor named like a candidate": ({"floors": {"xgboost": "weak"}}, "need names of their own"),
    "a floor named like the unit": ({"floors": {"unit": "weak"}}, "need names of their own"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_question_that_contradicts_itself_is_refused(
    case: str, panel: pl.DataFrame, task: Task, quick: Rules
) -> None:
    changed, words = CONTRADICTIONS[case]
    with pytest.raises(PanelError, match=words):
        trained(panel, replace(task, **changed), rules=quick)


@pytest.mark.parametrize("type_", [pl.Int8, pl.Float64])
def test_labels_of_noughts_and_ones_are_as_good(
    panel: pl.DataFrame, task: Task, quick: Rules, type_: type[pl.DataType]
) -> None:
    numbers = panel.with_columns(pl.col("label").cast(type_))
    assert what_is_missing(numbers, task, rules=quick) is None


@pytest.mark.parametrize("name", ["<b>noise</b>", "noise[1]"])
def test_a_name_that_trees_cannot_hold_is_reported_before_anything_is_trained(
    name: str, panel: pl.DataFrame, task: Task, quick: Rules
) -> None:
    with pytest.raises(PanelError, match="a file of trees cannot hold the name") as refusal:
        trained(panel.rename({"noise": name}), replace(task, predictors=("signal", name), floors={}), rules=quick)
    assert name in refusal.value.problem
