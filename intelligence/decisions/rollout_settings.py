"""The section `rollouts` of product.yaml: which flags are raised step by step, and what each step has to show first."""

from typing import Annotated, Final

from pydantic import Field, field_validator

from intelligence.core.sections import Section
from intelligence.experiments.settings import MetricUse, Name
from intelligence.metrics.registry import METRICS

PERCENT: Final = 100
Percent = Annotated[float, Field(gt=0, le=PERCENT)]
STEPS: Final = (5.0, 25.0, 50.0, 100.0)
# Their values are known on the day itself, and come from sums of units.
MEASURED_KINDS: Final = ("mean", "ratio", "proportion")


def default_guardrails() -> tuple[MetricUse, ...]:
    """Return the guardrails of a rollout that declares none."""
    return (
        MetricUse(metric="feature_error_rate", role="guardrail", margin=0.005, scale="absolute"),
        MetricUse(metric="crash_free_user_rate", role="guardrail", margin=0.01),
    )


class Rollout(Section):
    """A guarded rollout: a flag is raised step by step, and each step is an experiment against those who do not have it yet.

    Attributes:
        flag: Key of the flag.
        name: The value of the column `experiment` in events; None for the key of the flag. The column `variant` has the names of
            the flag's variants.
        feature: The feature that the flag shows; None for the one whose `flag_key` it is.
        steps: Shares of all users in per cent, each larger than the one before, the last 100.
        dwell_days: Whole days that each step lasts at least.
        minimum_units: Units per variant that each step needs.
        guardrails: The metrics that must not become worse by more than their margin.
        alpha: Chance in (0, 1) for each guardrail and step that its interval ever misses the effect.
    """

    flag: str = Field(min_length=1)
    name: Name | None = None
    feature: str | None = Field(None, min_length=1)
    steps: tuple[Percent, ...] = Field(STEPS, min_length=1)
    dwell_days: int = Field(2, ge=1)
    minimum_units: int = Field(100, ge=10)
    guardrails: tuple[MetricUse, ...] = Field(default_factory=default_guardrails, min_length=1)
    alpha: float = Field(0.05, gt=0, le=0.5)

    @field_validator("steps")
    @classmethod
    def _rise_to_everybody(cls, steps: tuple[float, ...]) -> tuple[float, ...]:
        written = ", ".join(f"{step:g}" for step in steps)
        if list(steps) != sorted(set(steps)):
            raise ValueError(f"are {written}: each has to be larger than the one before")
        if steps[-1] != PERCENT:
            raise ValueError(f"are {written}: the last has to be 100, so that everybody has the feature in the end")
        if any(abs(10 * step - round(10 * step)) > 1e-9 for step in steps):
            raise ValueError(f"are {written}: a tenth of a per cent is the smallest part that a flag can tell apart")
        return steps

    @field_validator("guardrails")
    @classmethod
    def _guard(cls, guardrails: tuple[MetricUse, ...]) -> tuple[MetricUse, ...]:
        names = [each.metric for each in guardrails]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"name the metric {', '.join(repeated)} more than once")
        for use in guardrails:
            if METRICS[use.metric].kind not in MEASURED_KINDS:
                raise ValueError(f"name `{use.metric}`, a {METRICS[use.metric].kind}, which is not known on the day")
            if use.margin <= 0:
                raise ValueError(
                    f"give `{use.metric}` no margin above 0: no number of users shows that nothing changed"
                )
        return tuple(each.model_copy(update={"role": "guardrail"}) for each in guardrails)

    @property
    def experiment(self) -> str:
        """Return the name of the rollout in events."""
        return self.name or self.flag

    @property
    def shares(self) -> tuple[float, ...]:
        """Return the steps as shares of all users.

        >>> Rollout(flag="quiz").shares
        (0.05, 0.25, 0.5, 1.0)
        """
        return tuple(round(step / PERCENT, 6) for step in self.steps)

    def share_after(self, share: float) -> float | None:
        """Return the share of the step after `share`; None where everybody has the feature.

        >>> Rollout(flag="quiz").share_after(0.25)
        0.5
        """
        return next((each for each in self.shares if each > share + 1e-9), None)
