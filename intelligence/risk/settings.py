"""The section `risk` of product.yaml."""

from typing import Literal, TypeVar

from pydantic import Field, model_validator

from intelligence.core.sections import Rate, Section

Buckets = TypeVar("Buckets", "Risk", "Churn")


def _with_rising_buckets(section: Buckets) -> Buckets:
    if section.high <= section.medium:
        raise ValueError(f"calls a risk of {section.high} high but {section.medium} only medium; `high` must be above")
    return section


class Churn(Section):
    """Which users are scored, those active in the last `window_days`, and what is predicted: no visit for `horizon_days`."""

    window_days: int = Field(14, ge=1, le=28)
    horizon_days: int = Field(14, ge=1, le=90)
    medium: Rate = 0.3
    high: Rate = 0.6

    @model_validator(mode="after")
    def _high_is_above_medium(self) -> "Churn":
        return _with_rising_buckets(self)


class Risk(Section):
    """The horizons of the risk models, the probabilities of the risk buckets, how models are trained, promoted and trained again.

    With `neural_network` one more candidate takes part in every training; it needs the extra `deep`.
    """

    horizon_days: int = Field(7, ge=1, le=60)
    capacity: Rate = 0.05
    medium: Rate = 0.1
    high: Rate = 0.3
    promotion: Literal["auto", "manual"] = "auto"
    retrain_after_days: int = Field(28, ge=1)
    neural_network: bool = False
    churn: Churn = Churn()

    @model_validator(mode="after")
    def _high_is_above_medium(self) -> "Risk":
        return _with_rising_buckets(self)
