"""Faults of one column: another unit, a stuck flag, a cap, a constant rating, a column emptied for one release."""

import math
import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import numpy as np

from intelligence.telemetry.measured import LEVELS, DayMeasured, Part, Sums, added, by_feature, in_words
from intelligence.telemetry.measurement_base import (
    LEAST_EVENTS,
    LEAST_FEATURES,
    NEARLY_ALL,
    Base,
    Fault,
    Look,
    is_in_nearly_all,
)

# A smaller factor in nearly all features is attributed to the product.
LEAST_FACTOR: Final = 5.0
UNITS: Final = (7, 10, 24, 60, 100, 1_000, 1_024, 1_440, 3_600, 10_000, 60_000, 86_400, 100_000, 1e6, 3.6e6, 1e9)
LEAST_VALUES: Final = 5
LEAST_FACTOR_OF_ALL: Final = 20.0
LEAST_STARS: Final = 1.0
SURE: Final = 20.0


def levels(look: Look) -> Iterator[Fault]:
    """Yield columns whose level changed by a large factor, or whose values became 0, in nearly all features at once."""
    for name in LEVELS:
        base = look.base(name)
        if base is None or sum(day.sums[part][name] for day in base.days for part in day.sums) < LEAST_EVENTS:
            continue
        parts = look.parts(name, LEAST_EVENTS if name != "value" else 1)
        stepped = [part for part in parts if _may_have_stepped(look.today.sums[part], base.of(part, name), name)]
        found = _step(look, base, stepped, name) if stepped else None
        if found:
            yield Fault(name, f"{name}{in_words(stepped, parts)} {found}", name)
            continue
        zero = [part for part in parts if _zeros(look.today.sums[part], base.of(part, name), name)]
        if zero and is_in_nearly_all(look, base, zero, partial(_zeros, name=name), name, 10):
            share = added(look.today.sums[part] for part in zero).share(f"{name}_zero", name)
            yield Fault(name, f"{name}{in_words(zero, parts)} is 0 in {share:.0%} of its values", name)


def _may_have_stepped(now: Sums, then: Sums, name: str) -> bool:
    shift = abs(now.log_mean(name) - then.log_mean(name))
    return shift >= math.log(2.5) or now.log_variance(name) >= 1.6 * then.log_variance(name) + 0.2


def _zeros(now: Sums, then: Sums, name: str) -> bool:
    zero = f"{name}_zero"
    return now.share(zero, name) >= max(0.05, 5 * then.share(zero, name))


def _step(look: Look, base: Base, parts: Sequence[Part], name: str) -> str | None:
    """Return in words by which factor nearly all features changed at once; None where they did not."""
    now, then = by_feature([look.today], set(parts).__contains__), base.by_feature(parts)
    known = [feature for feature in now if now[feature][name] >= 3 and feature in then and then[feature][name] >= 20]
    steps = [_size_of_step(now[feature], then[feature], name) for feature in known]
    sizes = [size for size, _ in steps]
    if len(known) < LEAST_FEATURES:
        return _step_of_all(added(now.values()), added(then.values())) if name == "value" else None
    middle = float(np.median(sizes))
    hit = [size for size in sizes if size * middle > 0 and abs(size) >= math.log(LEAST_FACTOR)]
    if len(hit) < NEARLY_ALL * len(known):
        return None
    factor, spread = math.exp(abs(middle)), float(np.median([abs(size - middle) for size in sizes]))
    share = float(np.median([share for _, share in steps]))
    unit = next((each for each in UNITS if abs(math.log(factor / each)) <= 0.15), None)
    words = f"{unit or round(factor):,.0f}"
    words = f"{words} times what it was" if middle > 0 else f"1/{words} of what it was"
    if share < 0.9:
        words = f"{words} in {share:.0%} of its values"
    guess = "a change of unit?" if unit and spread <= 0.35 else "measured in another way, or so for real?"
    return f"is {words}, in {len(hit)} of {len(known)} features: {guess}"


