"""The planted experiments of a cycle: what each does to whom, and the marks that it leaves on events."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from intelligence.simulation.draws import Bools, Floats, Ints, generator
from intelligence.simulation.plan import DAYS_PER_CYCLE

VARIANTS: Final = ("control", "treatment", None)
EXPERIMENT_DAYS: Final = 28
ONBOARDING_LIFT: Final = 0.12

_TREATMENT, _NONE = VARIANTS.index("treatment"), VARIANTS.index(None)
# Upper bounds of control and treatment among 100 equal parts of the users; the others are in no variant.
_PARTS: Final = 100
_BOUNDS: Final = (40, 80)
# Earliest first days in a cycle of those that fade, harm, lose marks and begin late; each begins up to four days later.
_FIRST_DAYS: Final = (22, 16, 34, 70)


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment on one feature, with a fixed variant per user; days are indices counted from 0 on the plan's first day.

    Attributes:
        name: Name of the experiment.
        feature: Position in `Catalogue` of the feature that is tested.
        first: First day.
        last: Last day.
        lift: Relative lift of completions per event of the feature in the treatment, on the first day where it fades.
        fades_over_days: Days from the first day until nothing of the lift is left; 0 where it does not fade.
        added_error_rate: Share of the treatment's events on the feature that fail because of the treatment.
        unmarked_share: Share of the treatment's users whose events never carry the experiment; for them nothing changes.
    """

    name: str
    feature: int
    first: int
    last: int
    lift: float = 0.0
    fades_over_days: int = 0
    added_error_rate: float = 0.0
    unmarked_share: float = 0.0

    def lift_on(self, index: int) -> float:
        """Return the relative lift of completions on the day `index`.

        >>> test = Experiment("celebrations", 3, first=20, last=47, lift=0.3, fades_over_days=10)
        >>> [round(test.lift_on(index), 2) for index in (19, 20, 25, 30)]
        [0.0, 0.3, 0.15, 0.0]
        """
        if not self.first <= index <= self.last:
            return 0.0
        if not self.fades_over_days:
            return self.lift
        return self.lift * max(0.0, 1 - (index - self.first) / self.fades_over_days)

    @property
    def true_lift(self) -> float:
        """Return the relative lift of completions per event over all days of equal use; failures of the treatment lower it."""
        days = range(self.first, self.last + 1)
        kept = 1 - self.added_error_rate
        return round(sum((1 + self.lift_on(index)) * kept - 1 for index in days) / len(days), 4)

    def words(self, feature: str) -> str:
        """Return what the treatment does, in words; `feature` is the name of the tested feature."""
        if not self.lift:
            return f"an A/A test on {feature}, both variants are the same product"
        more = f"the treatment completes {feature} {self.lift:.0%} more often"
        if self.fades_over_days:
            return f"{more} at first and as often as ever after {self.fades_over_days} days, as what was new wears off"
        if self.added_error_rate:
            return f"{more} where it does not fail, and {self.added_error_rate:.1%} of its events fail because of it"
        if self.unmarked_share:
            return (
                f"{more}, and {self.unmarked_share:.0%} of its users never carry the mark: the arms are not comparable"
            )
        return more


def planted_experiments(
    features: Sequence[int], seed: int, cycle: int, *, onboarding: int, colour: int
) -> tuple[Experiment, ...]:
    """Return the experiments of a cycle, each on a feature of its own; where features are too few, the last are left out.

    One begins late and goes on into the next cycle. All others end within their own.

    Args:
        features: Positions in `Catalogue` of sound features, that with the most completions first.
        seed: Seed of the plan.
        cycle: Number of the cycle, counted from 0.
        onboarding: First day of `onboarding_checklist`.
        colour: First day of `button_colour`.
    """
    draw = generator(seed, "experiments", cycle)
    fading, harming, unmarked, late = (cycle * DAYS_PER_CYCLE + int(draw.integers(day, day + 5)) for day in _FIRST_DAYS)
    planned = (
        Experiment("onboarding_checklist", 0, onboarding, 0, lift=ONBOARDING_LIFT),
        Experiment("celebrations", 0, fading, 0, lift=0.3, fades_over_days=10),
        Experiment("eager_loading", 0, harming, 0, lift=0.14, added_error_rate=0.018),
        Experiment("button_colour", 0, colour, 0),
        Experiment("new_editor", 0, unmarked, 0, lift=0.15, unmarked_share=0.15),
        Experiment("weekly_digest", 0, late, 0, lift=0.05),
    )
    suffix = f"_{cycle + 1}" if cycle else ""
    return tuple(
        replace(test, name=f"{test.name}{suffix}", feature=feature, last=test.first + EXPERIMENT_DAYS - 1)
        for test, feature in zip(planned, features, strict=False)
    )


def variants(seed: int, test: Experiment, users: int) -> Ints:
    """Return each user's position in `VARIANTS`: 40 % control, 40 % treatment, by a hash of experiment and user.

    Users of the treatment whose mark is lost are in no variant.

    Args:
        seed: Seed of the users' plan.
        test: The experiment.
        users: Number of users.
    """
    found = np.searchsorted(_BOUNDS, _parts(seed, f"experiment {test.name}", users), side="right").astype(np.int64)
    if test.unmarked_share:
        lost = _parts(seed, f"lost marks of {test.name}", users) < round(test.unmarked_share * _PARTS)
        found[lost & (found == _TREATMENT)] = _NONE
    return found


def _parts(seed: int, subject: str, users: int) -> Ints:
    salt = generator(seed, subject).integers(0, 2**63, dtype=np.uint64)
    mixed = (np.arange(users, dtype=np.uint64) + salt) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return ((mixed ^ (mixed >> np.uint64(31))) % np.uint64(_PARTS)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Marks:
    """The experiments and variants that the events of a day carry; each array has one element per event.

    Attributes:
        tests: The experiments that run on the day.
        test: Position in `tests`; their number where an event carries no experiment.
        variant: Position in `VARIANTS`.
    """

    tests: tuple[Experiment, ...]
    test: Ints
    variant: Ints

    @property
    def is_treated(self) -> Bools:
        """Return for each event whether it carries the treatment of an experiment."""
        found: Bools = self.variant == _TREATMENT
        return found

    def lift(self, index: int) -> Floats:
        """Return the relative lift of completions for each event on the day `index`."""
        return self._of_treated([test.lift_on(index) for test in self.tests])

    def added_error_rate(self) -> Floats:
        """Return for each event the probability with which the treatment makes it fail."""
        return self._of_treated([test.added_error_rate for test in self.tests])

    def _of_treated(self, values: list[float]) -> Floats:
        found: Floats = np.where(self.is_treated, np.array([*values, 0.0])[self.test], 0.0)
        return found


def marks(seed: int, tests: tuple[Experiment, ...], *, users: int, user: Ints, feature: Ints) -> Marks:
    """Return the marks of a day's events: an event on the feature of an experiment carries it and the user's variant.

    Args:
        seed: Seed of the users' plan.
        tests: The experiments that run on the day, on different features.
        users: Number of users.
        user: For each event the number of its user, from 0 up.
        feature: For each event the position of its feature in `Catalogue`.
    """
    test, variant = np.full(len(user), len(tests), dtype=np.int64), np.full(len(user), _NONE, dtype=np.int64)
    for position, each in enumerate(tests):
        theirs = np.where(feature == each.feature, variants(seed, each, users)[user], _NONE)
        test[theirs != _NONE] = position
        variant[theirs != _NONE] = theirs[theirs != _NONE]
    return Marks(tests, test, variant)
