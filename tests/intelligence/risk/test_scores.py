"""Scores: buckets at their bounds, reasons that only raise, words for the unknown, and frames without rows."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelligence.risk.model import Linear, Platt, RiskModel
from intelligence.risk.predictors import FEATURE_PREDICTORS, USER_PREDICTORS, Predictor
from intelligence.risk.scores import in_words, scored, with_impact
from intelligence.risk.training import Training

WORDS = (Predictor("signal", "signal of {:.1f}", 1), Predictor("gappy", "gaps of {:.0f} days"))
TYPES = {
    "risk_score": pl.Float64, "risk_low": pl.Float64, "risk_high": pl.Float64, "risk_bucket": pl.String,
    "reason_1": pl.String, "reason_2": pl.String, "reason_3": pl.String,
}  # fmt: skip


def plain(*names: str) -> RiskModel:
    """Return a model whose logit is the sum of its predictors."""
    n = len(names)
    ones, zeros = (1.0,) * n, (0.0,) * n
    linear = Linear(medians=zeros, means=zeros, scales=ones, weights=ones, intercept=0.0)
    return RiskModel("logistic_regression", names, Platt(1.0, 0.0), linear=linear)


def scored_rows(rows: pl.DataFrame, model: RiskModel) -> pl.DataFrame:
    return scored(rows, model, WORDS, name="risk", medium=0.1, high=0.3)


def test_a_bucket_begins_at_its_bound() -> None:
    rows = pl.DataFrame({"signal": [-5.0, 0.0, 0.0, 5.0]})
    model = plain("signal")
    found = scored(rows, model, WORDS, name="risk", medium=0.5, high=0.6)
    assert found["risk_bucket"].to_list() == ["low", "medium", "medium", "high"]
    exactly = scored(rows, model, WORDS, name="risk", medium=0.2, high=0.5)
    assert exactly["risk_bucket"].to_list() == ["low", "high", "high", "high"]


def test_reasons_are_those_that_raise_the_risk_and_the_strongest_comes_first(
    training: Training, panel: pl.DataFrame
) -> None:
    rows = panel.head(500)
    found = scored_rows(rows, training.model)
    contributions = training.model.contributions(rows)
    for row, shares in zip(found.select("reason_1", "reason_2", "reason_3").rows(), contributions, strict=True):
        raising = (shares > 0).sum()
        assert [reason is not None for reason in row] == [number < raising for number in range(3)]
        if raising:
            first = training.model.predictors[int(np.argmax(shares))]
            assert row[0].startswith({"signal": "signal of", "gappy": "gaps of", "noise": "noise "}[first])


def test_rows_below_the_bound_have_no_reasons_and_the_others_keep_theirs(
    training: Training, panel: pl.DataFrame
) -> None:
    rows = panel.head(500)
    everybody = scored_rows(rows, training.model)
    bound = float(everybody["risk_score"].median())
    some = scored(rows, training.model, WORDS, name="risk", medium=0.1, high=0.3, reasons_from=bound)
    reasons = ["reason_1", "reason_2", "reason_3"]
    above = pl.col("risk_score") >= bound
    assert some.drop(reasons).equals(everybody.drop(reasons))
    assert some.filter(above).equals(everybody.filter(above))
    assert some.filter(~above).select(reasons).null_count().row(0) == (some.filter(~above).height,) * 3
    nobody = scored(rows, training.model, WORDS, name="risk", medium=0.1, high=0.3, reasons_from=1.1)
    assert nobody["reason_1"].null_count() == 500


def test_the_frame_keeps_its_rows_and_gains_scores_within_their_intervals(
    training: Training, panel: pl.DataFrame
) -> None:
    rows = panel.head(300)
    found = scored_rows(rows, training.model)
    assert found.select(rows.columns).equals(rows)
    assert found.drop(rows.columns).schema == TYPES
    assert ((found["risk_low"] <= found["risk_score"]) & (found["risk_score"] <= found["risk_high"])).all()
    assert found["risk_score"].is_between(0, 1).all()


@pytest.mark.parametrize("linear", [True, False])
def test_no_rows_give_an_empty_frame_of_the_same_shape(linear: bool, training: Training, panel: pl.DataFrame) -> None:
    from intelligence.risk.candidates import boosted_trees

    rows = panel.drop_nulls("label").head(400)
    names = ("signal", "noise", "gappy")
    model = plain(*names) if linear else boosted_trees(rows, rows["label"].to_numpy(), names, {}, 1)
    found = scored_rows(panel.head(0), model)
    assert found.is_empty()
    assert found.schema == scored_rows(panel.head(2), model).schema


def test_a_large_frame_is_scored_in_parts_as_in_whole() -> None:
    rows = pl.DataFrame({"signal": np.linspace(-4, 4, 200_001), "noise": np.zeros(200_001)})
    found = scored_rows(rows, plain("signal", "noise"))
    for at in (0, 99_999, 100_000, 200_000):
        assert found.row(at) == scored_rows(rows.slice(at, 1), plain("signal", "noise")).row(0)


def test_names_with_markup_or_braces_stay_text() -> None:
    names = ("<b>x</b>", "a{b}", "{:.2f}", "{exp:x}")
    rows = pl.DataFrame({name: [2.0] for name in names})
    for name in names:
        found = scored_rows(rows, plain(name))
        assert found["reason_1"].item() == f"{name} 2"
    assert in_words("a{{b}} {:.3g}", float("nan")) == "a{b} unknown"


def test_a_gap_that_raises_the_risk_is_described_as_unknown() -> None:
    model = plain("signal")
    filled = RiskModel(
        model.kind, model.predictors, model.calibration, linear=Linear((3.0,), (0.0,), (1.0,), (1.0,), 0.0)
    )
    assert scored_rows(pl.DataFrame({"signal": [None]}, schema={"signal": pl.Float64}), filled)["reason_1"].item() == (
        "signal of unknown"
    )


@pytest.mark.parametrize("predictor", [*FEATURE_PREDICTORS, *USER_PREDICTORS], ids=lambda each: each.name)
def test_every_predictor_can_be_described_whatever_its_value(predictor: Predictor) -> None:
    for value in (0.0, -3.2, 1e12, -1e12, float("nan")):
        words = in_words(predictor.words, value)
        assert "{" not in words
        assert "nan" not in words
        assert ("unknown" in words) == bool(np.isnan(value))
    assert "unknown those" not in in_words(predictor.words, float("nan"))
    assert "  " not in in_words(predictor.words, float("nan"))


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_words_contain_the_value(value: float) -> None:
    assert in_words("errors at {:.1f}x what is promised", value) == f"errors at {value:.1f}x what is promised"


def test_impact_is_risk_times_users_and_nobody_where_users_are_unknown() -> None:
    scores = pl.DataFrame(
        {"risk_score": [0.5, 0.2], "risk_low": [0.4, 0.1], "risk_high": [0.6, 0.3], "users_7d": [100.0, None]}
    )
    found = with_impact(scores, users="users_7d")
    assert found.select("impact_low", "impact_score", "impact_high").rows() == [(40.0, 50.0, 60.0), (0.0, 0.0, 0.0)]
    assert found["users_7d"].to_list() == [100.0, 0.0]