def _step_of_all(now: Sums, then: Sums) -> str | None:
    """Return the same for all features together, of a value that too few events have to compare features."""
    shift = now.log_mean("value") - then.log_mean("value")
    if now["value"] < LEAST_VALUES or abs(shift) < math.log(LEAST_FACTOR_OF_ALL):
        return None
    factor = f"{math.exp(abs(shift)):,.0f}"
    return f"is about {factor if shift > 0 else f'1/{factor}'} times what it was: another currency or unit?"


def _size_of_step(now: Sums, then: Sums, name: str) -> tuple[float, float]:
    """Return by how much (as a natural logarithm) the values changed, and the share of the values that changed.

    Method of moments for a mixture: where a share p of the values changes by d, the mean changes by p d and the variance
    grows by p (1 - p) d².
    """
    shift, more = now.log_mean(name) - then.log_mean(name), now.log_variance(name) - then.log_variance(name)
    if more < 1 or more < 2 * then.log_variance(name) or abs(shift) < 0.05:
        return shift, 1.0
    size = shift + more / shift
    return size, min(1.0, shift / size)


def precision(look: Look) -> Iterator[Fault]:
    """Yield measurements that used to have fractions and are whole numbers now, in nearly all features."""
    for name in ("latency_ms", "duration_s"):
        base, round_ = look.base(name), f"{name}_round"
        if base is None:
            continue
        parts = look.parts(name, 50)
        hit = [
            part
            for part in parts
            if look.today.sums[part][round_] == look.today.sums[part][name]
            and base.of(part, name).share(round_, name) <= 0.6
        ]
        if hit and is_in_nearly_all(look, base, hit, partial(_is_round, name=name), name, 5):
            yield Fault(name, f"{name}{in_words(hit, parts)} lost its fractions: cut to whole numbers", name)


def _is_round(now: Sums, _: Sums, name: str) -> bool:
    return now[f"{name}_round"] == now[name]


def caps(look: Look) -> Iterator[Fault]:
    """Yield measurements whose greatest value is the same in nearly all features, and lower than it used to be."""
    for name in LEVELS[:2]:
        now = look.today.tops[name]
        top, count = _most_common(now) if len(now) >= LEAST_FEATURES else (0.0, 0)
        base = look.base(name) if count >= max(NEARLY_ALL * len(now), 1) else None
        before = [day.tops[name] for day in base.days if day.tops[name]] if base else []
        if len(before) < LEAST_FEATURES:
            continue
        used_to_be_shared = float(np.median([_most_common(tops)[1] / len(tops) for tops in before]))
        if used_to_be_shared < 0.5 and top < 0.8 * float(np.median([max(tops) for tops in before])):
            yield Fault(name, f"no {name} is above {top:,g}, in {count} of {len(now)} features: cut at a cap", name)


def _most_common(values: Sequence[float]) -> tuple[float, int]:
    value = max(sorted(set(values)), key=values.count)
    return value, values.count(value)


def ratings(look: Look) -> Iterator[Fault]:
    """Yield ratings that are the same in all events, or that changed by at least one star in nearly all features."""
    base = look.base("rating")
    if base is None or not (parts := look.parts("rating", 5)):
        return
    before = added(sums for day in base.days for sums in day.sums.values())
    if before["rating"] < LEAST_EVENTS:
        return
    stuck = [part for part in parts if _one_rating(look.today, (part,), base.of(part, "rating")) is not None]
    for hit in (parts, stuck):
        value = _one_rating(look.today, hit, before) if hit else None
        features = by_feature([look.today], set(hit).__contains__)
        rated = sum(sums["rating"] > 0 for sums in features.values())
        if value is not None and rated >= LEAST_FEATURES:
            yield Fault("rating", f"every rating{in_words(hit, parts)} is {value:g}, in {rated} features", "rating")
            return
    moved = [part for part in parts if abs(_stars(look.today.sums[part], base.of(part, "rating"))) >= LEAST_STARS]
    for hit in (parts, moved):
        now = added(look.today.sums[part] for part in hit)
        shift = _stars(now, before) if now["rating"] >= LEAST_EVENTS else 0.0

        def follows(now: Sums, then: Sums, shift: float = shift) -> bool:
            return _stars(now, then) * shift > 0 and abs(_stars(now, then)) >= 0.6 * LEAST_STARS

        found = abs(shift) >= LEAST_STARS and is_in_nearly_all(look, base, hit, follows, "rating", 4)
        if found:
            words = f"ratings{in_words(hit, parts)} moved by {shift:+.1f} at once, in {found[0]} of {found[1]} features"
            yield Fault("rating", f"{words}: another scale?", "rating")
            return


