"""No more rows are flagged than the capacity allows, however few rows a time has, and none where all rows are too few."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelligence.risk.backtest import backtest
from intelligence.risk.capacity import capacity_in_words, fewest_rows, flagged_at_capacity, stretches
from intelligence.risk.evaluation import Sample, lead_time, measures, random_lead_time
from intelligence.risk.task import Task
from intelligence.risk.training import Rules, Training, trained

RNG = np.random.default_rng(24)
SHAPES = {
    "one row a time": np.arange(4_000),
    "two rows a time": np.repeat(np.arange(2_000), 2),
    "three rows a time": np.repeat(np.arange(1_300), 3),
    "seven rows a time": np.repeat(np.arange(600), 7),
    "eight features a day": np.repeat(np.arange(500), 8),
    "nineteen rows a time": np.repeat(np.arange(210), 19),
    "twenty rows a time": np.repeat(np.arange(200), 20),
    "twenty-one rows a time": np.repeat(np.arange(190), 21),
    "thirty-nine rows a time": np.repeat(np.arange(100), 39),
    "from one to forty rows a time": np.repeat(np.arange(200), RNG.integers(1, 41, size=200)),
    "times far apart": np.sort(RNG.integers(0, 10**9, size=4_000)),
    "a crowd and then single ones": np.concatenate([np.zeros(2_000, dtype=int), np.arange(1, 2_001)]),
    "few times": np.repeat(np.arange(3), 1_400),
    "a single time": np.zeros(4_000, dtype=int),
}
NOISE = {
    "noise": RNG.normal(size=10_000),
    "one score for all": np.zeros(10_000),
    "two scores": RNG.integers(0, 2, 10_000) * 1.0,
}


@pytest.mark.parametrize("scores", NOISE)
@pytest.mark.parametrize("shape", SHAPES)
def test_of_noise_five_per_cent_catch_five_per_cent(shape: str, scores: str) -> None:
    times = SHAPES[shape]
    labels = np.random.default_rng(len(times)).random(len(times)) < 0.2
    labels[: len(labels) // 3] &= np.arange(len(labels) // 3) % 2 == 0
    sample = Sample(np.arange(len(times)), times, labels)
    ranking = NOISE[scores][: len(times)]
    flagged = flagged_at_capacity(ranking, times, 0.05)
    assert flagged is not None
    assert 0.045 <= flagged.mean() <= 0.05
    found = measures(
        ranking, None, sample, capacity=0.05, threshold=0.5, weights=np.ones((1, sample.clusters.max() + 1))
    )
    assert found["recall_at_capacity"][0] == pytest.approx(0.05, abs=0.035)
    assert found["precision_at_capacity"][0] == pytest.approx(labels.mean(), abs=0.1)


@pytest.mark.parametrize("shape", ["one row a time", "seven rows a time", "from one to forty rows a time"])
def test_chance_catches_what_the_share_lets_expect(shape: str) -> None:
    times = SHAPES[shape]
    labels = RNG.random(len(times)) < 0.2
    recall, _ = random_lead_time(Sample(np.arange(len(times)), times, labels), capacity=0.05, draws=20, seed=3)
    assert recall == pytest.approx(0.05, abs=0.01)


@given(
    sizes=st.lists(st.integers(1, 45), min_size=1, max_size=40),
    capacity=st.sampled_from([0.01, 0.05, 0.1, 0.3, 1 / 3, 0.5, 0.77, 1.0]),
    levels=st.integers(1, 50),
    seed=st.integers(0, 10**6),
)
def test_no_stretch_has_more_than_its_share_and_the_highest_are_flagged(
    sizes: list[int], capacity: float, levels: int, seed: int
) -> None:
    times = np.repeat(np.arange(len(sizes)) ** 2, sizes)
    scores = np.random.default_rng(seed).integers(0, levels, size=len(times)).astype(float)
    numbers, flagged = stretches(times, capacity), flagged_at_capacity(scores, times, capacity)
    if numbers is None or flagged is None:
        assert len(times) * capacity < 1
        assert (numbers, flagged) == (None, None)
        return
    for number in range(numbers.max() + 1):
        here = numbers == number
        assert here.sum() >= fewest_rows(capacity)
        assert flagged[numbers <= number].sum() == int(np.floor(capacity * (numbers <= number).sum() + 1e-9))
        if not flagged[here].all():
            assert scores[here & flagged].min() >= scores[here & ~flagged].max()
    assert (np.diff(numbers[np.argsort(times, kind="stable")]) >= 0).all()
    assert all(len(np.unique(numbers[times == time])) == 1 for time in np.unique(times))


def test_rows_in_any_order_are_cut_alike() -> None:
    times, turned = (
        SHAPES["from one to forty rows a time"],
        RNG.permutation(len(SHAPES["from one to forty rows a time"])),
    )
    scores = RNG.normal(size=len(times))
    assert (
        flagged_at_capacity(scores, times, 0.05)[turned] == flagged_at_capacity(scores[turned], times[turned], 0.05)
    ).all()


@pytest.mark.parametrize("rows", [0, 1, 2, 7, 13, 19])
def test_rows_of_which_none_may_be_reviewed_give_nothing_and_say_why(rows: int) -> None:
    sample = Sample(np.arange(rows), np.arange(rows) // 2, np.arange(rows) % 2 == 0)
    assert flagged_at_capacity(np.zeros(rows), sample.times, 0.05) is None
    assert (
        capacity_in_words(sample.times, 0.05, a_time="day")
        == f"nothing: {rows} rows are fewer than the 20 of which one is 5%"
    )
    assert random_lead_time(sample, capacity=0.05, draws=3, seed=1) == (None, None)
    found = lead_time(None, sample)
    assert (found.caught, found.recall, found.mean_lead) == (None, None, None)
    if rows > 1:
        got = measures(np.zeros(rows), None, sample, capacity=0.05, threshold=0.5, weights=np.ones((1, rows)))
        assert np.isnan([got["recall_at_capacity"][0], got["precision_at_capacity"][0]]).all()
        assert not np.isnan(got["roc_auc"][0])


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("one row a time", "5% of the rows of every 20 times, since a single one has too few"),
        ("seven rows a time", "5% of the rows of every 3 times, since a single one has too few"),
        ("twenty rows a time", "5% of the rows of each time"),
        ("a single time", "5% of the rows of each time"),
    ],
)
def test_what_can_be_reviewed_is_described(shape: str, words: str) -> None:
    assert capacity_in_words(SHAPES[shape], 0.05, a_time="time") == words


def test_half_a_per_cent_is_described_as_such() -> None:
    assert capacity_in_words(SHAPES["a single time"], 0.005, a_time="day") == "0.5% of the rows of each day"


def noise_training(rows: int, folds: int) -> Training:
    rng = np.random.default_rng(rows)
    panel = pl.DataFrame(
        {"order": np.arange(rows), "noise": rng.normal(size=rows), "late": rng.random(rows) < 0.2}
    ).with_columns(number="order")
    task = Task(unit="order", time="number", label="late", predictors=("noise",), horizon=0)
    return trained(panel, task, rules=Rules(folds=folds, draws=10))


def test_a_training_on_noise_with_one_row_a_time_catches_no_more_than_chance() -> None:
    training = noise_training(500, 2)
    for each in training.evaluations:
        assert (each.measures["recall_at_capacity"].value or 0) < 0.15
        assert (each.caught or 0) < 0.15 * each.onsets
    assert training.random_recall == pytest.approx(0.05, abs=0.02)
    assert training.flagged is not None
    assert training.flagged.mean() <= 0.05
    assert training.looks_at == "5% of the rows of every 20 times, since a single one has too few"


def test_a_backtest_of_few_rows_leaves_out_what_depends_on_the_capacity() -> None:
    unseen = pl.DataFrame(
        {
            "event_date": pl.Series(range(12)).cast(pl.Date),
            "feature": ["a", "b"] * 6,
            "label": [True, False, False] * 4,
            **{
                name: np.linspace(0, 1, 12)
                for name in ("xgboost", "random_forest", "logistic_regression", "ewma", "persistence")
            },
            "chosen": ["xgboost"] * 12,
        }
    )
    lines = backtest(unseen, unit="feature", capacity=0.05)
    assert {(line.recall, line.lead_days, line.false_alarms_a_day) for line in lines} == {(None, None, None)}
    assert all(line.pr_auc > 0 for line in lines)
