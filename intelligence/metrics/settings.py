"""The sections `health`, `retention` and `funnels` of product.yaml."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import Field, StringConstraints, model_validator

from intelligence.core.sections import Rate, Section

LONGEST_AGE: Final = 366
MOST_STEPS: Final = 12
LONGEST_WINDOW_DAYS: Final = 90
_HOURS_PER_DAY: Final = 24

Age = Annotated[int, Field(ge=1, le=LONGEST_AGE)]
Bracket = tuple[Age, Age]
Dimension = Literal["segment", "platform", "app_version"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


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


class Retention(Section):
    """The ages at which users of a cohort are looked at, in days and in calendar weeks since the first use.

    Attributes:
        days: Ages in days for N-day and rolling retention.
        weeks: Ages in weeks for the same.
        day_brackets: First and last age in days of each bracket.
        week_brackets: First and last age in weeks of each bracket.
    """

    days: tuple[Age, ...] = (1, 3, 7, 14, 28, 56)
    weeks: tuple[Age, ...] = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
    day_brackets: tuple[Bracket, ...] = ((1, 7), (8, 14), (15, 28), (29, 56))
    week_brackets: tuple[Bracket, ...] = ((1, 4), (5, 8), (9, 12))

    @model_validator(mode="after")
    def _ages_are_in_order(self) -> "Retention":
        for name in ("days", "weeks"):
            ages = getattr(self, name)
            if list(ages) != sorted(set(ages)):
                raise ValueError(f"has `{name}` that are not in ascending order: {', '.join(map(str, ages))}")
        for name in ("day_brackets", "week_brackets"):
            brackets = getattr(self, name)
            wrong = [f"{first} to {last}" for first, last in brackets if last < first]
            if wrong:
                raise ValueError(f"has a bracket in `{name}` that ends before it begins: {', '.join(wrong)}")
            if len(set(brackets)) < len(brackets):
                raise ValueError(f"names a bracket in `{name}` more than once")
        return self


class FunnelStep(Section):
    """A step of a funnel: an event of this type, on this feature; either may be left out, which means any.

    Attributes:
        event_type: Type of the event.
        feature: Feature of the event.
        name: What the step is called; by default its type and feature.
    """

    event_type: Name | None = None
    feature: Name | None = None
    name: Name | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "FunnelStep":
        if self.event_type is None and self.feature is None:
            raise ValueError("is a step of any event: give it an `event_type`, a `feature` or both")
        return self

    @property
    def shown(self) -> str:
        """Return what the step is called.

        >>> FunnelStep(event_type="complete", feature="quiz").shown
        'complete quiz'
        """
        return self.name or " ".join(filter(None, (self.event_type, self.feature)))


class Funnel(Section):
    """Steps that users are meant to take one after the other, within a window that begins with the first of them.

    Attributes:
        name: Name of the funnel.
        steps: Its steps, in order.
        hours: Length of the window in hours; either this or `days`.
        days: Length of the window in days of 24 hours.
        order: `strict`: each step after the one before it, whatever else happens between. `any`: the steps in whatever order; the
            first one that is taken begins the window.
        breakdown: By what the users are told apart, as they were at the entry.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,79}$")
    steps: tuple[FunnelStep, ...] = Field(min_length=2, max_length=MOST_STEPS)
    hours: int | None = Field(None, ge=1, le=LONGEST_WINDOW_DAYS * _HOURS_PER_DAY)
    days: int | None = Field(None, ge=1, le=LONGEST_WINDOW_DAYS)
    order: Literal["strict", "any"] = "strict"
    breakdown: tuple[Dimension, ...] = ("segment", "platform", "app_version")

    @model_validator(mode="after")
    def _has_one_window(self) -> "Funnel":
        if (self.hours is None) == (self.days is None):
            raise ValueError(f"`{self.name}` needs its window in either `hours` or `days`, and not in both")
        return self

    @model_validator(mode="after")
    def _steps_and_breakdowns_differ(self) -> "Funnel":
        repeated: list[str] = sorted({each for each in self.breakdown if self.breakdown.count(each) > 1})
        if repeated:
            raise ValueError(f"`{self.name}` breaks down by {', '.join(repeated)} more than once")
        asked = [(each.event_type, each.feature) for each in self.steps]
        if self.order == "any" and len(set(asked)) < len(asked):
            raise ValueError(f"`{self.name}` has the same step twice, which cannot be told apart in any order")
        names = [each.shown for each in self.steps]
        repeated = sorted({each for each in names if names.count(each) > 1})
        if repeated:
            raise ValueError(f"`{self.name}` has two steps called {', '.join(repeated)}; give each a `name` of its own")
        return self

    @property
    def window(self) -> timedelta:
        """Return the length of the window."""
        return timedelta(hours=self.hours or 0, days=self.days or 0)

    def days_open(self, *, of_equal_length: bool) -> int:
        """Return the number of days after the day of entry until every window that began on it is over.

        Args:
            of_equal_length: Whether all days have 24 hours; where clocks change, a day may have an hour less.

        >>> steps = ({"event_type": "view"}, {"event_type": "buy"})
        >>> Funnel(name="buying", steps=steps, hours=24).days_open(of_equal_length=True)
        1
        """
        hours = self.window // timedelta(hours=1) + (0 if of_equal_length else 1)
        return -(-hours // _HOURS_PER_DAY)

    def step_name(self, position: int) -> str:
        """Return what the step at a position, counted from 1, is called: in any order it is a number of steps.

        >>> steps = ({"event_type": "view"}, {"event_type": "buy"})
        >>> Funnel(name="buying", steps=steps, days=1, order="any").step_name(2)
        'any 2 of 2'
        """
        return self.steps[position - 1].shown if self.order == "strict" else f"any {position} of {len(self.steps)}"


def retention_parameters(rules: Retention) -> dict[str, list[dict[str, Any]]]:
    """Return the definitions of retention as a parameter of the queries, with their grain and their first and last age.

    The size of a cohort is the number of its users at age 0, which is one of the definitions.

    Args:
        rules: The ages that are looked at.
    """
    found = [
        definition
        for grain, ages, brackets in (
            ("day", rules.days, rules.day_brackets),
            ("week", rules.weeks, rules.week_brackets),
        )
        for definition in (
            *((grain, "n_day" if grain == "day" else "n_week", age, age) for age in (0, *ages)),
            *((grain, "rolling", age, None) for age in ages),
            *((grain, "bracket", first, last) for first, last in brackets),
        )
    ]
    names = ("number", "grain", "definition", "first_age", "last_age")
    return {"definitions": [dict(zip(names, (number, *each), strict=True)) for number, each in enumerate(found)]}


def funnel_parameters(funnels: Sequence[Funnel], *, of_equal_length: bool) -> dict[str, Any]:
    """Return the funnels and their steps as parameters of the queries.

    Args:
        funnels: The funnels, at least one.
        of_equal_length: Whether all days have 24 hours.
    """
    days_open = {each.name: each.days_open(of_equal_length=of_equal_length) for each in funnels}
    return {
        "longest_days": max(days_open.values()),
        "funnels": [
            {
                "funnel": each.name,
                "in_order": each.order == "strict",
                "window_us": each.window // timedelta(microseconds=1),
                "days_open": days_open[each.name],
                **{f"by_{dimension}": dimension in each.breakdown for dimension in get_args(Dimension)},
            }
            for each in funnels
        ],
        "steps": [
            {
                "funnel": each.name,
                "step": position,
                "step_name": each.step_name(position),
                "event_type": step.event_type,
                "feature": step.feature,
            }
            for each in funnels
            for position, step in enumerate(each.steps, start=1)
        ],
        "breakdowns": [
            {"funnel": each.name, "dimension": dimension} for each in funnels for dimension in ("all", *each.breakdown)
        ],
    }


def repeated_names(funnels: Iterable[Funnel]) -> list[str]:
    """Return the names that more than one funnel has, sorted."""
    names = [each.name for each in funnels]
    return sorted({name for name in names if names.count(name) > 1})
