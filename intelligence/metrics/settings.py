"""The section `health` of product.yaml."""

from pydantic import Field

from intelligence.core.sections import Rate, Section


class Health(Section):
    """The rules by which a feature counts as degraded, and by which it recovers."""

    minimum_events: int = Field(50, ge=1)
    minimum_harmed_users: int = Field(3, ge=1)
    fast_burn: float = Field(2.0, gt=0)
    slow_burn: float = Field(1.0, gt=0)
    warning_share: Rate = 0.5
    recovery_days: int = Field(2, ge=1)
    stale_after_days: int = Field(7, ge=1)
    adopted_reach: Rate = 0.02
    replaced_below: Rate = 0.2
