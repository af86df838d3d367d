"""Training finds what was planted, beats the floors, leaves the useless out, and is the same whenever it is repeated."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from intelligence.risk.candidates import CANDIDATES
from intelligence.risk.card import report
from intelligence.risk.evaluation import Sample
from intelligence.risk.gate import verdict
from intelligence.risk.task import Task
from intelligence.risk.training import Rules, Training, trained, what_is_missing


def test_a_planted_signal_is_found_and_beats_the_floors(training: Training) -> None:
    assert next(iter(training.importance)) == "signal"
    assert training.best.measures["roc_auc"].value > 0.75
    assert training.best.measures["lift"].value > 2.5
    for floor in ("noise", "weak"):
        assert training.advantage[floor].low > 0
        assert training.best.measures["pr_auc"].value > training.of(floor).measures["pr_auc"].value
    assert training.best.caught / training.best.onsets > training.random_recall


def test_unseen_probabilities_are_close_to_the_true_ones(training: Training, panel: pl.DataFrame) -> None:
    seen = training.unseen.join(panel.select("unit", "time", "truth"), on=["unit", "time"])
    assert (seen[training.model.kind] - seen["truth"]).abs().mean() < 0.05
    assert training.best.measures["calibration_error"].value < 0.03


def test_only_rows_behind_the_calibration_and_with_known_labels_are_evaluated(training: Training) -> None:
    assert training.unseen["fold"].min() >= 1
    assert training.unseen["time"].max() == 46
    assert training.known_rows == 80 * 47
    assert training.last_time == 46
    assert training.unseen.null_count().sum_horizontal().item() == 0
    assert len(training.flagged) == training.unseen.height
    assert {evaluation.name for evaluation in training.evaluations} == {*CANDIDATES, "noise", "weak"}


def same(one: Training, other: Training) -> None:
    assert one.model.files() == other.model.files()
    assert report(one) == report(other)
    scores = [part.unseen.select(*CANDIDATES, "label", "fold") for part in (one, other)]
    assert scores[0].to_numpy().tobytes() == scores[1].to_numpy().tobytes()
    assert gate_of(one) == gate_of(other)


def gate_of(training: Training) -> object:
    unseen = training.unseen
    sample = Sample(
        unseen["unit"].rank("dense").to_numpy().astype(np.int64) - 1,
        unseen["time"].to_physical().cast(pl.Int64).to_numpy(),
        unseen["label"].to_numpy(),
    )
    return verdict(
        unseen[training.model.kind].to_numpy(),
        {"xgboost": unseen["xgboost"].to_numpy()},
        sample,
        champion=None,
        capacity=0.05,
        threshold=0.3,
    )


def test_the_order_of_rows_and_columns_changes_no_bit_of_files_scores_and_verdict(
    training: Training, panel: pl.DataFrame, task: Task, quick: Rules
) -> None:
    turned = panel.select(reversed(panel.columns)).sample(fraction=1, shuffle=True, seed=2)
    again = trained(turned, task, rules=quick)
    same(training, again)
    assert_frame_equal(training.unseen, again.unseen)


def test_units_may_be_numbers_and_times_dates(
    training: Training, panel: pl.DataFrame, task: Task, quick: Rules
) -> None:
    start = date(2026, 1, 1)
    other = panel.with_columns(
        unit=pl.col("unit").str.slice(1).cast(pl.Int32),
        time=pl.Series([start + timedelta(days=day) for day in panel["time"]]),
    )
    again = trained(other, task, rules=quick)
    assert again.model.files() == training.model.files()
    assert again.unseen[training.model.kind].to_list() == training.unseen[training.model.kind].to_list()
    assert again.last_time == start + timedelta(days=46)


def test_useless_predictors_are_left_out_and_infinite_values_are_gaps(
    training: Training, panel: pl.DataFrame, task: Task, quick: Rules
) -> None:
    more = panel.with_columns(
        constant=pl.lit(4.0),
        empty=pl.lit(None, dtype=pl.Float64),
        nothing=pl.lit(None),
        unknown=pl.lit(float("nan")),
        endless=pl.lit(float("inf")),
        gappy=pl.when(pl.col("gappy").is_nan()).then(pl.lit(float("inf"))).otherwise("gappy"),
    )
    names = ("constant", "empty", "nothing", "unknown", "endless", *task.predictors)
    larger = Task(
        unit="unit", time="time", label="label", predictors=names, horizon=3, directions={"signal": 1},
        floors=task.floors,
    )  # fmt: skip
    again = trained(more, larger, rules=quick)
    assert again.model.predictors == task.predictors
    same(training, again)


def test_no_candidate_foresees_labels_that_were_shuffled_within_the_day() -> None:
    rng = np.random.default_rng(21)
    units, times = 400, 60
    shape = (times, units)
    signal = rng.normal(size=shape) + rng.normal(size=units)
    rank = np.argsort(np.argsort(-signal, axis=1), axis=1)
    shuffled = np.stack([rng.permutation(row) for row in rank < units // 10])
    panel = pl.DataFrame(
        {
            "time": np.repeat(np.arange(times), units),
            "unit": np.tile(np.arange(units), times),
            "signal": signal.ravel(),
            "day": np.repeat(rng.normal(size=times), units),
            "drift": np.cumsum(rng.normal(size=shape), axis=0).ravel(),
            "label": shuffled.ravel(),
        }
    )
    task = Task(
        unit="unit",
        time="time",
        label="label",
        predictors=("signal", "day", "drift"),
        horizon=5,
        floors={"f": "signal"},
    )
    found = trained(panel, task, rules=Rules(folds=4, draws=2))
    assert found.unseen["label"].sum() > 800
    for name in (*CANDIDATES, "f"):
        assert found.of(name).measures["roc_auc"].value == pytest.approx(0.5, abs=0.03), name
    honest = panel.with_columns(label=pl.Series(rank.ravel() < units // 10))
    again = trained(honest, task, rules=Rules(folds=2, draws=2))
    assert again.best.measures["roc_auc"].value > 0.95


def test_outcomes_of_after_a_fold_began_change_none_of_its_probabilities(panel: pl.DataFrame, task: Task) -> None:
    rules = Rules(folds=3, draws=2)
    before = trained(panel, task, rules=rules).unseen
    last = before.filter(fold=before["fold"].max())["time"].min()
    was_unknown = pl.col("time") >= last - task.horizon
    changed = panel.with_columns(label=pl.col("label") ^ was_unknown)
    after = trained(changed, task, rules=rules).unseen
    assert not after["label"].equals(before["label"])
    assert_frame_equal(after.drop("label"), before.drop("label"), check_exact=True)


def test_what_is_missing_is_nothing_where_training_succeeds(panel: pl.DataFrame, task: Task, quick: Rules) -> None:
    assert what_is_missing(panel, task, rules=quick) is None
