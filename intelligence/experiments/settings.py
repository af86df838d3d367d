"""The section `experiments` of product.yaml: what is compared, on whom, for how long, and which differences matter."""

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from intelligence.core.errors import NotEnoughEvidence
from intelligence.core.sections import Section
from intelligence.metrics.registry import METRICS, Direction, Role

Design = Literal["group_sequential", "always_valid", "fixed"]
Scale = Literal["relative", "absolute"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
# What a control is called where nobody has declared the experiment.
CONTROLS: Final = ("control", "off", "baseline", "original", "false", "a")
SHARES_ADD_UP_WITHIN: Final = 1e-6
MOST_OUTCOME_DAYS: Final = 28
MOST_VARIANTS: Final = 12


class MetricUse(Section):
    """A metric in an experiment, and which differences of it matter.

    Attributes:
        metric: Name of the metric in the registry.
        role: `goal`, `guardrail` or `signal`; by default the role of the metric in the registry.
        direction: Which change is wanted; by default that of the registry.
        margin: Largest harm that is accepted of a guardrail.
        smallest_effect: Smallest change worth having of a goal.
        scale: Whether both are shares of the control's value (`relative`) or in the unit of the metric (`absolute`).
    """

    metric: str
    role: Role | None = None
    direction: Direction | None = None
    margin: float = Field(0, ge=0)
    smallest_effect: float = Field(0.01, gt=0)
    scale: Scale = "relative"

    @field_validator("metric")
    @classmethod
    def _is_in_the_registry(cls, name: str) -> str:
        if name not in METRICS:
            raise ValueError(f"names the metric `{name}`, which is not defined; there are {', '.join(METRICS)}")
        return name

    @property
    def actual_role(self) -> Role:
        """Return the role in this experiment."""
        return self.role or METRICS[self.metric].role


def default_metrics(*, of_feature: bool, of_answers: bool = False) -> tuple[MetricUse, ...]:
    """Return the metrics of an experiment that declares none.

    Args:
        of_feature: Whether the experiment is on a feature; else the goal is the conversion of the whole product.
        of_answers: Whether the answers of that feature show its variants: then their quality is the goal.
    """
    if of_feature and of_answers:
        return (
            MetricUse(metric="bad_answer_rate", role="goal", smallest_effect=0.1),
            MetricUse(metric="crash_free_user_rate", margin=0.01),
            *(
                MetricUse(metric=each, role="signal")
                for each in ("refusal_rate", "good_rating_rate", "active_days_per_unit")
            ),
        )
    own = ("feature_conversion_rate", "feature_error_rate") if of_feature else ("conversion_rate", "errors_per_event")
    signals = (*(("conversion_rate",) if of_feature else ()), "active_days_per_unit", "retention_7d")
    return (
        MetricUse(metric=own[0], role="goal"),
        MetricUse(metric=own[1], role="guardrail", margin=0.005, scale="absolute"),
        MetricUse(metric="crash_free_user_rate", margin=0.01),
        *(MetricUse(metric=each, role="signal") for each in signals),
    )


class Experiment(Section):
    """An experiment: who is shown what, and by which metrics it is decided.

    Attributes:
        name: The value of the column `experiment` in events.
        hypothesis: What is expected, in a sentence.
        owner: Who decides about it; None for the owner of the product.
        feature: The feature that the experiment is on, for metrics of that feature; None for the one whose events carry it.
        flag: Key of the flag that shows the variants.
        variants: Planned share of each variant, by the value of the column `variant` in events.
        control: The variant that the others are compared with.
        start: First day; None for the first day with an exposure.
        end: Last day of the planned horizon; None for the last planned look, or for an experiment without an end.
        looks: Planned days on which results may be acted on, in order; empty for each day.
        metrics: The metrics by which it is decided; where none is declared, those of `default_metrics`.
        alpha: Chance in (0, 1) of finding an effect where there is none, for all goals and variants together.
        power: Chance in (0, 1) of finding the smallest effect worth having, used for planning.
        design: How looking at results on many days is paid for; None for `group_sequential` with a planned horizon and
            `always_valid` without one.
        minimum_units: Units per variant below which nothing is concluded.
        minimum_days: Days below which nothing is shipped, so that each day of the week is covered.
        outcome_days: For how many days since its exposure a unit is observed; the same number of days before serves as its
            covariate. It is the same for all units, so that the day on which a unit came does not matter.
    """

    name: Name
    hypothesis: str = ""
    owner: str | None = Field(None, pattern=r"^(team:[\w-]+|[^@\s]+@[^@\s]+)$")
    feature: str | None = Field(None, min_length=1)
    flag: str | None = Field(None, min_length=1)
    variants: Mapping[Name, Annotated[float, Field(gt=0, lt=1)]] = Field(
        default_factory=lambda: {"control": 0.5, "treatment": 0.5}
    )
    control: str = "control"
    start: date | None = None
    end: date | None = None
    looks: tuple[date, ...] = ()
    metrics: tuple[MetricUse, ...] = Field(default_factory=lambda: default_metrics(of_feature=False), min_length=1)
    alpha: float = Field(0.05, gt=0, le=0.5)
    power: float = Field(0.8, ge=0.5, lt=1)
    design: Design | None = None
    minimum_units: int = Field(100, ge=10)
    minimum_days: int = Field(7, ge=1)
    outcome_days: int = Field(14, ge=1, le=MOST_OUTCOME_DAYS)

    @model_validator(mode="before")
    @classmethod
    def _metrics_are_those_of_its_feature(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("feature") and "metrics" not in data:
            return {**data, "metrics": default_metrics(of_feature=True)}
        return data

    @model_validator(mode="after")
    def _variants_are_complete(self) -> "Experiment":
        if len(self.variants) < 2:
            raise ValueError(f"`{self.name}` has {len(self.variants)} variant; an experiment compares at least two")
        if self.control not in self.variants:
            raise ValueError(
                f"`{self.name}` has the control `{self.control}`, which is none of its variants {', '.join(self.variants)}"
            )
        total = sum(self.variants.values())
        if abs(total - 1) > SHARES_ADD_UP_WITHIN:
            raise ValueError(f"`{self.name}` has shares that add up to {total:g}, and not to 1")
        return self

    @model_validator(mode="after")
    def _days_are_in_order(self) -> "Experiment":
        days = [each for each in (self.start, *self.looks) if each]
        if days != sorted(days) or len(set(self.looks)) < len(self.looks):
            raise ValueError(
                f"`{self.name}` has days out of order: {', '.join(map(str, days))}; write start and looks in order"
            )
        if self.end and days and self.end < days[-1]:
            raise ValueError(f"`{self.name}` ends on {self.end}, before {days[-1]}")
        if self.end and self.start is None:
            raise ValueError(f"`{self.name}` ends on {self.end} and has no `start`: its horizon is not known")
        if self.design in ("group_sequential", "fixed") and self.horizon is None:
            raise ValueError(f"`{self.name}` has the design `{self.design}`, which needs `start` and `end` or `looks`")
        return self

    @model_validator(mode="after")
    def _metrics_differ_and_one_decides(self) -> "Experiment":
        names = [each.metric for each in self.metrics]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"`{self.name}` names the metric {', '.join(repeated)} more than once")
        if not any(each.actual_role == "goal" for each in self.metrics):
            raise ValueError(f"`{self.name}` has no metric with the role `goal`, so that nothing could be shipped")
        return self

    @property
    def horizon(self) -> date | None:
        """Return the last planned day; None for an experiment without an end."""
        return (self.end or (self.looks[-1] if self.looks else None)) if self.start else None

    @property
    def actual_design(self) -> Design:
        """Return the design, by default the one that its horizon allows."""
        return self.design or ("group_sequential" if self.horizon else "always_valid")

    @property
    def treatments(self) -> tuple[str, ...]:
        """Return the variants that are compared with the control."""
        return tuple(name for name in self.variants if name != self.control)

    @property
    def planned_looks(self) -> tuple[date, ...]:
        """Return the days on which results may be acted on, up to the horizon; none without a horizon.

        >>> Experiment(name="x", start=date(2026, 5, 1), end=date(2026, 5, 3)).planned_looks[-1]
        datetime.date(2026, 5, 3)
        """
        if not self.start or not self.horizon:
            return ()
        if self.looks:
            return self.looks if self.looks[-1] == self.horizon else (*self.looks, self.horizon)
        return tuple(self.start + timedelta(days=n) for n in range((self.horizon - self.start).days + 1))


def undeclared_experiment(
    name: str, variants: Collection[str], *, feature: str | None = None, of_answers: bool = False
) -> Experiment:
    """Return an experiment that was found in the telemetry, with the defaults: equal shares, and no end.

    Args:
        name: Its name in the events.
        variants: The names of its variants in the events, at least two.
        feature: The feature whose events carry it; None where they are of several features.
        of_answers: Whether answers carry it.

    Raises:
        NotEnoughEvidence: There are fewer than two variants, or too many.

    >>> undeclared_experiment("checkout", ["on", "off"]).control
    'off'
    """
    known = sorted(variants)
    if len(known) < 2:
        raise NotEnoughEvidence(name, f"was seen with {len(known)} variant.", hint="Wait for units of another one.")
    if len(known) > MOST_VARIANTS:
        raise NotEnoughEvidence(
            name,
            f"was seen with {len(known)} variants, more than {MOST_VARIANTS}.",
            hint="Declare it, with the variants that count.",
        )
    by_lower = {each.lower(): each for each in reversed(known)}
    control = next((by_lower[each] for each in CONTROLS if each in by_lower), known[0])
    return Experiment(
        name=name,
        feature=feature,
        variants=dict.fromkeys(known, 1 / len(known)),
        control=control,
        metrics=default_metrics(of_feature=feature is not None, of_answers=of_answers),
    )
