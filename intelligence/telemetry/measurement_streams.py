"""Faults of a whole day: failures everywhere, parts without events, mixed-up users or times, repeated events, renamed features."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Final

import numpy as np

from intelligence.telemetry.measured import DayMeasured, Floats, Part, Sums, added, in_words
from intelligence.telemetry.measurement_base import (
    LEAST_EVENTS,
    LEAST_FEATURES,
    NEARLY_ALL,
    Base,
    Fault,
    Look,
    is_in_nearly_all,
)

LEAST_DISTANCE: Final = 0.2
LEAST_OWN_DAYS: Final = 3
STUCK: Final = 0.995
SILENT: Final = 0.01
LEAST_RISE: Final = 0.02
LEAST_HOURLY_RISE: Final = 0.15
LEAST_EXPECTED: Final = 40.0
REPEATS_DAYS: Final = 8
LATELY_DAYS: Final = 5
RELEASE: Final = 2
LEAST_USERS: Final = 20
LEAST_LESS: Final = 0.67
LEAST_MORE: Final = 1.6
_EVENTS, _FAILED, _CRASHES = range(3)


def failures(look: Look) -> Iterator[Fault]:
    """Yield failures in nearly all features at once: a flag that is stuck at 1, or either an outage or a fault."""
    for name, flag, row in (("error_count", "failed", _FAILED), ("crashed", "crashes", _CRASHES)):
        base = look.base(name)
        if base is None:
            continue
        parts = look.parts(name)
        hit = [part for part in parts if _fails(look, part, base.of(part, name), name, flag, row)]
        pooled = added(look.today.sums[part] for part in hit)
        usual = added(base.of(part, name) for part in hit).share(flag, name)
        rise = pooled.share(flag, name) - usual

        def follows(now: Sums, then: Sums, name: str = name, flag: str = flag, rise: float = rise) -> bool:
            more = now.share(flag, name) - then.share(flag, name)
            return now[flag] >= 2 and more >= max(0.25 * rise, 0.005)

        found = rise > 0 and is_in_nearly_all(look, base, hit, follows, name, 6 / max(rise, 1e-9))
        if found:
            yield _failing(look, base, hit, parts, name, usual, found, row)


def _fails(look: Look, part: Part, before: Sums, name: str, flag: str, row: int) -> bool:
    now, usual = look.today.sums[part], before.share(flag, name)
    hours = look.today.by_hour([part])
    hourly = (hours[_EVENTS] >= 15) & (hours[row] >= (usual + LEAST_HOURLY_RISE) * hours[_EVENTS])
    is_risen = now.share(flag, name) >= usual + LEAST_RISE and now.share(flag, name) >= 2 * usual
    return now[flag] >= 3 and (is_risen or bool(hourly.any()))


def _failing(
    look: Look,
    base: Base,
    hit: list[Part],
    parts: list[Part],
    name: str,
    usual: float,
    found: tuple[int, int],
    row: int,
) -> Fault:
    hours = look.today.by_hour(hit)
    rates = hours[row] / np.maximum(hours[_EVENTS], 1)
    busy = hours[_EVENTS] >= 5
    peak = float(rates[busy].max(initial=0.0))
    bad = np.flatnonzero(busy & (rates >= usual + (peak - usual) / 2))
    first, last = (int(bad[0]), int(bad[-1])) if bad.size else (0, 23)
    during = hours[:, first : last + 1].sum(axis=1)
    rate = during[row] / max(during[_EVENTS], 1)
    where = in_words(hit, parts)
    counted = f"{rate:.0%} of the events{where} in {found[0]} of {found[1]} features ({usual:.2%} are usual)"
    signs = _signs_of_outage(look, base, hit, first, last)
    when = "all day" if last - first >= 20 else f"from {first:02}:00 to {last + 1:02}:00 UTC"
    if rate >= STUCK and not signs:
        return Fault(name, f"{name} is set in {counted}, and everything else is as always: stuck?", name)
    speaks = (
        f"for an outage speaks that {' and '.join(signs)}"
        if signs
        else "nothing else changed, as in a fault of measurement"
    )
    return Fault(
        "failures",
        f"nearly everything fails {when}: {counted}. Either an outage or a fault of measurement, look now: {speaks}",
    )


def _signs_of_outage(look: Look, base: Base, hit: list[Part], first: int, last: int) -> list[str]:
    """Return the signs of a real outage that show: fewer conversions, fewer events, more crashes."""
    now = added(look.today.sums[part] for part in hit)
    then = added(base.of(part, "events") for part in hit)
    found = []
    usual = then.share("conversions", "events")
    expected = usual * now["events"]
    if expected >= 20 and now["conversions"] < 0.8 * expected:
        found.append(f"{1 - now['conversions'] / expected:.0%} fewer conversions came of the events")
    profile = np.median([day.by_hour(day.sums)[_EVENTS] for day in base.like(look.day)], axis=0)
    hours = look.today.by_hour(look.today.sums)[_EVENTS]
    outside = np.ones(24, dtype=bool)
    outside[first : last + 1] = False
    scale = hours[outside].sum() / profile[outside].sum() if profile[outside].sum() >= LEAST_EXPECTED else 1.0
    during = float(profile[first : last + 1].sum() * scale)
    if during >= LEAST_EXPECTED and hours[first : last + 1].sum() < 0.75 * during:
        found.append(f"{1 - hours[first : last + 1].sum() / during:.0%} fewer events came meanwhile")
    crashes, crashed = then.share("crashes", "crashed"), now.share("crashes", "crashed")
    if 0.5 > crashed >= max(3 * crashes, crashes + 0.005):
        found.append(f"{crashed:.1%} of the events crashed")
    return found


def silent(look: Look) -> Iterator[Fault]:
    """Yield sources, platforms, regions and releases without events, while the others have as many as usual."""
    known = look.base("volume")
    for place, kind in ((0, "source"), (1, "platform"), (2, "release")):
        names = {part[place] for day in known.days for part in day.sums if part[place]} if known else set()
        for name in sorted(str(each) for each in names):
            base = look.base(f"{kind} {name}")
            if base is None:
                continue
            mine = _counts(look, base, partial(_events_of, place=place, name=name), lately=place == RELEASE)
            # Includes the events of outsize users, which only the identities count.
            sent = sum(each.events for part, each in look.today.identities.items() if part[place] == name)
            is_silent = sent <= SILENT * mine.usual and _is_silent(look, base, mine)
            if is_silent and (place < RELEASE or _has_no_successor(look, base, name, mine.usual)):
                yield Fault(f"{kind} {name}", f"no event of {kind} {name}, where {mine.usual:,.0f} are usual")
    for name in sorted({region for day in known.days for region in day.regions} if known else ()):
        base = look.base(f"region {name}")
        if base is None:
            continue
        mine = _counts(look, base, partial(_events_from, region=name))
        if _is_silent(look, base, mine):
            yield Fault(f"region {name}", f"no event of region {name}, where {mine.usual:,.0f} are usual")


@dataclass(frozen=True, slots=True)
class _Counts:
    """Number of events on the day and on each day before, and the usual number on such a weekday."""

    now: float
    before: list[float]
    usual: float


def _counts(look: Look, base: Base, of: Callable[[DayMeasured], float], *, lately: bool = False) -> _Counts:
    """Return the counts; with `lately` those of the last LATELY_DAYS days alone, for parts that come and go like releases."""
    if lately:
        before = [of(day) for day in base.days[:LATELY_DAYS]]
        return _Counts(of(look.today), before, float(np.median(before)))
    before = [of(day) for day in base.days]
    same = [count for when, count in zip(base.dates, before, strict=True) if when.weekday() == look.day.weekday()]
    return _Counts(of(look.today), before, float(np.median(same if len(same) >= 2 else before)))


def _events_of(day: DayMeasured, place: int, name: str) -> float:
    return sum(sums["events"] for part, sums in day.sums.items() if part[place] == name)


def _events_from(day: DayMeasured, region: str) -> float:
    return day.regions.get(region, 0.0)


def _is_silent(look: Look, base: Base, mine: _Counts) -> bool:
    everybody = _counts(look, base, lambda day: day.events)
    others, usual = everybody.now - mine.now, everybody.usual - mine.usual
    came_daily = min(mine.before) >= 10 and mine.usual >= LEAST_EXPECTED
    return came_daily and mine.now <= SILENT * mine.usual and others >= 0.5 * usual and others >= LEAST_EVENTS


def _has_no_successor(look: Look, base: Base, release: str, usual: float) -> bool:
    """Return whether no other release of its platforms took over the events of the release."""
    platforms = {part[:2] for day in base.days[:LATELY_DAYS] for part in day.sums if part.release == release}

    def everything(day: DayMeasured) -> float:
        return sum(sums["events"] for part, sums in day.sums.items() if part[:2] in platforms)

    def others(day: DayMeasured) -> float:
        return everything(day) - _events_of(day, RELEASE, release)

    rest = _counts(look, base, others, lately=True)
    # The last days were other weekdays.
    weekday = _counts(look, base, everything).usual / max(_counts(look, base, everything, lately=True).usual, 1)
    return usual >= 0.2 * (usual + rest.usual) and rest.now < min(weekday, 1) * (rest.usual + 0.4 * usual)


def identities(look: Look) -> Iterator[Fault]:
    """Yield ids of users or sessions that are nearly the same, or all different, in all events or those of some parts."""
    for name, count in (("user_id", "users"), ("session_id", "sessions")):
        base = look.base(name)
        if base is None:
            continue
        parts = [part for part, each in look.today.identities.items() if each.events >= 60]
        together, apart = [], []
        for part in parts:
            now = look.today.identities[part]
            usual = _usual_share(base, part, count)
            share = getattr(now, count) / now.events
            if usual is None or not getattr(now, count):
                continue
            if share < usual / 6 and usual * now.events >= 20:
                together.append(part)
            if share > 0.7 and usual < 0.4:
                apart.append(part)
        if together:
            yield Fault(name, f"{name}{in_words(together, parts)} is nearly the same in all events")
        elif apart:
            yield Fault(name, f"{name}{in_words(apart, parts)} is another one in each event")


def _usual_share(base: Base, part: Part, count: str) -> float | None:
    def share(of: Callable[[Part], bool]) -> float | None:
        found = [each for day in base.days for other, each in day.identities.items() if of(other) and each.events >= 30]
        events = sum(each.events for each in found)
        return sum(getattr(each, count) for each in found) / events if len(found) >= 3 else None

    own = share(lambda other: other == part)
    return own if own is not None else share(lambda other: other[:2] == part[:2]) or share(lambda _: True)


# Share of different times among the events of an ordinary day, from which clocks are fine enough to draw conclusions.
FINE_CLOCK: Final = 0.9
# In standard errors of the count of moments: a product has thousands of days and parts, so smaller ones are chance.
STRAYS: Final = 4.0


def _least_moments(expected: float, share: float) -> float:
    """Return the number of different times below which there are too few, given the sampling error of counting a fourth."""
    return expected * min(share, 1 - STRAYS * float(np.sqrt(3 / max(expected, 1))))


def moments(look: Look) -> Iterator[Fault]:
    """Yield times that many events share, as when events are stamped with the time at which they were loaded."""
    base = look.base("event_time")
    if base is None:
        return
    parts = [part for part, each in look.today.identities.items() if each.events >= 60]
    usual = {part: _usual_share(base, part, "moments") or 0.0 for part in parts}
    now = {part: look.today.identities[part] for part in parts}
    expected = {part: usual[part] * now[part].events for part in parts}
    hit = [
        part
        for part in parts
        if expected[part] >= 30 and usual[part] >= 0.5 and now[part].moments < _least_moments(expected[part], 0.5)
    ]
    # The total is estimated more exactly than each part. With coarse clocks events often share a moment, and then a larger
    # volume alone lowers the share of different moments.
    together = sum(expected.values())
    if (
        not hit
        and together >= 300
        and together >= FINE_CLOCK * sum(each.events for each in now.values())
        and sum(each.moments for each in now.values()) < _least_moments(together, 0.75)
    ):
        hit = parts
    if hit:
        yield Fault("event_time", f"many events{in_words(hit, parts)} have one and the same time: stamped when loaded?")


def repeated(look: Look) -> Iterator[Fault]:
    """Yield events that were sent twice on the day, or on an earlier day too, under other ids."""
    base, now = look.base("repeated events"), look.today.prints
    if base is None or len(now.timed) < 20:
        return
    twice = now.repeats - max(day.prints.repeats for day in base.days)
    if twice >= 0.1:
        yield Fault("repeated events", f"about {twice:.0%} of the events repeat others under different ids")
        return
    for name in ("timed", "measured"):
        overlap, when = _overlap(look, look.day, name)
        if overlap >= 0.1 and overlap >= 0.1 + max(_overlap(look, day, name)[0] for day in base.dates):
            yield Fault("repeated events", f"{overlap:.0%} of the events came on {when} already, under other ids")
            return


def _overlap(look: Look, day: date, name: str) -> tuple[float, date | None]:
    """Return the largest share of the day's fingerprints that a day of the week before has as well, and that day."""
    mine = getattr(look.measured[day].prints, name)
    best: tuple[float, date | None] = (0.0, None)
    for back in range(1, REPEATS_DAYS):
        other = look.measured.get(day - timedelta(days=back))
        theirs = getattr(other.prints, name) if other else mine[:0]
        if not len(mine) or not len(theirs):
            continue
        # Two sets of least hashes are comparable only up to the smaller one of their greatest hashes.
        seen = mine[: np.searchsorted(mine, min(mine[-1], theirs[-1]), side="right")]
        share = float(np.isin(seen, theirs).mean()) if len(seen) >= 20 else 0.0
        best = max(best, (share, day - timedelta(days=back)), key=lambda each: each[0])
    return best


