"""What goes with leaving: the strongest first, with its direction, as an association, and with the measured effect of the same."""

import numpy as np
import polars as pl
import pytest

from intelligence.risk.drivers import drivers, with_effects
from intelligence.risk.model import Linear, Platt, RiskModel


def linear(**weights: float) -> RiskModel:
    """Return a model whose logit is the weighted sum of its predictors."""
    n = len(weights)
    zeros, ones = (0.0,) * n, (1.0,) * n
    parts = Linear(medians=zeros, means=zeros, scales=ones, weights=tuple(weights.values()), intercept=0.0)
    return RiskModel("logistic_regression", tuple(weights), Platt(1.0, 0.0), linear=parts)


def effects(*rows: tuple[str, str, float, float, float, str]) -> pl.DataFrame:
    names = ["treatment", "outcome", "estimate", "low", "high", "grade"]
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(answer=pl.format("said of {}", "estimate"))


def test_predictors_come_by_their_strength_with_the_side_that_more_of_them_goes_with() -> None:
    random = np.random.default_rng(2)
    rows = pl.DataFrame({name: random.normal(size=800) for name in ("visits", "absence", "noise")})
    found = drivers(rows, linear(visits=-0.5, absence=2.0, noise=0.0))
    assert [(row["predictor"], row["more_goes_with"]) for row in found] == [
        ("absence", "leaving"), ("visits", "coming back"), ("noise", "both"),
    ]  # fmt: skip
    assert sum(row["share"] for row in found) == pytest.approx(1.0)
    assert found[0]["strength"] == pytest.approx(2.0 * rows["absence"].abs().mean(), rel=0.05)
    assert {row["grade"] for row in found} == {"D"}


def test_no_users_have_no_drivers_and_a_value_that_nobody_knows_has_no_side() -> None:
    model = linear(visits=-0.5, absence=2.0)
    assert drivers(pl.DataFrame({"visits": [], "absence": []}, schema_overrides={"visits": pl.Float64}), model) == []
    rows = pl.DataFrame(
        {"visits": [None, None, None], "absence": [1.0, 2.0, 3.0]}, schema_overrides={"visits": pl.Float64}
    )
    assert {row["predictor"]: row["more_goes_with"] for row in drivers(rows, model)}["visits"] == "both"


def test_an_effect_is_linked_where_it_is_shown_and_is_more_than_an_association() -> None:
    found = [{"predictor": "error_rate_28d"}, {"predictor": "features_per_day_28d"}, {"predictor": "tenure_days"}]
    shown = effects(
        ("meeting_errors", "churned", 0.05, 0.02, 0.08, "C"),
        ("meeting_errors", "churned", 0.02, 0.01, 0.03, "C"),
        ("meeting_errors", "retained_7d", 0.9, 0.8, 1.0, "C"),
        ("adopting", "churned", 0.3, -0.1, 0.7, "C"),
        ("adopting", "churned", 0.3, 0.1, 0.5, "D"),
    )
    linked = {row["predictor"]: (row["effect_grade"], row["effect"]) for row in with_effects(found, shown)}
    assert linked == {
        "error_rate_28d": ("C", "said of 0.05"), "features_per_day_28d": (None, None), "tenure_days": (None, None),
    }  # fmt: skip
