"""What all checks of measurement share: a fault, and the comparison of a day with the sound days before it."""

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
    """A fault of measurement.

    Attributes:
        subject: What is in doubt; it stays the same while the fault lasts, and `telemetry: accepted_changes` names it.
        words: The fault in words.
        column: The only column at fault; None where the whole day is in doubt.
    """

    subject: str
    words: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Base:
    """The sound days before the assessed day, for one subject, the latest first."""

    days: Sequence[DayMeasured]
    dates: Sequence[date]

    def knows_weekday(self, day: date) -> bool:
        """Return whether at least two of the days have the weekday of `day`: one alone does not show what is usual on it."""
        return sum(when.weekday() == day.weekday() for when in self.dates) >= 2

    def like(self, day: date) -> Sequence[DayMeasured]:
        """Return the days that have the weekday of `day`; all days where fewer than two have it."""
        same = [each for when, each in zip(self.dates, self.days, strict=True) if when.weekday() == day.weekday()]
        return same if len(same) >= 2 else self.days

    def of(self, part: Part, name: str) -> Sums:
        """Return the part's own sums of those days; where they are too few, its platform's, and then those of all parts.

        Args:
            part: The part.
            name: The column, one of SUMS, of which at least LEAST_EVENTS values are needed.
        """
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
        """Return the sums by feature of these parts; where a part is known on too few days, of the parts' platforms."""
        chosen = set(parts)
        known = [part for part in chosen if sum(part in day.sums for day in self.days) >= 3]
        if len(known) < len(chosen):
            platforms = {part[:2] for part in chosen}
            found = by_feature(self.days, lambda part: part[:2] in platforms)
            return found or by_feature(self.days, lambda _: True)
        return by_feature(self.days, chosen.__contains__)


@dataclass(frozen=True, slots=True)
class Look:
    """One day, compared with the sound days before it.

    Attributes:
        day: The day to assess.
        today: What was measured on it.
        measured: What was measured on it and on the days before.
        sound: Returns whether an earlier day may serve as a reference for a fault subject.
    """

    day: date
    today: DayMeasured
    measured: Mapping[date, DayMeasured]
    sound: Sound

    def base(self, subject: str) -> Base | None:
        """Return the days with which the subject is compared; None where they are fewer than LEAST_DAYS."""
        dates = [self.day - timedelta(days=back) for back in range(1, LOOK_BACK_DAYS + 1)]
        dates = [each for each in dates if each in self.measured and self.sound(subject, each)]
        return Base([self.measured[each] for each in dates], dates) if len(dates) >= LEAST_DAYS else None

    def parts(self, name: str, least: float = LEAST_EVENTS) -> list[Part]:
        """Return the parts with enough values in a column today.

        Args:
            name: The column, one of SUMS.
            least: The least number of values.
        """
        return [part for part, sums in self.today.sums.items() if sums[name] >= least]


def is_in_nearly_all(
    look: Look,
    base: Base,
    parts: Sequence[Part],
    is_hit: Callable[[Sums, Sums], bool],
    name: str,
    least: float,
) -> tuple[int, int] | None:
    """Return the number of features that are hit and that were compared; None unless nearly all of at least three are hit.

    Args:
        look: The day and the days before it.
        base: The days to compare with.
        parts: The parts to which the comparison is limited.
        is_hit: Returns whether a feature is hit, from its sums today and its sums of the days before.
        name: The column, one of SUMS, whose values are counted.
        least: The least number of values of a feature today.
    """
    now, then = by_feature([look.today], set(parts).__contains__), base.by_feature(parts)
    known = [feature for feature in now if now[feature][name] >= least and feature in then and then[feature][name]]
    hit = sum(is_hit(now[feature], then[feature]) for feature in known)
    return (hit, len(known)) if len(known) >= LEAST_FEATURES and hit >= NEARLY_ALL * len(known) else None
