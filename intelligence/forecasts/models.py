"""Damped trend with a season, for many series at once, and the seasonal naive forecast that it has to beat.

The recursion is that of additive exponential smoothing with a damped trend (Hyndman et al., *Forecasting with exponential
smoothing*, 2008; `statsmodels.tsa.holtwinters.ExponentialSmoothing` computes the same). Instead of searching for one best set of
smoothing parameters, all sets of a grid run side by side, and their forecasts are averaged with weights that follow from how well
each has forecast the next day so far. So one pass over the days yields the forecasts of every day in the past as they would have
been made then, which makes the back-test of the whole history as cheap as the forecast.

The filter is robust (Gelper, Fried, Croux, *Robust forecasting with exponential and Holt-Winters smoothing*, 2010): a day far from
its forecast moves the state no further than a day at the edge of what is usual, and several such days in a row on the same side are
a shift, to which the level jumps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt

from intelligence.forecasts.scales import Floats

Steps = npt.NDArray[np.int64]
WEEK: Final = 7
ALPHAS: Final = (0.02, 0.05, 0.1, 0.2, 0.35, 0.55, 0.8)
BETAS: Final = (0.0, 0.02, 0.1, 0.3)
GAMMAS: Final = (0.01, 0.05, 0.15, 0.35)
PHIS: Final = (0.9, 0.97)
# A residual beyond this number of usual ones is cut to it.
CUT: Final = 3.5
# This many days in a row, on the same side and further off than FAR usual residuals, are a shift of the level.
FAR: Final = 2.5
SHIFT_DAYS: Final = 5
# How fast the size of the usual residual follows.
SPREAD_RATE: Final = 0.08
# Weights are those of likelihoods to this power: neighbouring sets of parameters are nearly one and the same model.
TEMPER: Final = 0.5
_TINY: Final = 1e-9
# Mean absolute deviation of a normal variable, inverted.
_TO_SD: Final = 1.2533


@dataclass(frozen=True, slots=True)
class Grid:
    """Sets of smoothing parameters, one in each place of the arrays.

    Attributes:
        alpha: Weight of the level.
        beta: Weight of the trend, as a share of the residual.
        gamma: Weight of the season.
        phi: Damping of the trend from one step to the next.
    """

    alpha: Floats
    beta: Floats
    gamma: Floats
    phi: Floats

    @classmethod
    def of(cls, sets: Sequence[tuple[float, float, float, float]]) -> "Grid":
        """Return the grid of sets (alpha, beta, gamma, phi)."""
        columns = np.array(sets, dtype=np.float64).T
        return cls(*columns)


def standard_grid() -> Grid:
    """Return the sets that are used: level, trend as a share of the level, season as a share of what the level leaves, damping.

    >>> len(standard_grid().alpha)
    196
    """
    return Grid.of(
        [
            (alpha, alpha * beta, gamma * (1 - alpha), phi)
            for alpha, beta, gamma in product(ALPHAS, BETAS, GAMMAS)
            for phi in (PHIS if beta else (1.0,))
        ]
    )


@dataclass(frozen=True, slots=True)
class Ending:
    """The state of all sets at the end of the history, from which paths are simulated; the first axes are series and sets.

    Attributes:
        level: Level.
        trend: Trend per step.
        season: Season, by step modulo the period.
        sigma: Size of the usual residual, as a standard deviation.
        weights: Weight of each set; they add up to 1.
        step: Number of steps so far.
    """

    level: Floats
    trend: Floats
    season: Floats
    sigma: Floats
    weights: Floats
    step: int


@dataclass(frozen=True, slots=True)
class Smoothed:
    """What was forecast at each origin; the axes are series, origins and steps ahead.

    Attributes:
        origins: Index of the last known step of each origin.
        centre: Forecasts of the damped trend.
        spread: Standard deviations that the model gives them.
        naive: Seasonal naive forecasts: the last known value of the same phase.
        naive_spread: Standard deviations that its own differences give them.
        shifts: Index of the last shift of the level of each series; -1 where there was none.
        ending: The state at the last origin.
    """

    origins: tuple[int, ...]
    centre: Floats
    spread: Floats
    naive: Floats
    naive_spread: Floats
    shifts: Steps
    ending: Ending


def smoothed(
    numbers: Floats,
    origins: Sequence[int],
    *,
    ahead: int,
    period: int = WEEK,
    grid: Grid | None = None,
    cases: Floats | None = None,
) -> Smoothed:
    """Return the forecasts of every series at every origin, each from the steps up to it alone.

    Args:
        numbers: One row per series, one column per step, on the scale of the forecast; NaN where a step is missing, or before the
            first one of a series. No row is empty.
        origins: Indices of the last known step, ascending. What is forecast at origins in the first two periods of a series, from
            which its state is begun, means nothing.
        ahead: How many steps are forecast.
        period: Steps of a season.
        grid: Sets of parameters; the standard ones where it is not given.
        cases: Denominators of the series that are rates, NaN for others: what is usual by chance is no outlier.
    """
    sets = grid or standard_grid()
    state = _State.beginning(numbers, period, sets, cases)
    wanted, found = set(origins), []
    for step in range(max(origins) + 1):
        state.moved(numbers[:, step], step, None if cases is None else cases[:, step])
        if step in wanted:
            found.append(state.forecast(step, ahead))
    centre, spread, naive, naive_spread = (np.stack(each, axis=1) for each in zip(*found, strict=True))
    return Smoothed(
        tuple(sorted(wanted)), centre, spread, naive, naive_spread, state.shifts(), state.ending(max(origins))
    )


class _State:
    """The state of all sets for all series while the filter runs over the steps."""

    def __init__(self, level: Floats, trend: Floats, season: Floats, sigma: Floats, begins: Steps, grid: Grid) -> None:
        self.level, self.trend, self.season, self.sigma = level, trend, season, sigma
        self.begins, self.grid = begins[:, None], grid
        self.period = season.shape[2]
        self.loss = np.zeros_like(level)
        self.counted = np.zeros((len(level), 1))
        self.streak = np.zeros_like(level)
        self.shifted = np.full(level.shape, -1, dtype=np.int64)
        self.last = np.full((len(level), self.period), np.nan)
        self.naive_sigma = sigma[:, 0].copy()

    @classmethod
    def beginning(cls, numbers: Floats, period: int, grid: Grid, cases: Floats | None = None) -> "_State":
        """Return the state before the first step of each series, from its first two periods: their mean, slope and season."""
        begins = np.isfinite(numbers).argmax(axis=1)
        rows, steps = np.arange(len(numbers))[:, None], np.arange(2 * period)
        padded = np.concatenate([numbers, np.full((len(numbers), 2 * period), np.nan)], axis=1)
        first = padded[rows, begins[:, None] + steps]
        mean = _mean(first, 0.0)
        slope = (_mean(first[:, period:], mean) - _mean(first[:, :period], mean)) / (2 * period)
        centred = steps - (2 * period - 1) / 2
        left = first - mean[:, None] - slope[:, None] * centred
        season = _mean(left.reshape(len(left), 2, period).swapaxes(1, 2).reshape(-1, 2), 0.0).reshape(-1, period)
        season -= season.mean(axis=1, keepdims=True)
        if cases is not None:
            many = np.concatenate([cases, np.full((len(cases), 2 * period), np.nan)], axis=1)[
                rows, begins[:, None] + steps
            ]
            # Of a season that is seen twice, chance leaves half of the variance of a step.
            by_chance = _mean(_chance(mean[:, None], many) ** 2, 0.0) / 2
            seen = np.maximum((season**2).mean(axis=1), _TINY**2)
            season *= np.sqrt(np.maximum(1 - by_chance / seen, 0.0))[:, None]
        size = _mean(np.abs(left - np.tile(season, 2)), 0.0)
        by_phase = np.empty_like(season)
        by_phase[rows, (begins[:, None] + steps[:period]) % period] = season
        sets = len(grid.alpha)
        has_trend = grid.beta > 0
        level = np.where(has_trend, (mean + slope * (centred[0] - 1))[:, None], mean[:, None])
        trend = np.where(has_trend, slope[:, None], 0.0)
        # Two periods leave half of the variance: the season was fitted to them.
        sigma = np.repeat((np.sqrt(2) * _TO_SD * size + _TINY)[:, None], sets, axis=1)
        return cls(level, trend, np.repeat(by_phase[:, None, :], sets, axis=1), sigma, begins, grid)

    def moved(self, observed: Floats, step: int, cases: Floats | None = None) -> None:
        """Take in one step; of a rate, with its number of cases."""
        grid, phase = self.grid, step % self.period
        expected = self.level + grid.phi * self.trend + self.season[:, :, phase]
        residual = observed[:, None] - expected
        is_known = np.isfinite(observed)[:, None]
        residual = np.where(is_known, residual, 0.0)
        usual, least = self.sigma, np.zeros(1)
        if cases is not None:
            has_cases = np.isfinite(cases[:, None]) & (cases[:, None] > 0)
            many = np.where(has_cases, cases[:, None], np.inf)
            usual, least = np.maximum(usual, _chance(expected, many)), 1 / many
        # One case more or less is no outlier.
        limit = CUT * usual + least
        cut = np.clip(residual, -limit, limit)
        counts = is_known & (step >= self.begins + self.period)
        self.loss += np.where(counts, cut**2, 0.0)
        self.counted += counts
        has_begun = step >= self.begins
        self.level = np.where(has_begun, self.level + grid.phi * self.trend + grid.alpha * cut, self.level)
        self.trend = np.where(has_begun, grid.phi * self.trend + grid.beta * cut, self.trend)
        self.season[:, :, phase] += grid.gamma * cut
        self._shift(residual, cut, usual, is_known, step)
        self.sigma = np.where(
            is_known,
            np.maximum((1 - SPREAD_RATE) * self.sigma + SPREAD_RATE * _TO_SD * np.abs(cut), _TINY),
            self.sigma,
        )
        self._move_naive(observed, phase)

    def _shift(self, residual: Floats, cut: Floats, usual: Floats, is_known: npt.NDArray[np.bool_], step: int) -> None:
        side = np.where(np.abs(residual) > FAR * usual, np.sign(residual), 0.0)
        goes_on = (side != 0) & (np.sign(self.streak) == side)
        self.streak = np.where(is_known, np.where(goes_on, self.streak + side, side), self.streak)
        is_shift = np.abs(self.streak) >= SHIFT_DAYS
        if is_shift.any():
            self.level = np.where(is_shift, self.level + residual - self.grid.alpha * cut, self.level)
            self.streak = np.where(is_shift, 0.0, self.streak)
            self.shifted = np.where(is_shift, step, self.shifted)

    def _move_naive(self, observed: Floats, phase: int) -> None:
        change = np.abs(observed - self.last[:, phase])
        limited = np.minimum(change, CUT * self.naive_sigma)
        moved = (1 - SPREAD_RATE) * self.naive_sigma + SPREAD_RATE * _TO_SD * limited
        self.naive_sigma = np.where(np.isfinite(change), np.maximum(moved, _TINY), self.naive_sigma)
        self.last[:, phase] = np.where(np.isfinite(observed), observed, self.last[:, phase])

    def weights(self) -> Floats:
        """Return the weights of the sets: their likelihoods, tempered."""
        mean_loss = np.maximum(self.loss / np.maximum(self.counted, 1), _TINY**2)
        exponent = -TEMPER * self.counted / 2 * np.log(mean_loss / mean_loss.min(axis=1, keepdims=True))
        likely = np.exp(exponent)
        return np.asarray(likely / likely.sum(axis=1, keepdims=True))

    def forecast(self, step: int, ahead: int) -> tuple[Floats, Floats, Floats, Floats]:
        """Return centre and spread of the averaged forecast, and of the seasonal naive one, for the steps after this one."""
        steps, grid, weights = np.arange(1, ahead + 1), self.grid, self.weights()
        phases = (step + steps) % self.period
        damped = np.cumsum(grid.phi[:, None] ** steps, axis=1)
        each = self.level[:, :, None] + damped * self.trend[:, :, None] + self.season[:, :, phases]
        centre = np.einsum("sk,skh->sh", weights, each)
        between = np.einsum("sk,skh->sh", weights, (each - centre[:, None, :]) ** 2)
        # Each residual j steps earlier is carried on by the level, the trend and, after whole periods, the season.
        carried = grid.alpha[:, None] + grid.beta[:, None] * np.cumsum(grid.phi[:, None] ** (steps - 1), axis=1)
        carried = carried + np.where(steps % self.period == 0, grid.gamma[:, None], 0.0)
        growth = 1 + np.concatenate([np.zeros((len(grid.alpha), 1)), np.cumsum(carried**2, axis=1)[:, :-1]], axis=1)
        within = np.einsum("sk,kh->sh", weights * self.sigma**2, growth)
        naive = self.last[:, phases]
        naive = np.where(np.isfinite(naive), naive, centre)
        rounds = (steps - 1) // self.period + 1
        return centre, np.sqrt(within + between), naive, self.naive_sigma[:, None] * np.sqrt(rounds)

    def shifts(self) -> Steps:
        """Return the last step at which the likeliest set of each series saw a shift of the level."""
        best = self.weights().argmax(axis=1)
        return np.asarray(self.shifted[np.arange(len(best)), best])

    def ending(self, step: int) -> Ending:
        """Return the present state, for simulation."""
        return Ending(
            self.level.copy(), self.trend.copy(), self.season.copy(), self.sigma.copy(), self.weights(), step + 1
        )


def _chance(rates: Floats, cases: Floats) -> Floats:
    """Return the standard deviation of an observed rate by chance."""
    share = np.clip(rates, 0.0, 1.0)
    return np.asarray(np.sqrt(share * (1 - share) / cases))


def _mean(values: Floats, otherwise: Floats | float) -> Floats:
    """Return the mean of each row's known values, or something else where a row has none."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), otherwise))


