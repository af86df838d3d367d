"""The back-test with a rolling origin: what would have been forecast on earlier days, and how often intervals held what came.

At each origin only what was known by then counts: which model is used (the damped trend only where its errors so far are smaller
than those of the seasonal naive one), and by which factor intervals are widened. The factor is conformal (Vovk, Gammerman, Shafer,
*Algorithmic Learning in a Random World*, 2005): a quantile of the errors so far, in units of the spread that the model gives. The
coverage that is shown is that of the intervals made in this way, so it is measured on days of which they knew nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from intelligence.forecasts.models import WEEK, Smoothed, smoothed
from intelligence.forecasts.scales import Floats

Bools = npt.NDArray[np.bool_]
LEVELS: Final = (0.8, 0.95)
# Quantiles of the standard normal distribution for these levels.
NORMAL: Final = (1.2816, 1.9600)
# Bands of steps ahead that are judged together: the first step and the last one of each.
BANDS: Final = ((1, 7), (8, 28), (29, 90))
# Origins are a week apart, back from the last day.
EVERY: Final = 7
# The first origin has this many periods of history.
FIRST_PERIODS: Final = 3
# With so many origins of its own, a series counts as much as all series together.
EVEN_ORIGINS: Final = 6
# The model needs this many steps held against what came before it may take the place of the naive forecast.
LEAST_JUDGED: Final = 7
# Coverage and errors are those of this many origins, which is half a year. As many origins before them only tell how far
# forecasts miss, so that the first ones that count know as much of that as today's forecast does.
JUDGED_ORIGINS: Final = 26
MOST_ORIGINS: Final = 2 * JUDGED_ORIGINS
# Before anything was held against what came, intervals are wider than those of the normal distribution by this factor.
UNTRIED: Final = 1.05
# Limits of a factor, over that of the normal distribution.
NARROWEST, WIDEST = 0.4, 10.0
# How far the quantile that is taken follows the coverage that was missed so far, and that which was more than asked (adaptive
# conformal inference: Gibbs, Candès, 2021); it falls by no more than this share of what lies above it.
WIDENING: Final = 1.0
NARROWING: Final = 0.75
MOST_NARROWING: Final = 0.5


@dataclass(frozen=True, slots=True)
class Coverage:
    """How often intervals held what came.

    Attributes:
        share: Share of the steps that lay in their intervals.
        low: Lower bound of its 95 % interval.
        high: Upper bound.
        origins: Number of origins with a step to judge: the errors of one origin are not independent of each other.
        steps: Number of steps.
    """

    share: float
    low: float
    high: float
    origins: int
    steps: int


@dataclass(frozen=True, slots=True)
class Backtest:
    """What the back-test found, and the forecast at the last origin; the axes are series and steps ahead.

    Attributes:
        centre: The forecast on its scale: by the damped trend, or naive.
        spread: Its spread by the model.
        factors: Half-width of the intervals over the spread, by level, series and step.
        is_naive: Which series are forecast by the seasonal naive model.
        errors: Mean absolute error of the damped trend by series and band, on the scale; NaN where nothing was judged.
        naive_errors: The same of the seasonal naive model.
        coverage: By level, band and series; None where nothing was judged.
        pooled: By level and band, of all series together.
        smoothed: What the filter found.
        origins: Indices of the origins of the back-test, without the last one.
        inside: By level, series, origin and step: 1 inside, 0 outside, NaN where it is not known.
        misses: By series, origin and step: what came less what the chosen model forecast.
    """

    centre: Floats
    spread: Floats
    factors: Floats
    is_naive: Bools
    errors: Floats
    naive_errors: Floats
    coverage: tuple[tuple[tuple[Coverage | None, ...], ...], ...]
    pooled: tuple[tuple[Coverage | None, ...], ...]
    smoothed: Smoothed
    origins: tuple[int, ...]
    inside: Floats
    misses: Floats


def origins_of(steps: int, *, period: int = WEEK, every: int = EVERY) -> tuple[int, ...]:
    """Return the indices of the origins of a history: each `every` steps back from the last step.

    Args:
        steps: Length of the history.
        period: Steps of a season.
        every: Steps between origins.

    >>> origins_of(43)
    (21, 28, 35, 42)
    """
    first = FIRST_PERIODS * period - 1
    return tuple(range(steps - 1, first - 1, -every))[: MOST_ORIGINS + 1][::-1]


def backtested(
    numbers: Floats, groups: Sequence[str], *, ahead: int, period: int = WEEK, every: int = EVERY
) -> Backtest:
    """Return the forecast of every series from its last step, with what the back-test found.

    Args:
        numbers: One row per series, one column per step, on the scale of the forecast; NaN where a step is missing.
        groups: The group of each series: errors of series of one group are comparable in units of their spread.
        ahead: How many steps are forecast.
        period: Steps of a season.
        every: Steps between origins.
    """
    origins = origins_of(numbers.shape[1], period=period, every=every)
    found = smoothed(numbers, origins, ahead=ahead, period=period)
    truth = _truth(numbers, origins, ahead, history=FIRST_PERIODS * period)
    model_error, naive_error = np.abs(truth - found.centre), np.abs(truth - found.naive)
    series = len(numbers)
    is_naive = np.zeros((series, len(origins)), dtype=bool)
    inside = np.full((len(LEVELS), series, len(origins), ahead), np.nan)
    factors = np.empty((len(LEVELS), series, len(origins), ahead))
    centre, spread = np.empty_like(found.centre), np.empty_like(found.spread)
    members = _members(groups)
    for place in range(len(origins)):
        known = _known(truth, origins, place)
        is_naive[:, place] = _naive_is_better(model_error, naive_error, known)
        chosen = is_naive[:, place][:, None]
        centre[:, place] = np.where(chosen, found.naive[:, place], found.centre[:, place])
        spread[:, place] = np.where(chosen, found.naive_spread[:, place], found.spread[:, place])
        scores = np.where(known[:, :place], np.abs(truth - centre)[:, :place] / spread[:, :place], np.nan)
        held = np.where(known[:, :place], inside[:, :, :place], np.nan)
        factors[:, :, place] = _factors(scores, held, members, ahead)
        misses = np.abs(truth[:, place] - centre[:, place])
        within = misses <= factors[:, :, place] * spread[:, place]
        inside[:, :, place] = np.where(np.isfinite(misses), within, np.nan)
    past = slice(max(0, len(origins) - 1 - JUDGED_ORIGINS), len(origins) - 1)
    return Backtest(
        centre=centre[:, -1],
        spread=spread[:, -1],
        factors=factors[:, :, -1],
        is_naive=is_naive[:, -1],
        errors=_by_band(model_error[:, past]),
        naive_errors=_by_band(naive_error[:, past]),
        coverage=tuple(
            tuple(
                tuple(_coverage(inside[level, each : each + 1, past], band) for each in range(series)) for band in BANDS
            )
            for level in range(len(LEVELS))
        ),
        pooled=tuple(tuple(_coverage(inside[level, :, past], band) for band in BANDS) for level in range(len(LEVELS))),
        smoothed=found,
        origins=origins[past],
        inside=inside[:, :, past],
        misses=(truth - centre)[:, past],
    )


def _truth(numbers: Floats, origins: Sequence[int], ahead: int, *, history: int) -> Floats:
    """Return what came, by series, origin and step; NaN where it is missing or still to come, or the origin has too short a history."""
    padded = np.concatenate([numbers, np.full((len(numbers), ahead), np.nan)], axis=1)
    came = padded[:, np.array(origins)[:, None] + np.arange(1, ahead + 1)]
    begins = np.isfinite(numbers).argmax(axis=1)
    has_history = np.array(origins) + 1 - begins[:, None] >= history
    return np.asarray(np.where(has_history[:, :, None], came, np.nan))


def _known(truth: Floats, origins: Sequence[int], place: int) -> Bools:
    """Return which of the steps were known at the origin in this place."""
    until = np.array(origins)[:, None] + np.arange(1, truth.shape[2] + 1) <= origins[place]
    return np.asarray(np.isfinite(truth) & until)


def _naive_is_better(model_error: Floats, naive_error: Floats, known: Bools) -> Bools:
    counted = known.sum(axis=(1, 2))
    model, naive = (np.where(known, each, 0.0).sum(axis=(1, 2)) for each in (model_error, naive_error))
    return np.asarray((counted < LEAST_JUDGED) | (model >= naive))


def _members(groups: Sequence[str]) -> list[Bools]:
    """Return, for each group, which series belong to it."""
    names = np.array(groups)
    return [names == name for name in sorted(set(groups))]


def _factors(scores: Floats, held: Floats, members: Sequence[Bools], ahead: int) -> Floats:
    """Return by level, series and step how many spreads an interval reaches to each side.

    The quantile of the scores of a series is averaged, on the scale of logarithms, with that of its group; between the middles of
    two bands factors change gradually.
    """
    series = len(scores)
    bands = [band for band in BANDS if band[0] <= ahead]
    logs = np.empty((len(LEVELS), series, len(bands)))
    for number, (first, last) in enumerate(bands):
        part = scores[:, :, first - 1 : last]
        own_origins = np.isfinite(part).any(axis=2).sum(axis=1)
        for level, (asked, normal) in enumerate(zip(LEVELS, NORMAL, strict=True)):
            before = logs[level, :, number - 1] if number else np.full(series, np.log(UNTRIED * normal))
            found = before.copy()
            for is_member in members:
                together = part[is_member].reshape(1, -1)
                if not np.isfinite(together).any():
                    continue
                kept = held[level, is_member, :, first - 1 : last].reshape(int(is_member.sum()), -1)
                pooled = np.log(_quantile(together, _aimed(asked, kept.reshape(1, -1)))[0])
                own = np.log(_quantile(part[is_member].reshape(len(kept), -1), _aimed(asked, kept)))
                weight = own_origins[is_member] / (own_origins[is_member] + EVEN_ORIGINS)
                found[is_member] = np.where(np.isfinite(own), weight * own + (1 - weight) * pooled, pooled)
            logs[level, :, number] = np.clip(found, np.log(NARROWEST * normal), np.log(WIDEST * normal))
    middles = [np.log(first * min(last, ahead)) / 2 for first, last in bands]
    steps = np.log(np.arange(1, ahead + 1))
    spread_out = np.stack(
        [[np.interp(steps, middles, logs[level, each]) for each in range(series)] for level in range(len(LEVELS))]
    )
    factors = np.exp(spread_out)
    # The wider interval holds the narrower one.
    factors[1] = np.maximum(factors[1], factors[0])
    return np.asarray(factors)


def _aimed(level: float, held: Floats) -> Floats:
    """Return the quantile to take of each row for a level: larger where fewer steps were held so far than asked, else smaller."""
    known = np.isfinite(held)
    counted = known.sum(axis=1)
    share = np.where(counted > 0, np.where(known, held, 0.0).sum(axis=1) / np.maximum(counted, 1), level)
    missing = level - share
    moved = level + np.where(missing > 0, WIDENING, NARROWING) * missing
    return np.asarray(np.clip(moved, level - MOST_NARROWING * (1 - level), 0.5 + level / 2))


def _quantile(scores: Floats, levels: Floats) -> Floats:
    """Return the quantile of each row's known scores, rounded up to a score; NaN where a row has none."""
    ordered = np.sort(scores, axis=1)
    known = np.isfinite(scores).sum(axis=1)
    place = np.clip(np.ceil(levels * (known + 1)).astype(int), 1, np.maximum(known, 1)) - 1
    found = ordered[np.arange(len(scores)), place]
    return np.asarray(np.where(known > 0, np.maximum(found, 1e-12), np.nan))


