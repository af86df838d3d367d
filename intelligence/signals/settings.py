"""The section `signals` of product.yaml."""

from datetime import date
from typing import Self

from pydantic import Field, model_validator

from intelligence.core.sections import Section


class KnownDays(Section):
    """Days on which something unusual is expected: a holiday, a planned outage, a known incident."""

    first: date
    last: date | None = None
    reason: str = Field(min_length=1)
    everything: bool = False

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.last and self.last < self.first:
            raise ValueError(f"ends on {self.last}, before it begins on {self.first}")
        return self

    @property
    def until(self) -> date:
        """Return the last day."""
        return self.last or self.first


class Signals(Section):
    """How often a false alarm may come, how much history is needed, and what is left out or known."""

    false_alarms_per_week: float = Field(1.0, gt=0, le=100)
    minimum_history_days: int = Field(28, ge=14, le=180)
    leave_out: tuple[str, ...] = ()
    known_days: tuple[KnownDays, ...] = ()

    @model_validator(mode="after")
    def _leaves_out_metrics(self) -> Self:
        from intelligence.signals.metrics import METRIC_NAMES

        unknown = sorted(set(self.leave_out) - set(METRIC_NAMES))
        if unknown:
            raise ValueError(
                f"leaves out {', '.join(unknown)}, which is no metric; there are {', '.join(METRIC_NAMES)}"
            )
        return self
