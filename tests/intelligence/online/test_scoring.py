"""The compiled walk gives what XGBoost and the model itself give, and refuses what it cannot score."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from intelligence.core.errors import ModelError
from intelligence.online.scoring import Scorer
from intelligence.risk.candidates import CANDIDATES
from intelligence.risk.model import Floats, Kind, Platt, RiskModel, values_of
from tests.networks import drawn_network

NAMES = ("events_1m", "errors_1m", "value_1m", "since_last_s")


def panel(rows: int, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
    draw = np.random.default_rng(seed)
    values = draw.lognormal(1, 2, (rows, len(NAMES)))
    values[draw.random(values.shape) < 0.1] = np.nan
    # Whole numbers meet thresholds exactly.
    values[:, 1] = np.floor(values[:, 1])
    chance = 1 / (1 + np.exp(-(np.nan_to_num(values[:, 0]) / 5 - 2 + np.nan_to_num(values[:, 1]) / 10)))
    return pl.DataFrame(values, schema=list(NAMES)), draw.random(rows) < chance


def fitted(kind: Kind, seed: int = 1) -> tuple[RiskModel, pl.DataFrame]:
    rows, labels = panel(2_000, seed)
    calibration = Platt(0.9, -0.1, tuple((1 + each / 50, each / 20) for each in range(-10, 11)))
    if kind == "neural_network":
        return drawn_network(NAMES, calibration, seed=seed), rows
    return replace(CANDIDATES[kind](rows, labels, NAMES, {}, seed), calibration=calibration), rows


def windows_of(rows: pl.DataFrame) -> Floats:
    """Return rows as the windows have them: with more columns, in another order."""
    more = rows.with_columns(other=pl.lit(5.0))
    return more.select("other", *reversed(NAMES)).to_numpy()


@pytest.mark.parametrize("kind", ["xgboost", "random_forest", "logistic_regression", "neural_network"])
def test_a_score_is_what_the_model_gives(kind: Kind) -> None:
    model, rows = fitted(kind)
    scorer = Scorer(model, "3", predictors=("other", *reversed(NAMES)))
    unseen = panel(5_000, 2)[0]
    hostile = pl.DataFrame([[np.inf, -np.inf, 1e300, np.nan], [0.0, -0.0, -1e300, 1e-320]], schema=NAMES, orient="row")
    for frame in (rows, unseen, hostile):
        logits, windows = model.logits(frame), windows_of(frame)
        assert np.abs(scorer.logits(windows) - logits).max() < 1e-6
        low, high = model.calibration.intervals(logits)
        found = scorer.scored(windows)
        assert np.abs([each.risk_score for each in found] - model.probabilities(frame)).max() < 1e-6
        assert np.abs([each.low for each in found] - low).max() < 1e-4
        assert np.abs([each.high for each in found] - high).max() < 1e-4
        assert all(each.low <= each.risk_score <= each.high and each.version == "3" for each in found)
    assert scorer.scored(np.empty((0, 5))) == []


def test_a_model_that_asks_for_other_windows_is_refused() -> None:
    model, _ = fitted("xgboost")
    with pytest.raises(ModelError, match=r"entity_risk version 3.*asks for value_1m"):
        Scorer(model, "3", predictors=("events_1m", "errors_1m", "since_last_s"))


def test_a_booster_of_another_kind_is_refused() -> None:
    import xgboost

    rows, _ = panel(100, 1)
    data = xgboost.DMatrix(values_of(rows, NAMES), label=np.arange(100.0), feature_names=list(NAMES))
    booster = xgboost.train({"objective": "reg:squarederror", "max_depth": 2}, data, num_boost_round=2)
    model = RiskModel("xgboost", NAMES, Platt(1.0, 0.0), booster=bytes(booster.save_raw("ubj")))
    with pytest.raises(ModelError, match="not one of trees for a probability"):
        Scorer(model, "3", predictors=NAMES)