def _by_band(errors: Floats) -> Floats:
    """Return the mean error of each series in each band; NaN where nothing was judged."""
    found = np.full((len(errors), len(BANDS)), np.nan)
    for number, (first, last) in enumerate(BANDS):
        part = errors[:, :, first - 1 : last].reshape(len(errors), -1)
        known = np.isfinite(part)
        counted = known.sum(axis=1)
        total = np.where(known, part, 0.0).sum(axis=1)
        found[:, number] = np.where(counted > 0, total / np.maximum(counted, 1), np.nan)
    return found


def _coverage(inside: Floats, band: tuple[int, int]) -> Coverage | None:
    """Return the coverage in a band, with an interval that counts origins and not steps.

    Args:
        inside: By series, origin and step.
        band: First and last step.
    """
    part = np.moveaxis(inside[:, :, band[0] - 1 : band[1]], 1, 0).reshape(inside.shape[1], -1)
    steps = np.isfinite(part).sum(axis=1)
    held = np.where(np.isfinite(part), part, 0.0).sum(axis=1)[steps > 0]
    steps = steps[steps > 0]
    origins, total = len(steps), int(steps.sum())
    if not total:
        return None
    share = float(held.sum() / total)
    # Windows of neighbouring origins overlap: so many of them would not.
    apart = max(1.0, origins * EVERY / max(EVERY, band[1] - band[0] + 1))
    effective = apart
    if origins > 1:
        variance = float(((held - share * steps) ** 2).sum()) / total**2 * origins / (origins - 1)
        if variance > 0:
            effective = min(share * (1 - share) / variance * apart / origins, float(total))
    low, high = _wilson(share, max(effective, 1.0))
    return Coverage(share, low, high, origins, total)


def _wilson(share: float, trials: float) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, 1927)."""
    squared = NORMAL[1] ** 2
    middle = (share + squared / (2 * trials)) / (1 + squared / trials)
    reach = NORMAL[1] * np.sqrt(share * (1 - share) / trials + squared / (4 * trials**2)) / (1 + squared / trials)
    return max(0.0, float(middle - reach)), min(1.0, float(middle + reach))