def _stars(now: Sums, then: Sums) -> float:
    return now.share("rating_sum", "rating") - then.share("rating_sum", "rating")


def _one_rating(day: DayMeasured, parts: Sequence[Part], before: Sums) -> float | None:
    """Return the one value of all ratings of these parts; None where they differ or may be the same by chance."""
    chosen, now = set(parts), added(day.sums[part] for part in parts)
    if max(now["rating_1"], now["rating_5"]) not in (0, now["rating"]):
        return None
    rows = day.cells.filter(day.cells["rating"] > 0).select(
        "source", "platform", "app_version", "rating", "rating_least", "rating_most"
    )
    mine = [row for row in rows.iter_rows() if Part(*row[:3]) in chosen]
    values = {value for row in mine for value in row[4:]}
    if len(values) != 1 or not before["rating"]:
        return None
    value = float(values.pop())
    name = "rating_1" if value < 1.5 else "rating_5" if value > 4.5 else None
    ends = before.share("rating_1", "rating") + before.share("rating_5", "rating")
    usual = before.share(name, "rating") if name else 1 - ends
    usual = max(usual, 1 / before["rating"])
    return value if -math.log(usual) * sum(row[3] for row in mine) >= SURE else None


def emptied(look: Look) -> Iterator[Fault]:
    """Yield columns without a value in some parts or in all, though the columns used to be filled there."""
    for name in ("latency_ms", "error_count", "crashed", "duration_s", "rating", "session_id"):
        base = look.base(name)
        if base is None:
            continue
        parts = look.parts("events", 50)
        gone = [
            part
            for part in parts
            if look.today.sums[part][name] == 0
            and base.of(part, "events").share(name, "events") * look.today.sums[part]["events"] >= 20
        ]
        if gone:
            count = sum(look.today.sums[part]["events"] for part in gone)
            yield Fault(name, f"no value in {name}{in_words(gone, parts)} ({count:,.0f} events)", name)


def silent_flags(look: Look) -> Iterator[Fault]:
    """Yield flags that no event sets, where that is too unlikely to be chance."""
    for name, flag in (("error_count", "failed"), ("crashed", "crashes")):
        base = look.base(name)
        if base is None:
            continue
        daily = [added(day.sums.values()) for day in base.days]
        now = added(look.today.sums.values())
        usual = min(each.share(flag, name) for each in daily)
        if now[name] and now[flag] == 0 and usual * now[name] >= SURE:
            yield Fault(name, f"{name} is 0 in all of {now[name]:,.0f} events, where {usual:.2%} fail at least", name)


def collapsed(look: Look) -> Iterator[Fault]:
    """Yield columns (platform, release) with the same name in all events, though there are as many events as usual.

    A release that is newer than all before it is no fault: all users may get it on one day.
    """
    for place, name in ((1, "platform"), (2, "app_version")):
        base = look.base(name)
        if base is None:
            continue
        now, before = _shares(look.today, place), [_shares(day, place) for day in base.days]
        top = max(now, key=lambda value: now[value], default=None)
        several = round(float(np.median([sum(share >= 0.05 for share in day.values()) for day in before])))
        enough = look.today.events >= 0.7 * float(np.median([day.events for day in base.like(look.day)]))
        if top is None or now[top] < 0.995 or several < 2 or not enough:
            continue
        is_newest = place == 2 and _number(top) > max((_number(each) for day in before for each in day), default=())
        if not is_newest and max(day.get(top, 0.0) for day in before) < 0.5:
            yield Fault(name, f"{name} is {top} in all events, where at least {several} others are usual", name)


def _number(release: str | None) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall(r"\d+", release or ""))


def _shares(day: DayMeasured, place: int) -> dict[str | None, float]:
    found: dict[str | None, float] = {}
    for part, sums in day.sums.items():
        found[part[place]] = found.get(part[place], 0.0) + sums["events"] / day.events
    return found
