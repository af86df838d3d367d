"""Whether a changed flag shows in the telemetry: did those who were to lose a feature stop using it?

That a flag serves what was written is read back at once, through OpenFeature. Whether the application asks the flag at
all is seen only in what its users do afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import inf, sqrt
from typing import Any, Final, Literal

import polars as pl

from intelligence.actions.action import Kind
from intelligence.actions.flags import Document, exposure, off_variant, restored_document
from intelligence.telemetry.local_time import UTC_NAME, local_date

Verdict = Literal["seen", "not seen", "too early", "not enough evidence"]

BASELINE_DAYS: Final = 7
LEAST_BASELINE_DAYS: Final = 3
WAITED_DAYS: Final = 7
LEAST_USERS: Final = 20
# A smaller fall than this cannot be told from one day of the week to the next.
LEAST_FALL: Final = 0.2
# Half of the promised fall is the border between what was to happen and nothing.
SHARE_OF_FALL: Final = 0.5
# 99 % on both sides.
Z: Final = 2.576
_A_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SeenExposure:
    """The verdict in a word and in a sentence, and its numbers.

    `ratio` is the share of active users who used the feature on `day`, over the share of a usual day before the change,
    with its interval; `promised` is what it was to be.
    """

    verdict: Verdict
    reason: str
    promised: float
    day: date | None = None
    share_before: float | None = None
    share_after: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None


def still_served(document: Document, flag: str, *, kind: Kind, step: float, former: Mapping[str, Any]) -> float | None:
    """Return which part of those who were served the feature are served it after the change; None claims nothing.

    Nothing is claimed of a hold, which moves nobody; of a flag whose safe variant is a lesser form of the feature, since
    that is used as well; and of a throttle where nobody can tell how many were served before.

    Args:
        document: The flags after the change.
        flag: The flag that was changed.
        kind: What was done to it.
        step: The share of all users who lost the feature where it was throttled.
        former: The flag's rule before the change, as `former_rule` tells it.

    Raises:
        ActionError: The document has no such flag, or nothing says which of its variants is which.
    """
    if kind not in (Kind.ROLLBACK, Kind.THROTTLE) or off_variant(document, flag) is None:
        return None
    before = exposure(restored_document(document, flag, former, action_id=""), flag)
    if before == 0:
        return None
    if kind is Kind.ROLLBACK:
        return 0.0
    return None if before is None else max(0.0, 1 - step / before)


def first_day_after(moment: datetime, made: Mapping[date, datetime] | None = None, *, timezone: str = UTC_NAME) -> date:
    """Return the first day in the zone that lies wholly after the moment.

    With `made` days happen when they are made, whatever their dates: the first one after all that were made by then.

    >>> first_day_after(datetime(2026, 7, 20, 9, 30))
    datetime.date(2026, 7, 21)
    >>> first_day_after(datetime(2026, 9, 1), {date(2026, 7, 20): datetime(2026, 8, 31)})
    datetime.date(2026, 7, 21)
    """
    if made is not None:
        return max((day for day, at in made.items() if at <= moment), default=date.min) + _A_DAY
    return local_date(moment, timezone) + _A_DAY


def seen_exposure(
    days: pl.DataFrame,
    *,
    decided_on: date,
    since: date,
    promised: float,
    least_users: float = LEAST_USERS,
    least_fall: float = LEAST_FALL,
    share_of_fall: float = SHARE_OF_FALL,
    z: float = Z,
) -> SeenExposure:
    """Return whether the use of a feature fell as its changed flag promised, from the first whole day after the change on.

    The share of the product's active users who use the feature is held against the week up to the decision, whose mean
    day counts as one day: the same people come back, so that seven days are no sevenfold evidence. The ratio of the two
    has Wilson's score interval (1927) of a binomial draw, users after among users before and after, each expected in
    proportion to the active users (two Poisson rates, Przyborowski and Wilenski 1940).

    The first sound day of that week that gives an answer counts: a Sunday may leave open what a Monday tells.

    *Not seen* is only said where less than `share_of_fall` of the promised fall happened, for the whole interval as well
    as against the day of the week before on which the feature was used most: neither chance nor the day of the week is
    a reason. *Seen* is said where more than that fell, for the whole interval.

    Args:
        days: event_date, users of the feature, active users of the product, and is_sound, of the days since a week
            before `decided_on`; days that are not sound are not looked at.
        decided_on: The day whose evidence was acted on, the last of the week before.
        since: The first day that lies wholly after the change.
        promised: Which part of those who were served are to be served still; 0 where the feature is to be gone.
        least_users: On a mean day before; fewer tell nothing.
        least_fall: A smaller promised fall cannot be told from nothing.
        share_of_fall: How much of the promised fall divides seen from not seen.
        z: Width of the interval in standard errors.

    >>> week = [(date(2026, 7, n), 300, 1_000, True) for n in range(14, 21)]
    >>> schema = ["event_date", "users", "active", "is_sound"]
    >>> days = pl.DataFrame([*week, (date(2026, 7, 22), 290, 1_000, True)], schema=schema, orient="row")
    >>> seen_exposure(days, decided_on=date(2026, 7, 20), since=date(2026, 7, 22), promised=0.0).verdict
    'not seen'
    """
    sound = days.filter("is_sound", pl.col("active") > 0).sort("event_date")
    before = sound.filter(pl.col("event_date").is_between(decided_on - (BASELINE_DAYS - 1) * _A_DAY, decided_on))
    after = sound.filter(
        pl.col("event_date").is_between(max(since, decided_on + _A_DAY), since + (WAITED_DAYS - 1) * _A_DAY)
    )
    if after.is_empty():
        return SeenExposure("too early", f"No sound day is over since {since}.", promised)
    if 1 - promised < least_fall:
        return SeenExposure("not enough evidence", "It was to fall by too little to be told.", promised)
    if before.height < LEAST_BASELINE_DAYS or before["users"].sum() < max(1, least_users * before.height):
        reason = f"The week before has too few sound days, or fewer than {least_users:g} users a day."
        return SeenExposure("not enough evidence", reason, promised)
    found = [
        _compared(before, day, promised=promised, share_of_fall=share_of_fall, z=z)
        for day in after.iter_rows(named=True)
    ]
    return next((each for each in found if each.verdict != "not enough evidence"), found[-1])


def _compared(
    before: pl.DataFrame, after: Mapping[str, Any], *, promised: float, share_of_fall: float, z: float
) -> SeenExposure:
    users, active = (float(before[name].sum()) / before.height for name in ("users", "active"))
    share, share_after = users / active, after["users"] / after["active"]
    busiest = max(each["users"] / each["active"] for each in before.iter_rows(named=True))
    low, high = ratio_interval(after["users"], users, exposed=after["active"] / active, z=z)
    border = 1 - share_of_fall * (1 - promised)
    verdict: Verdict = "not enough evidence"
    if low > border and share_after > border * busiest:
        verdict = "not seen"
    elif high < border:
        verdict = "seen"
    reason = (
        f"{share_after:.1%} of active users used it on {after['event_date']}, {share:.1%} on a usual day before:"
        f" {share_after / share:.0%} of that, where {promised:.0%} was promised."
    )
    ratio = share_after / share
    return SeenExposure(verdict, reason, promised, after["event_date"], share, share_after, ratio, low, high)


def ratio_interval(after: float, before: float, *, exposed: float, z: float = Z) -> tuple[float, float]:
    """Return the interval of the ratio of two rates from their counts; `exposed` is how much more could happen after.

    >>> low, high = ratio_interval(50, 100, exposed=1.0)
    >>> round(low, 2), round(high, 2)
    (0.32, 0.78)
    """
    whole = after + before
    if whole <= 0:
        return 0.0, inf
    part, square = after / whole, z * z / whole
    middle, reach = part + square / 2, z * sqrt(part * (1 - part) / whole + square / (4 * whole))
    low, high = ((middle + sign * reach) / (1 + square) for sign in (-1, 1))
    odds = [max(0.0, bound) / (1 - bound) if bound < 1 else inf for bound in (low, high)]
    return odds[0] / exposed, odds[1] / exposed
