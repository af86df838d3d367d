"""The first and last day of a product's telemetry: days far from all others come from a wrong clock and are set aside.

An event dated by a reset clock is a valid event, but its day is not one of the product's days. Such days are set aside:
no table is built for them, and they are included again as soon as later deliveries show that they were real.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from statistics import median
from typing import Final

# In days; no look-back window of the platform is longer.
LONGEST_GAP: Final = 28
# In days; a single real day may lie so far before the rest, and an earlier stretch needs more days to be accepted.
PLAUSIBLE_GAP: Final = 400
LEAST_DAYS: Final = 7
LEAST_DENSITY: Final = 0.2
# A stretch whose days have less than this share of the usual users, or events, is not the product's.
THIN: Final = 0.2
# So many users are not one device with a wrong clock.
LEAST_USERS: Final = 3
# The latest stretch with at least this share of the largest stretch's user days is the product's main stretch.
BODY_SHARE: Final = 0.1


# The last days of a stretch, from which its usual number of events and users is estimated.
COUNTED_DAYS: Final = 28


@dataclass(frozen=True, slots=True)
class DayCount:
    """The number of events and of different users on one day."""

    events: int
    users: int


@dataclass(frozen=True, slots=True)
class DaySetAside:
    """A day that does not belong to the product's days, and why."""

    day: date
    events: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Stretch:
    days: tuple[date, ...]
    events: float = 0
    users: float = 0
    most_users: int = 0

    @property
    def user_days(self) -> float:
        return self.users * len(self.days)


def has_gaps(days: Sequence[date]) -> bool:
    """Return whether any two consecutive days of the sorted sequence are more than LONGEST_GAP days apart."""
    return any((later - earlier).days > LONGEST_GAP for earlier, later in pairwise(days))


def days_to_count(days: Sequence[date]) -> list[date]:
    """Return the days whose counts `days_set_aside` needs: the last COUNTED_DAYS of each stretch of the sorted days."""
    return [day for stretch in _stretches(days) for day in stretch[-COUNTED_DAYS:]]


def days_set_aside(
    days: Sequence[date], counts: Mapping[date, DayCount], *, start: date | None = None, end: date | None = None
) -> list[DaySetAside]:
    """Return the days that are not days of the product, in order.

    Days are grouped into stretches without a gap of more than LONGEST_GAP days. The product's main stretch is the latest
    one of considerable size. From there outwards a stretch belongs to the product when its days have about as many users
    and events as usual, or when it is long and not the work of one or two users; a stretch that lies more than
    PLAUSIBLE_GAP days earlier must satisfy both.

    Args:
        days: The days with events, in any order.
        counts: Events and users of at least the days that `days_to_count` returns.
        start: The first day, where `product.yaml` declares it: every earlier stretch from it on then belongs.
        end: The last day, where `product.yaml` declares it.
    """
    inside = [day for day in sorted(days) if (not start or day >= start) and (not end or day <= end)]
    found = dict.fromkeys({*days} - {*inside}, "lies outside of `start` and `end` in product.yaml")
    stretches = [_measured(stretch, counts) for stretch in _stretches(inside)]
    if stretches:
        most = max(stretch.user_days for stretch in stretches)
        place = max(n for n, stretch in enumerate(stretches) if stretch.user_days >= BODY_SHARE * most)
        body, begins, ends = stretches[place], stretches[place].days[0], stretches[place].days[-1]
        for stretch in reversed(stretches[:place]):
            if start or _belongs(stretch, body, (begins - stretch.days[-1]).days, is_earlier=True):
                begins = stretch.days[0]
            else:
                found |= {day: f"lies {(begins - day).days:,} days before all others" for day in stretch.days}
        for stretch in stretches[place + 1 :]:
            if end or _belongs(stretch, body, (stretch.days[0] - ends).days, is_earlier=False):
                ends = stretch.days[-1]
            else:
                found |= {day: f"lies {(day - ends).days:,} days after all others" for day in stretch.days}
    return [DaySetAside(day, counts[day].events if day in counts else 0, found[day]) for day in sorted(found)]


def _stretches(days: Sequence[date]) -> list[list[date]]:
    stretches: list[list[date]] = []
    for day in days:
        if stretches and (day - stretches[-1][-1]).days <= LONGEST_GAP:
            stretches[-1].append(day)
        else:
            stretches.append([day])
    return stretches


def _measured(days: Sequence[date], counts: Mapping[date, DayCount]) -> _Stretch:
    known = [counts[day] for day in days if day in counts]
    if not known:
        return _Stretch(tuple(days))
    return _Stretch(
        tuple(days),
        float(median([each.events for each in known])),
        float(median([each.users for each in known])),
        max(each.users for each in known),
    )


def _belongs(stretch: _Stretch, body: _Stretch, gap: int, *, is_earlier: bool) -> bool:
    is_thin = stretch.events < THIN * body.events or stretch.users < THIN * body.users
    extent = (stretch.days[-1] - stretch.days[0]).days + 1
    is_long = len(stretch.days) >= LEAST_DAYS and len(stretch.days) >= LEAST_DENSITY * extent
    is_one_device = stretch.most_users < LEAST_USERS <= body.most_users
    if is_earlier and gap > PLAUSIBLE_GAP:
        return is_long and not is_thin
    return not is_thin or (is_long and not is_one_device)


def set_aside_sentences(aside: Sequence[DaySetAside]) -> list[str]:
    """Return a sentence for the days set aside before, after and outside of the product's days, with the next step.

    >>> set_aside_sentences([DaySetAside(date(2001, 1, 1), 1, "lies 9,071 days before all others")])[0][:55]
    '1 event of 2001-01-01 lies 9,071 days before all others'
    """
    groups: dict[str, list[DaySetAside]] = {}
    for each in aside:
        side = next((word for word in ("before", "after") if f" {word} all others" in each.reason), "outside")
        groups.setdefault(side, []).append(each)
    return [_sentence(side, days) for side, days in groups.items()]


def _sentence(side: str, days: Sequence[DaySetAside]) -> str:
    events = sum(each.events for each in days)
    one = events == 1
    when = f"of {days[0].day}" if len(days) == 1 else f"on {len(days):,} days from {days[0].day} to {days[-1].day}"
    nearest = days[-1] if side == "before" else days[0]
    verb = nearest.reason if one else nearest.reason.replace("lies", "lie", 1)
    built = f"{'it is' if one else 'they are'} set aside, and no day is built for {'it' if one else 'them'}."
    settled = {
        "before": f" If {'it is' if one else 'they are'} real, write `start: {days[0].day}` in product.yaml; if not, a clock was wrong.",
        "after": f" If {'it is' if one else 'they are'} real, write `end: {days[-1].day}` in product.yaml; if not, a clock was wrong.",
        "outside": "",
    }[side]
    return f"{events:,} event{'' if one else 's'} {when} {verb}: {built}{settled}"
