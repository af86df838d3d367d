"""The settings of a feature in product.yaml."""

from typing import Literal

from pydantic import Field

from intelligence.core.sections import Rate, Section


class Promises(Section):
    """The service level objectives of a feature (its promises), its owner, its importance and its flag."""

    owner: str = "unowned"
    lifecycle: Literal["beta", "live", "sunset"] = "live"
    tier: int = Field(2, ge=0, le=3)
    flag_key: str | None = None
    max_error_rate: Rate = 0.02
    max_crash_rate: Rate = 0.01
    slow_latency_ms: float = Field(3_000, gt=0)
    max_slow_rate: Rate = 0.05
    max_bad_rating_rate: Rate = 0.4

    def flag_of(self, feature: str) -> str | None:
        """Return the key of the feature's flag, in which `{feature}` is replaced by the feature's name with dashes; None without one.

        >>> Promises(flag_key="app.{feature}").flag_of("quiz_autosave")
        'app.quiz-autosave'
        """
        return self.flag_key.replace("{feature}", feature.replace("_", "-")) if self.flag_key else None