def _uses_of(day: DayMeasured, name: str) -> float:
    return day.features.get(name, 0.0)


def volume(look: Look) -> Iterator[Fault]:
    """Yield a change of sampling: as many users as usual, but more or fewer events by the same factor in nearly all features."""
    base, now = look.base("volume"), look.today.prints
    # On some weekdays as many users come as on others and do half as much.
    if base is None or now.users < LEAST_USERS or not base.knows_weekday(look.day):
        return
    every, users = _counts(look, base, lambda day: day.events), _counts(look, base, lambda day: day.prints.users)
    each = _counts(look, base, lambda day: day.prints.events / max(day.prints.users, 1))
    ratios = (every.now / max(every.usual, 1), each.now / max(each.usual, 1e-9))
    is_changed = max(ratios) <= LEAST_LESS or min(ratios) >= LEAST_MORE
    if not is_changed or not 0.75 <= users.now / max(users.usual, 1) <= 1.33:
        return
    features = sorted({name for day in base.days for name in day.features})
    counts = [_counts(look, base, partial(_uses_of, name=name)) for name in features]
    known = [each for each in counts if each.usual >= 20]
    factors = [each.now / each.usual for each in known]
    middle = float(np.median(factors)) if factors else 0.0
    alike = sum(0.6 * middle <= factor <= 1.6 * middle for factor in factors)
    # More events of one feature alone, as from one client, are no change of sampling.
    is_everywhere = middle <= LEAST_LESS if max(ratios) <= LEAST_LESS else middle >= LEAST_MORE
    if is_everywhere and len(known) >= LEAST_FEATURES and alike >= NEARLY_ALL * len(known):
        words = f"{middle:.1f} times the usual events of as many users, in {alike} of {len(known)} features"
        yield Fault("volume", f"{words}: sampled otherwise?")