def simulated(
    ending: Ending, series: int, *, ahead: int, paths: int, seed: int, grid: Grid | None = None, period: int = WEEK
) -> Floats:
    """Return simulated paths of one series on the scale of the forecast: one row per path, one column per step.

    Each path belongs to one set of parameters, drawn by its weight, and its residuals are normal.

    Args:
        ending: The state at the end of the history.
        series: Which series, by its row.
        ahead: Number of steps.
        paths: Number of paths.
        seed: Seed of the random numbers.
        grid: Sets of parameters that the state belongs to.
        period: Steps of a season.
    """
    sets, random = grid or standard_grid(), np.random.default_rng(seed)
    drawn = random.choice(len(sets.alpha), size=paths, p=ending.weights[series])
    level, trend, season = ending.level[series, drawn], ending.trend[series, drawn], ending.season[series, drawn].copy()
    sigma, found = ending.sigma[series, drawn], np.empty((paths, ahead))
    alpha, beta, gamma, phi = sets.alpha[drawn], sets.beta[drawn], sets.gamma[drawn], sets.phi[drawn]
    for step in range(ahead):
        phase = (ending.step + step) % period
        residual = sigma * random.standard_normal(paths)
        base = level + phi * trend
        found[:, step] = base + season[:, phase] + residual
        level, trend = base + alpha * residual, phi * trend + beta * residual
        season[:, phase] += gamma * residual
    return found
