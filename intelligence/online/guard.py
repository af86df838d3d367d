"""The guard of the stream: which new release breaks a promise now, and whether the stream can be trusted to say so.

A release is compared with the older ones of its platform in the same minutes (a control, not a before and after), by events and by
people: what one client repeats is many events of one user. Whether anything is done, the policy decides by this evidence.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from intelligence.decisions.signs import above, more_often
from intelligence.online.settings import Guard
from intelligence.online.windows import MINUTE_MS, FeatureWindows, SeriesFigures

# How many times as often as the older releases a release must fail; the policy compares again with its own multiple.
_WORSE_BY: Final = 2.0
# The last whole minutes are compared with those before.
_RECENT, _BEFORE = 5, 30
_CLEARLY: Final = 4.0
_NOW: Final = 0.9


@dataclass(frozen=True, slots=True)
class Pulse:
    """What came in a minute of the stream.

    Attributes:
        users: Users with an event in that minute; one who sends many counts once.
        events: Events in that minute.
        out_of_time: Users with an event that came too late or bore a time that lay ahead, while this was the present.
    """

    users: int
    events: int
    out_of_time: int


_VERSION: Final = re.compile(r"v?(\d{1,18}(?:\.\d{1,18})*)(?![\d.])", re.ASCII)
_NOTHING: Final = Pulse(0, 0, 0)
# The share of the usual number of users that must have reached a minute before it is the present.
_REACHED: Final = 0.1


@dataclass(frozen=True, slots=True)
class Promise:
    """What a feature promises.

    Attributes:
        max_error_rate: Share of events that may have an error.
        max_crash_rate: Share of events that may end in a crash.
    """

    max_error_rate: float
    max_crash_rate: float


@dataclass(frozen=True, slots=True)
class Finding:
    """A new release that breaks a promise of a feature now, while the older ones do not fail as often.

    Attributes:
        feature: The feature.
        platform: The platform.
        release: The release.
        at_ms: Newest minute of the stream, in ms since 1970.
        objective: The promise that it breaks, `max_error_rate` or `max_crash_rate`.
        allowed: The share of events that may fail.
        bad: Events of the release that failed in the long window.
        control_bad: The same of the older releases.
        figures: The figures of the release in the long window.
        control: The figures of the older releases in the same window.
        burn: The least burn of both windows, as a multiple of what is allowed.
        sure: The confidence in the long window.
    """

    feature: str
    platform: str
    release: str
    at_ms: int
    objective: str
    allowed: float
    bad: int
    control_bad: int
    figures: SeriesFigures
    control: SeriesFigures
    burn: float
    sure: float

    @property
    def sentence(self) -> str:
        """Return the finding in words."""
        rest = f"{_rate(self.control_bad, self.control.events):.1%} of {self.control.events:,} of older releases"
        verb = "fail" if self.objective == "max_error_rate" else "crash"
        return (
            f"{_rate(self.bad, self.figures.events):.1%} of {self.figures.events:,} events {verb} on the stream, {rest},"
            f" {self.allowed:.1%} may"
        )


def present_minute(pulse: Mapping[int, Pulse]) -> int | None:
    """Return the newest minute that many users have reached, so that one fast clock does not move it; None before the first.

    Args:
        pulse: The last minutes of the stream, by minute since 1970.

    >>> present_minute({minute: Pulse(50, 100, 0) for minute in range(100)} | {107: Pulse(1, 1, 0)})
    99
    """
    users = [each.users for each in pulse.values()]
    # The usual number as a user meets it, on which minutes with hardly anybody do not tell.
    usual = sum(each * each for each in users) / max(sum(users), 1)
    return max(
        (minute for minute, each in pulse.items() if each.users and each.users >= _REACHED * usual), default=None
    )


def stream_fault(pulse: Mapping[int, Pulse], *, minute: int, now_ms: int | None, settings: Guard) -> str:
    """Return why the stream cannot be trusted now; empty where it can.

    Args:
        pulse: The last minutes of the stream, by minute since 1970; minutes without events may be absent.
        minute: The newest minute.
        now_ms: The present, in ms since 1970; None where the stream is a past day and its newest minute is the present.
        settings: The limits.

    >>> steady = {minute: Pulse(50, 100, 0) for minute in range(100)}
    >>> stream_fault(steady, minute=99, now_ms=None, settings=Guard())
    ''
    >>> stream_fault(steady, minute=99, now_ms=120 * MINUTE_MS, settings=Guard())
    'the newest event is 20 minutes old: the stream lags or is silent, or a clock is wrong'
    """
    behind = 0.0 if now_ms is None else now_ms / MINUTE_MS - (minute + 1)
    if behind > settings.most_behind_minutes:
        return f"the newest event is {behind:.0f} minutes old: the stream lags or is silent, or a clock is wrong"
    if behind < -settings.most_behind_minutes - 1:
        return f"the newest event lies {-behind:.0f} minutes ahead: a clock is wrong"
    begun = min((each for each, one in pulse.items() if one.events), default=minute)
    if minute - begun < settings.warming_minutes:
        return f"the stream is read for {minute - begun} minutes, of the {settings.warming_minutes} that it takes to judge it"
    recent = [pulse.get(minute - back, _NOTHING) for back in range(_RECENT + 1)]
    before = [
        pulse.get(each, _NOTHING).users for each in range(max(minute - _RECENT - _BEFORE, begun), minute - _RECENT)
    ]
    out, users = sum(each.out_of_time for each in recent), sum(each.users for each in recent)
    if out > settings.most_out_of_time * (out + users):
        return f"{out / (out + users):.0%} of the users a minute send events out of their time: clocks disagree"
    # The newest minute is not over yet.
    seen, usual = sum(each.users for each in recent[1:]), _RECENT * sum(before) / max(len(before), 1)
    if seen < settings.least_volume * usual and usual - seen > _CLEARLY * math.sqrt(usual):
        return (
            f"{seen / _RECENT:,.0f} users a minute were there in the last {_RECENT} minutes, where {usual / _RECENT:,.0f} are usual:"
            " a part of the producers is gone"
        )
    return ""


def findings(
    windows: FeatureWindows,
    *,
    minute: int,
    first_seen: Mapping[tuple[str, str], int],
    promises: Mapping[str, Promise],
    oldest_days: int,
    least_harmed: float,
    settings: Guard,
) -> list[Finding]:
    """Return the new releases that are bad now, by feature, platform and release.

    Both windows must show it, the short one less surely: a burn of the promise of at least `burn` times, that the promise is broken,
    and that the release fails more than twice as often as the older ones, by events and by the users whom it harmed. Each user counts
    as one independent observation, however many events it sends.

    Args:
        windows: The windows of features.
        minute: The newest minute of the stream, since 1970.
        first_seen: The first minute of each platform and release.
        promises: What each feature promises; those that are absent are not guarded.
        oldest_days: Greatest age of a release that counts as new.
        least_harmed: Least number of users harmed.
        settings: The limits.
    """
    at_ms = minute * MINUTE_MS
    names, totals = windows.totals(at_ms=at_ms, minutes=settings.long_minutes)
    began: dict[str, int] = {}
    for (platform, _), first in first_seen.items():
        began[platform] = min(first, began.get(platform, first))
    found = []
    for place, (feature, platform, release) in enumerate(names):
        events, errors, crashes, _ = totals[place]
        promise, since = promises.get(feature), first_seen.get((platform, release))
        # A release that was there when the stream began is not new; few events or failures settle most series at no cost.
        if promise is None or since is None or not release or max(errors, crashes) < least_harmed:
            continue
        is_new = since - began[platform] > settings.warming_minutes and minute - since < oldest_days * 24 * 60
        if not is_new or events < settings.least_users:
            continue
        older = [
            each
            for each in names
            if each[:2] == (feature, platform)
            and first_seen.get((platform, each[2]), minute) < since
            and not is_later(each[2], release)
        ]
        # Both sides begin with the release: what was before it is no control.
        lasts = minute - since + 1
        spans = min(settings.long_minutes, lasts), min(settings.short_minutes, lasts)
        one = _finding(windows, (feature, platform, release), older, at_ms, spans, promise, least_harmed, settings)
        found += [one] if one else []
    return sorted(found, key=lambda each: (each.feature, each.platform, each.release))


def is_later(release: str, other: str) -> bool:
    """Return whether a release has the greater version than another; False where one of them is no version, or they are equal.

    Args:
        release: The release.
        other: The other one.

    >>> is_later("1.10.0", "1.9"), is_later("v2.0-beta", "2.0.0"), is_later("spring", "1.0")
    (True, False, False)
    """
    found, least = _VERSION.match(release), _VERSION.match(other)
    if not found or not least:
        return False
    pairs = zip_longest(found[1].split("."), least[1].split("."), fillvalue="0")
    return next((int(one) > int(two) for one, two in pairs if int(one) != int(two)), False)


def _finding(
    windows: FeatureWindows,
    series: tuple[str, str, str],
    older: Iterable[tuple[str, str, str]],
    at_ms: int,
    spans: tuple[int, int],
    promise: Promise,
    least_harmed: float,
    settings: Guard,
) -> Finding | None:
    older = list(older)
    sides = [
        (windows.together([series], at_ms=at_ms, minutes=each), windows.together(older, at_ms=at_ms, minutes=each))
        for each in spans
    ]
    figures, control = sides[0]
    if min(figures.users, control.users) < settings.least_users or figures.harmed_users < least_harmed:
        return None
    judged = []
    for objective, kind in (("max_error_rate", "errors"), ("max_crash_rate", "crashes")):
        allowed = float(getattr(promise, objective))
        burns, sures = zip(*(_judged(one, other, kind, allowed) for one, other in sides), strict=True)
        judged.append((min(burns), *sures, objective, kind, allowed))
    burn, sure, now, objective, kind, allowed = max(judged)
    # The short window only has to show that it is so still.
    if burn < settings.burn or sure < settings.confidence or now < min(_NOW, settings.confidence):
        return None
    bad, control_bad = int(getattr(figures, kind)), int(getattr(control, kind))
    return Finding(*series, at_ms, objective, allowed, bad, control_bad, figures, control, burn, sure)


def _judged(one: SeriesFigures, other: SeriesFigures, kind: str, allowed: float) -> tuple[float, float]:
    """Return the burn of a release in a window, and how sure it is that it is bad."""
    share, rest = user_share(one, getattr(one, kind)), _rate(getattr(other, kind), other.events)
    users, others = independent(one), independent(other)
    harmed, usual = min(1.0, _rate(one.harmed_users, one.users)), min(1.0, _rate(other.harmed_users, other.users))
    sure = min(
        above(share, users, allowed),
        more_often(share, users, rest, others, _WORSE_BY),
        more_often(harmed, users, usual, others, 1.0),
    )
    return (share / allowed if allowed > 0 else math.inf if share > 0 else 0.0), sure


def user_share(figures: SeriesFigures, bad: int) -> float:
    """Return the share of bad events, which is no greater than the share of users whom any harmed.

    Args:
        figures: Figures of a window.
        bad: Number of bad events in it.
    """
    return min(_rate(bad, figures.events), _rate(figures.harmed_users, figures.users))


def independent(figures: SeriesFigures) -> float:
    """Return the number of independent observations: one for each user.

    Args:
        figures: Figures of a window.
    """
    return min(figures.users, float(figures.events))


def _rate(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