def names(look: Look) -> Iterator[Fault]:
    """Yield features that were all renamed, or whose names were swapped: the same shares of events under other names."""
    base = look.base("feature")
    if base is None or look.today.events < 100:
        return
    # New features grow, so the last days are the best reference.
    week = base.days[:LATELY_DAYS]
    now, total = _shares_of_features(look.today), sum(day.events for day in week)
    then: dict[str, float] = {}
    for day in week:
        for name, events in day.features.items():
            then[name] = then.get(name, 0.0) + events / total
    moved, strayed = _distance(now, then), max(_distance(_shares_of_features(day), then) for day in week)
    if min(len(now), len(then)) < 3 or moved < 1.4 * strayed:
        return
    new = sum(share for name, share in now.items() if name not in then)
    if new >= 0.7:
        yield Fault("feature", f"{new:.0%} of the events are of features that nobody knew before: renamed?")
        return
    gone = sum(share for name, share in then.items() if name not in now)
    same = _distance(_by_rank(now), _by_rank(then)) if max(new, gone) <= 0.02 else 1.0
    large = {name: share for name, share in then.items() if share >= 0.02}
    changed = sum(not 0.75 <= now.get(name, 0.0) / share <= 1.33 for name, share in large.items())
    is_large = moved >= 0.25 and same <= min(0.6 * moved, 0.15) and changed >= 0.6 * len(large)
    # Swapping features of similar use changes shares little; it shows where shares hardly vary from day to day.
    is_clear = moved >= max(0.1, 4 * strayed) and same <= 0.25 * moved and changed >= max(3, 0.5 * len(large))
    if is_large or is_clear:
        yield Fault("feature", f"{changed} of {len(large)} features have the use of others: names mixed up?")


