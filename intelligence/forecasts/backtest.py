"""The back-test with a rolling origin: what would have been forecast on earlier days, and how often intervals held what came.

At each origin only what was known by then counts: which model is used (the damped trend only where its errors so far are smaller
than those of the seasonal naive one), and by which factor intervals are widened. The factor is conformal (Vovk, Gammerman, Shafer,
*Algorithmic Learning in a Random World*, 2005): a quantile of the errors so far, in units of the spread that the model gives. The
coverage that is shown is that of the intervals made in this way, so it is measured on days of which they knew nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from intelligence.forecasts.models import WEEK, Smoothed, smoothed
from intelligence.forecasts.rates import beyond_chance, bounds, cases_before, expected_cases, mean_before, reaches
from intelligence.forecasts.scales import Floats

Bools = npt.NDArray[np.bool_]
LEVELS: Final = (0.8, 0.95)
# Quantiles of the standard normal distribution for these levels.
NORMAL: Final = (1.2816, 1.9600)
# Bands of steps ahead that are judged together: the first step and the last one of each.
BANDS: Final = ((1, 7), (8, 28), (29, 90))
# The steps of each band, first and last, on which its own model forecasts alone.
PURE: Final = ((1, 5), (11, 22), (36, 90))
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
# Two numbers that differ by less are one.
ROUNDING: Final = 1e-12


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
class Intervals:
    """Intervals of all series at one origin, on the scale of the forecast; the axes are levels, series and steps ahead.

    Attributes:
        low: Lower bounds.
        high: Upper bounds.
        down: How far an interval whose factor is 1 reaches below the centre.
        up: How far it reaches above.
    """

    low: Floats
    high: Floats
    down: Floats
    up: Floats


@dataclass(frozen=True, slots=True)
class Backtest:
    """What the back-test found, and the forecast at the last origin; the axes are series and steps ahead.

    Attributes:
        centre: The forecast on its scale: by the damped trend, or naive.
        spread: Its spread by the model.
        factors: Half-width of the intervals over the spread, by level, series and step; of a rate over what chance gives.
        intervals: The intervals at the last origin.
        is_naive: Which series are forecast by the seasonal naive model, by band.
        errors: Mean absolute error of the damped trend by series and band, on the scale, of a rate the root of the mean squared one;
            NaN where nothing was judged.
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
    intervals: Intervals
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
    numbers: Floats,
    groups: Sequence[str],
    *,
    ahead: int,
    period: int = WEEK,
    every: int = EVERY,
    cases: Floats | None = None,
) -> Backtest:
    """Return the forecast of every series from its last step, with what the back-test found.

    Args:
        numbers: One row per series, one column per step, on the scale of the forecast; NaN where a step is missing.
        groups: The group of each series: errors of series of one group are comparable in units of their spread.
        ahead: How many steps are forecast.
        period: Steps of a season.
        every: Steps between origins.
        cases: Denominators of the series that are rates, NaN for others; None where none is.
    """
    origins = origins_of(numbers.shape[1], period=period, every=every)
    rates = None if cases is None else _Rates.of(cases, period)
    found = smoothed(numbers, origins, ahead=ahead, period=period, cases=cases)
    truth = _truth(numbers, origins, ahead, history=FIRST_PERIODS * period)
    if rates is not None and rates.rows.any():
        found = _steadied(found, numbers, truth, rates)
    model_error, naive_error = (_error(truth - each, rates) for each in (found.centre, found.naive))
    series, members = len(numbers), _members(groups)
    is_naive = np.zeros((series, len(BANDS)), dtype=bool)
    shape = (len(LEVELS), series, len(origins), ahead)
    inside, scores = np.full(shape, np.nan), np.full(shape, np.nan)
    centre, factors = np.empty_like(found.centre), np.empty(shape)
    for place, origin in enumerate(origins):
        known = _known(truth, origins, place)
        is_naive = _naive_is_better(model_error, naive_error, known)
        share = _over_steps(is_naive.astype(np.float64), ahead)
        centre[:, place] = share * found.naive[:, place] + (1 - share) * found.centre[:, place]
        spread = share * found.naive_spread[:, place] + (1 - share) * found.spread[:, place]
        before = slice(0, place)
        factors[:, :, place] = _factors(
            np.where(known[:, before], scores[:, :, before], np.nan),
            np.where(known[:, before], inside[:, :, before], np.nan),
            members,
            ahead,
        )
        intervals = _intervals(centre[:, place], spread, factors[:, :, place], rates, origin)
        came = truth[:, place]
        for level in range(len(LEVELS)):
            miss, is_up = came - centre[:, place], came > centre[:, place]
            scores[level, :, place] = np.abs(miss) / np.where(is_up, intervals.up[level], intervals.down[level])
            within = (came >= intervals.low[level] - ROUNDING) & (came <= intervals.high[level] + ROUNDING)
            inside[level, :, place] = np.where(np.isfinite(came), within, np.nan)
    past = slice(max(0, len(origins) - 1 - JUDGED_ORIGINS), len(origins) - 1)
    return Backtest(
        centre=centre[:, -1],
        spread=spread,
        factors=factors[:, :, -1],
        intervals=intervals,
        is_naive=is_naive,
        errors=_by_band(model_error[:, past], rates),
        naive_errors=_by_band(naive_error[:, past], rates),
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


@dataclass(frozen=True, slots=True)
class _Rates:
    """The series that are rates with known denominators.

    Attributes:
        rows: Which they are.
        cases: Their denominators, one row for each of them.
        period: Steps of a season.
    """

    rows: Bools
    cases: Floats
    period: int

    @classmethod
    def of(cls, cases: Floats, period: int) -> "_Rates":
        rows = np.asarray(np.isfinite(cases).any(axis=1))
        return cls(rows, cases[rows], period)


def _steadied(found: Smoothed, numbers: Floats, truth: Floats, rates: _Rates) -> Smoothed:
    """Return the forecasts with those of rates drawn towards the mean of the weeks before, as far as that missed by less so far.

    What few cases do by chance looks like a movement to the filter. How much of what it says beyond the mean came true is the slope
    of what came on what it said (both less the mean) over the origins known by then; before there are any, it is the share of
    the variance that chance does not explain.
    """
    centre, spread, rows = found.centre.copy(), found.spread.copy(), rates.rows
    ahead = centre.shape[2]
    said, came = np.full(centre[rows].shape, np.nan), np.full(centre[rows].shape, np.nan)
    for place, origin in enumerate(found.origins):
        mean = mean_before(numbers[rows], rates.cases, origin, period=rates.period)[:, None]
        mean = np.where(np.isfinite(mean), mean, centre[rows, place])
        said[:, place], came[:, place] = centre[rows, place] - mean, truth[rows, place] - mean
        known = _known(truth[rows], found.origins, place)
        expected = expected_cases(rates.cases, origin, ahead=ahead, period=rates.period)
        prior = np.mean(beyond_chance(mean, spread[rows, place, :1], expected), axis=1)
        kept = np.stack([_came_true(said, came, known, band, prior) for band in BANDS], axis=1)
        share = _over_steps(kept, ahead)
        centre[rows, place] = mean + share * said[:, place]
        near = found.spread[rows, place, :1]
        spread[rows, place] = np.sqrt(near**2 + share**2 * np.maximum(found.spread[rows, place] ** 2 - near**2, 0.0))
    return replace(found, centre=centre, spread=spread)


def _came_true(said: Floats, came: Floats, known: Bools, band: tuple[int, int], prior: Floats) -> Floats:
    """Return by series how much of what was said beyond the mean came true in a band, between nothing and all of it."""
    steps = slice(band[0] - 1, band[1])
    is_known = known[:, :, steps]
    origins = is_known.any(axis=2).sum(axis=1)
    both, own = (
        np.where(is_known, each[:, :, steps] * said[:, :, steps], 0.0).sum(axis=(1, 2)) for each in (came, said)
    )
    slope = np.where(own > 0, both / np.where(own > 0, own, 1.0), prior)
    return np.asarray(np.clip((origins * slope + EVEN_ORIGINS * prior) / (origins + EVEN_ORIGINS), 0.0, 1.0))


def _intervals(centre: Floats, spread: Floats, factors: Floats, rates: _Rates | None, origin: int) -> Intervals:
    """Return the intervals at an origin: symmetric on the scale of the forecast, but those of a rate hold what may be observed.

    Args:
        centre: By series and step.
        spread: By series and step.
        factors: By level, series and step.
        rates: The series that are rates.
        origin: Index of the last known step.
    """
    down = np.repeat(spread[None], len(LEVELS), axis=0)
    up = down.copy()
    if rates is None or not rates.rows.any():
        return Intervals(centre - factors * down, centre + factors * up, down, up)
    rows = rates.rows
    expected = expected_cases(rates.cases, origin, ahead=centre.shape[1], period=rates.period)
    before = cases_before(rates.cases, origin, period=rates.period)
    for level, (asked, normal) in enumerate(zip(LEVELS, NORMAL, strict=True)):
        below, above = reaches(centre[rows], spread[rows], expected, before, asked)
        down[level, rows], up[level, rows] = below / normal, above / normal
    # What happened to hold so far makes no interval narrower than chance alone is.
    by_chance = np.sqrt(1 - beyond_chance(centre[rows], spread[rows], expected))
    factors = factors.copy()
    factors[:, rows] = np.maximum(factors[:, rows], by_chance * np.array(NORMAL)[:, None, None])
    low, high = centre - factors * down, centre + factors * up
    for level, asked in enumerate(LEVELS):
        low[level, rows], high[level, rows] = bounds(
            centre[rows], low[level, rows], high[level, rows], expected, before, asked
        )
    # The wider interval holds the narrower one.
    low[1], high[1] = np.minimum(low[0], low[1]), np.maximum(high[0], high[1])
    return Intervals(low, high, down, up)


def _error(misses: Floats, rates: _Rates | None) -> Floats:
    """Return the size of misses: of a rate the square, since the mean is forecast, and most days of a small rate are below it."""
    error = np.abs(misses)
    if rates is not None:
        error[rates.rows] **= 2
    return np.asarray(error)


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
    """Return by series and band whether the naive forecast missed by no more; where too little was judged, as in the band before."""
    found = np.ones((len(known), len(BANDS)), dtype=bool)
    for band, (first, last) in enumerate(BANDS):
        steps = slice(first - 1, last)
        counted = known[:, :, steps].sum(axis=(1, 2))
        model, naive = (np.where(known, each, 0.0)[:, :, steps].sum(axis=(1, 2)) for each in (model_error, naive_error))
        if band:
            found[:, band] = found[:, band - 1]
        found[:, band] = np.where(counted < LEAST_JUDGED, found[:, band], model >= naive)
    return found


def _over_steps(by_band: Floats, ahead: int) -> Floats:
    """Return a number per step for one of each series and band: where two bands meet, one passes into the other.

    >>> _over_steps(np.array([[0.0, 1.0, 1.0]]), 28)[0, [0, 4, 6, 10, 27]].round(2)
    array([0.  , 0.  , 0.43, 1.  , 1.  ])
    """
    steps = np.log(np.arange(1, ahead + 1))
    ends = np.log(np.array(PURE, dtype=np.float64).ravel())
    return np.stack([np.interp(steps, ends, np.repeat(each, 2)) for each in by_band])


def _members(groups: Sequence[str]) -> list[Bools]:
    """Return, for each group, which series belong to it."""
    names = np.array(groups)
    return [names == name for name in sorted(set(groups))]


def _factors(scores: Floats, held: Floats, members: Sequence[Bools], ahead: int) -> Floats:
    """Return by level, series and step how many spreads an interval reaches to each side.

    The quantile of the scores of a series is averaged, on the scale of logarithms, with that of its group; between the middles of
    two bands factors change gradually.
    """
    series = scores.shape[1]
    bands = [band for band in BANDS if band[0] <= ahead]
    logs = np.empty((len(LEVELS), series, len(bands)))
    for number, (first, last) in enumerate(bands):
        for level, (asked, normal) in enumerate(zip(LEVELS, NORMAL, strict=True)):
            part = scores[level, :, :, first - 1 : last]
            own_origins = np.isfinite(part).any(axis=2).sum(axis=1)
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


def _by_band(errors: Floats, rates: _Rates | None) -> Floats:
    """Return the mean error of each series in each band, of a rate the root of it; NaN where nothing was judged."""
    found = np.full((len(errors), len(BANDS)), np.nan)
    for number, (first, last) in enumerate(BANDS):
        part = errors[:, :, first - 1 : last].reshape(len(errors), -1)
        known = np.isfinite(part)
        counted = known.sum(axis=1)
        total = np.where(known, part, 0.0).sum(axis=1)
        found[:, number] = np.where(counted > 0, total / np.maximum(counted, 1), np.nan)
    if rates is not None:
        found[rates.rows] = np.sqrt(found[rates.rows])
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
