"""A day beside the sound days before it, and what a fault of measurement is: shared by all checks of measurement."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from intelligence.telemetry.measured import DayMeasured, Part, Sums, added, by_feature

LOOK_BACK_DAYS: Final = 21
LEAST_DAYS: Final = 5
NEARLY_ALL: Final = 0.8
LEAST_FEATURES: Final = 3
LEAST_EVENTS: Final = 30

Sound = Callable[[str, date], bool]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of measurement, in words.

    `subject` names what is in doubt and stays the same while the fault lasts: it is what `telemetry: accepted_changes` names.
    `column` is the only column at fault; None where the whole day is in doubt.
    """

    subject: str
    words: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Base:
    """The sound days before, for one subject."""

    days: Sequence[DayMeasured]
    dates: Sequence[date]

    def knows_weekday(self, day: date) -> bool:
        """Return whether two of the days have the weekday of `day`: one alone does not show what is usual on it."""
        return sum(when.weekday() == day.weekday() for when in self.dates) >= 2

    def like(self, day: date) -> Sequence[DayMeasured]:
        """Return those of the days that have the weekday of `day`, or else, where they are fewer than two, all."""
        same = [each for when, each in zip(self.dates, self.days, strict=True) if when.weekday() == day.weekday()]
        return same if len(same) >= 2 else self.days

    def of(self, part: Part, name: str) -> Sums:
        """Return the part's own sums of those days, or else its platform's, or else everybody's."""
        own = [day.sums[part] for day in self.days if part in day.sums]
        found = added(own)
        if len(own) >= 3 and found[name] >= LEAST_EVENTS:
            return found
        platform = [sums for day in self.days for other, sums in day.sums.items() if other[:2] == part[:2]]
        found = added(platform)
        if found[name] >= LEAST_EVENTS:
            return found
        return added(sums for day in self.days for sums in day.sums.values())

    def by_feature(self, parts: Iterable[Part]) -> dict[str, Sums]:
        """Return the sums of each feature, of these parts where they are known, or else of their platforms."""
        chosen = set(parts)
        known = [part for part in chosen if sum(part in day.sums for day in self.days) >= 3]
        if len(known) < len(chosen):
            platforms = {part[:2] for part in chosen}
            found = by_feature(self.days, lambda part: part[:2] in platforms)
            return found or by_feature(self.days, lambda _: True)
        return by_feature(self.days, chosen.__contains__)


@dataclass(frozen=True, slots=True)
class Look:
    """One day beside the sound ones before it."""

    day: date
    today: DayMeasured
    measured: Mapping[date, DayMeasured]
    sound: Sound

    def base(self, subject: str) -> Base | None:
        """Return the days by which the subject is assessed; None where they are too few."""
        dates = [self.day - timedelta(days=back) for back in range(1, LOOK_BACK_DAYS + 1)]
        dates = [each for each in dates if each in self.measured and self.sound(subject, each)]
        return Base([self.measured[each] for each in dates], dates) if len(dates) >= LEAST_DAYS else None

    def parts(self, name: str, least: float = LEAST_EVENTS) -> list[Part]:
        """Return the parts with enough values in the column today."""
        return [part for part, sums in self.today.sums.items() if sums[name] >= least]


def is_in_nearly_all(
    look: Look,
    base: Base,
    parts: Sequence[Part],
    is_hit: Callable[[Sums, Sums], bool],
    name: str,
    least: float,
) -> tuple[int, int] | None:
    """Return how many of how many features with enough values are hit; None where it is not nearly all of at least three."""
    now, then = by_feature([look.today], set(parts).__contains__), base.by_feature(parts)
    known = [feature for feature in now if now[feature][name] >= least and feature in then and then[feature][name]]
    hit = sum(is_hit(now[feature], then[feature]) for feature in known)
    return (hit, len(known)) if len(known) >= LEAST_FEATURES and hit >= NEARLY_ALL * len(known) else None