def _shares_of_features(day: DayMeasured) -> dict[str, float]:
    return {name: events / day.events for name, events in day.features.items()}


def _by_rank(shares: Mapping[str, float]) -> dict[str, float]:
    return {str(rank): share for rank, share in enumerate(sorted(shares.values(), reverse=True))}


def _distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    return sum(abs(one.get(name, 0.0) - other.get(name, 0.0)) for name in {*one, *other}) / 2


def clock(look: Look) -> Iterator[Fault]:
    """Yield parts whose daily profile is shifted by two hours or more."""
    base = look.base("event_time")
    if base is None:
        return
    platforms = sorted({part[:2] for part in look.today.sums}, key=str)
    parts = [part for part in look.today.sums if look.today.sums[part]["events"] >= 300]
    hit = {part: shift for part in parts if (shift := _shift_h(look, base, [part], part))}
    everything = _shift_h(look, base, list(look.today.sums), None) if look.today.events >= 300 else 0
    if everything:
        yield Fault("event_time", f"the whole day lies {abs(everything)} hours {_side(everything)} of what is usual")
    elif hit and platforms:
        shift = next(iter(hit.values()))
        yield Fault(
            "event_time", f"events{in_words(hit, parts)} lie {abs(shift)} hours {_side(shift)} of what is usual"
        )


