"""The backtest: candidates, floors and chance on unseen time at one capacity, and when decays were flagged."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from intelligence.core.truths import PlantedTruth
from intelligence.risk.backtest import backtest, caught_decays

FIRST = date(2026, 5, 4)


@pytest.fixture(scope="module")
def unseen() -> pl.DataFrame:
    """Return 20 features over 30 days, of which f00 breaks on day 20; the trees flag it five days before."""
    rng = np.random.default_rng(3)
    rows = []
    for day in range(30):
        for feature in range(20):
            label = feature == 0 and 13 <= day < 20
            known = 0.9 if feature == 0 and 15 <= day < 20 else 0.1
            rows.append(
                {
                    "event_date": FIRST + timedelta(days=day),
                    "feature": f"f{feature:02}",
                    "label": label,
                    "xgboost": known + 0.01 * rng.random(),
                    "random_forest": float(rng.random()),
                    "logistic_regression": float(rng.random()),
                    "ewma": None,
                    "persistence": float(rng.random()),
                    "chosen": "xgboost",
                }
            )
    frame = pl.DataFrame(rows, schema_overrides={"ewma": pl.Float64}).with_columns(score=pl.col("xgboost"))
    rank = pl.col("score").rank("ordinal", descending=True).over("event_date")
    return frame.with_columns(is_flagged=rank == 1)


def test_candidates_and_floors_are_ranked_and_chance_comes_last(unseen: pl.DataFrame) -> None:
    lines = backtest(unseen, unit="feature", capacity=0.05)
    assert lines[0].name == "xgboost"
    assert lines[-1].name == "random"
    assert {line.name for line in lines if line.is_chosen} == {"xgboost"}
    assert lines[-1].pr_auc == pytest.approx(7 / 600)
    areas = [line.pr_auc for line in lines[:-1]]
    assert areas == sorted(areas, reverse=True)


def test_lead_and_false_alarms_are_counted_at_the_same_capacity(unseen: pl.DataFrame) -> None:
    best = backtest(unseen, unit="feature", capacity=0.05)[0]
    assert best.recall == 1.0
    assert best.lead_days >= 5.0
    assert best.false_alarms_a_day == pytest.approx((30 - (unseen["is_flagged"] & unseen["label"]).sum()) / 30)


def test_a_planted_decay_is_reported_with_the_day_it_was_flagged_on(unseen: pl.DataFrame) -> None:
    breach = FIRST + timedelta(days=18)
    decay = PlantedTruth(
        "slow_decay", "f00", breach, FIRST + timedelta(days=19), FIRST + timedelta(days=14), "decays", 2.0
    )
    release = PlantedTruth("bad_release", "f00", breach, breach, None, "breaks", 0.1)
    before = PlantedTruth(
        "slow_decay", "f01", FIRST - timedelta(days=9), FIRST, FIRST - timedelta(days=12), "past", 2.0
    )
    (found,) = caught_decays(unseen, [decay, release, before])
    assert (found.truth, found.flagged_on, found.best_rank) == (decay, FIRST + timedelta(days=15), 1)
    assert found.days_ahead == 3


def test_a_decay_that_was_never_flagged_is_reported_as_such(unseen: pl.DataFrame) -> None:
    breach = FIRST + timedelta(days=18)
    quiet = unseen.with_columns(is_flagged=pl.lit(value=False))
    decay = PlantedTruth("slow_decay", "f00", breach, breach, FIRST + timedelta(days=14), "decays", 2.0)
    (found,) = caught_decays(quiet, [decay])
    assert (found.flagged_on, found.days_ahead) == (None, None)
