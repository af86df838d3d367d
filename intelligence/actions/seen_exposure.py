"""Whether a flag change is visible in the telemetry: did the users who should lose a feature stop using it?

That the flag serves the variant that was written is checked at once, through OpenFeature. Whether the application evaluates
the flag at all is visible only in what its users do afterwards.
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
# A smaller fall cannot be distinguished from the variation between days of the week.
LEAST_FALL: Final = 0.2
# Half of the promised fall separates the expected change from no change.
SHARE_OF_FALL: Final = 0.5
# Two-sided 99 % interval.
Z: Final = 2.576
_A_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SeenExposure:
    """Whether a flag change is visible in the telemetry, with the numbers behind it.

    Attributes:
        verdict: The answer in a word.
        reason: The answer in a sentence.
        promised: The ratio that the flag change should lead to.
        day: Day that was compared with the week before the decision.
        share_before: Share of active users who used the feature on a mean day of that week.
        share_after: Share of active users who used the feature on `day`.
        ratio: `share_after` divided by `share_before`.
        ratio_low: Lower bound of the interval of the ratio.
        ratio_high: Upper bound of the interval of the ratio.
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
    """Return the fraction of former users of the feature to whom it is still served after the change; None if unknown.

    It is None for a hold, which affects nobody; for a flag whose safe variant is a reduced form of the feature, since that is
    used as well; and for a throttle where it is not known how many were served before.

    Args:
        document: The flags after the change.
        flag: The flag that was changed.
        kind: Kind of action on the flag.
        step: The share of all users who lost the feature where it was throttled.
        former: The flag's rule before the change, as returned by `former_rule`.

    Raises:
        ActionError: The document has no such flag, or it is not known which variant has the feature.
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
    """Return the first day that lies wholly after a moment.

    Args:
        moment: A moment in UTC.
        made: For simulated products, when each day was created (UTC), whatever its date: the result is then the day after
            the last one that was created by the moment.
        timezone: Time zone of the days.

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
    """Return whether the use of a feature fell as the flag change promised, from the first whole day after the change on.

    The share of the product's active users who use the feature is compared with the week up to the decision. The mean day of
    that week counts as one day: the same people return, so that seven days are not seven times the evidence. The interval of
    the ratio is Wilson's score interval (1927) of a binomial proportion, users after among users before and after, each
    expected in proportion to the active users (comparison of two Poisson rates, Przyborowski and Wilenski 1940).

    The first sound day after the change that gives an answer counts: a Sunday may be inconclusive where a Monday is not.

    The verdict is *not seen* only where less than `share_of_fall` of the promised fall happened, both for the whole interval
    and compared with the day of the week before on which the feature was used most, so that neither chance nor the day of
    the week is the reason. It is *seen* where more than that fell, for the whole interval.

    Args:
        days: One row per day from a week before `decided_on`: event_date, users (of the feature), active (users of the
            product) and is_sound; days that are not sound are ignored.
        decided_on: The day whose evidence was acted on, the last of the week before.
        since: The first day that lies wholly after the change.
        promised: Fraction of former users to whom the feature should still be served; 0 where it should be gone.
        least_users: Least number of users on a mean day before that gives an answer.
        least_fall: Least promised fall, as a fraction, that gives an answer.
        share_of_fall: Fraction of the promised fall that separates *seen* from *not seen*.
        z: Half the width of the interval in standard errors.

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
    """Return the interval of the ratio of two Poisson rates: Wilson's score interval (1927) of the binomial proportion.

    Args:
        after: Count after the change.
        before: Count before the change.
        exposed: Exposure after the change divided by the exposure before.
        z: Half the width of the interval in standard errors.

    Returns:
        Lower and upper bound; (0, inf) where both counts are 0.

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