def _side(shift: int) -> str:
    return "ahead" if shift < 0 else "behind"


def _shift_h(look: Look, base: Base, parts: list[Part], part: Part | None) -> int:
    """Return by how many hours the events are later than usual; 0 where they are not, or where that is uncertain."""
    chosen = set(parts)
    own = [day for day in base.days if part is None or part in day.sums]
    if len(own) < LEAST_OWN_DAYS:
        own = list(base.days)

    def hours(day: DayMeasured) -> Floats:
        if part is None:
            everybody: Floats = day.by_hour(day.sums)[_EVENTS]
            return everybody
        mine = [each for each in day.sums if each in chosen] or [each for each in day.sums if each[:2] == part[:2]]
        found: Floats = day.by_hour(mine)[_EVENTS]
        return found

    before = [found for found in map(hours, own) if found.sum() >= 100]
    if len(before) < 5:
        return 0
    usual: Floats = sum(before, np.zeros(24))
    usual = usual / usual.sum()
    now = look.today.by_hour(parts)[_EVENTS]
    now = now / now.sum()
    if np.abs(now - usual).sum() / 2 < LEAST_DISTANCE:
        return 0
    distances = [float(np.abs(np.roll(now, -shift) - usual).sum() / 2) for shift in range(24)]
    best = int(np.argmin(distances))
    strayed = max(float(np.abs(each / each.sum() - usual).sum() / 2) for each in before)
    if distances[0] < 1.4 * strayed or distances[best] > 0.5 * distances[0] or best in (0, 1, 23):
        return 0
    return best if best <= 12 else best - 24
