"""Detectors of what is unusual in many series at once; each uses on a day only what was known at its end.

The residual detector follows each series by exponentially weighted level, weekday and scale, all bounded by Huber's rule (Huber 1964),
so that a trouble does not become the new normal at once. One isolation forest for all series (Liu, Ting and Zhou 2008) sees what
several small deviations make together. A level shift is a contrast of two windows, and a trend the slope of three weeks.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from intelligence.signals.forest import Forest
from intelligence.signals.series import SeriesPanel

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

WEEK: Final = 7
LEVEL_RATE: Final = 0.15
WEEKDAY_RATE: Final = 0.1
SCALE_RATE: Final = 0.06
CLIP: Final = 3.0
# Median absolute deviation, and mean absolute deviation, of a normal variable in standard deviations.
MAD: Final = 1.4826
MEAN_DEVIATION: Final = 1.2533
# The first weeks fit themselves better than the days after them.
FIRST_SCALE: Final = 1.25
AFTER_DAYS: Final = 7
BEFORE_DAYS: Final = 21
TREND_DAYS: Final = 21
FEATURES: Final = 5
FEWEST_FOR_COMMON: Final = 10
FOREST_EVERY_DAYS: Final = 28
FIRST_FOREST_DAYS: Final = 3
FOREST_ROWS: Final = 4_096
FOREST_SEED: Final = 20_080_817


@dataclass(frozen=True, slots=True)
class Residuals:
    """What each value differs from what was expected of it, in arrays of shape (series, days).

    Attributes:
        z: Residual in standard deviations; NaN where nothing is expected or observed.
        raw: The same before the common movement of all features is taken off.
        expected: Expected transform.
        spread: Standard deviation of the residual.
        adjusted: The transform without weekday and common movement, with gaps filled by what was expected.
        causal: Changes against yesterday, last week, the mean of a week and of four weekdays, and yesterday's change, each
            in its own standard deviations; shape (series, days, 5).
    """

    z: Floats
    raw: Floats
    expected: Floats
    spread: Floats
    adjusted: Floats
    causal: NDArray[np.float32]


class _State:
    """Level, weekday and scale of every series, from its first full weeks on."""

    def __init__(self, series: int, is_counted: Bools) -> None:
        self.level, self.scale = np.full(series, np.nan), np.full(series, np.nan)
        self.weekday = np.zeros((series, WEEK))
        self.causal_scale = np.ones((series, FEATURES))
        self.floor = np.where(is_counted, 1.0, 0.0)

    def begin(self, who: NDArray[np.int64], window: Floats, root: Floats, first_weekday: int) -> None:
        """Begin the series `who` from their first weeks: `window` and the standard deviations of its days, `root`."""
        with np.errstate(invalid="ignore"):
            level = np.nanmedian(window, axis=1)
            rest, counted = window - level[:, None], np.isfinite(window)
            size = MAD * np.nanmedian(np.abs(rest), axis=1)
            days = (first_weekday + np.arange(window.shape[1])) % WEEK
            weekday = np.stack([_middle(rest[:, days == each]) for each in range(WEEK)], axis=1)
            # Weekdays that differ no more than chance makes them differ are taken as equal.
            noise = MAD * np.nanmedian(np.abs(rest - weekday[:, days]), axis=1)
            of_each = np.maximum(counted.sum(axis=1) / WEEK, 1)
            chance = np.minimum(noise, size) ** 2 * np.pi / 2 / of_each
            weekday -= weekday.mean(axis=1, keepdims=True)
            kept = np.clip(1 - chance / np.maximum(np.mean(weekday**2, axis=1), 1e-12), 0, 1)
            weekday *= kept[:, None]
            rest = window - level[:, None] - weekday[:, days]
            level += np.nanmedian(rest, axis=1)
            scaled = np.abs(rest - np.nanmedian(rest, axis=1)[:, None]) / root
            scale = np.maximum(
                MAD * np.nanmedian(scaled, axis=1), MEAN_DEVIATION * np.nanmean(np.minimum(scaled, CLIP), axis=1) / 1.2
            )
        self.level[who], self.weekday[who] = level, weekday
        self.scale[who] = np.maximum(FIRST_SCALE * scale, self.floor[who])


def _middle(values: Floats) -> Floats:
    """Return the median of each row; 0 where it has no value."""
    some = np.isfinite(values).any(axis=1)
    found = np.zeros(len(values))
    if some.any():
        found[some] = np.nanmedian(values[some], axis=1)
    return found


def residuals(panel: SeriesPanel, faulty: Bools, *, minimum_history_days: int) -> Residuals:
    """Return what each value differs from what was expected at the end of the day before.

    Features' volumes are compared after the common movement of the day is taken off: what all features share is no news of any.

    Args:
        panel: The series.
        faulty: Shape (series, days): days that teach nothing, since their telemetry is in doubt or something is known of them.
        minimum_history_days: Days from a series' first value on before it is assessed.
    """
    shape = panel.level.shape
    state, root = _State(shape[0], panel.is_counted), np.asfortranarray(np.sqrt(panel.variance))
    level = np.asfortranarray(panel.level)
    learnt = np.where(faulty, np.nan, level)
    seen = np.cumsum(np.isfinite(learnt), axis=1)
    first = np.where(np.isfinite(panel.level).any(axis=1), np.isfinite(panel.level).argmax(axis=1), shape[1])
    # Days lie beside each other in memory, as they are worked on.
    z, raw, expected, spread, adjusted = (np.full(shape, np.nan, order="F") for _ in range(5))
    causal = np.zeros((shape[1], shape[0], FEATURES), dtype=np.float32).transpose(1, 0, 2)
    found = Residuals(z, raw, expected, spread, adjusted, causal)
    volumes = [
        np.flatnonzero(panel.family == number)
        for number, metric in enumerate(panel.families)
        if metric.is_volume and metric.scope == "feature"
    ]
    need = minimum_history_days
    for t in range(shape[1]):
        if t >= need:
            earlier = seen[:, t - 1] - (seen[:, t - need - 1] if t > need else 0)
            due = np.flatnonzero(np.isnan(state.level) & (first <= t - need) & (earlier >= need / 2))
            if due.size:
                window = slice(t - need, t)
                state.begin(due, learnt[due, window], root[due, window], (t - need) % WEEK)
                for back in range(t - need, t):
                    found.adjusted[due, back] = panel.level[due, back] - state.weekday[due, back % WEEK]
                _fill(found.adjusted, due, window, state.level)
        _one_day(level[:, t], faulty[:, t], root[:, t], state, found, t, volumes)
    return found


def _fill(adjusted: Floats, who: NDArray[np.int64], window: slice, level: Floats) -> None:
    part = adjusted[who, window]
    adjusted[who, window] = np.where(np.isfinite(part), part, level[who, None])


def _one_day(
    x: Floats,
    faulty: Bools,
    root: Floats,
    state: _State,
    found: Residuals,
    t: int,
    volumes: list[NDArray[np.int64]],
) -> None:
    """Assess the day `t` and learn from it."""
    expected = state.level + state.weekday[:, t % WEEK]
    error = x - expected
    spread = np.maximum(state.scale, 1e-6) * root
    with np.errstate(invalid="ignore", divide="ignore"):
        found.raw[:, t] = error / spread
        for group in volumes:
            judged = np.isfinite(error[group])
            if judged.sum() >= FEWEST_FOR_COMMON:
                common = float(np.median(error[group][judged]))
                error[group] -= common
                expected[group] += common
        z = np.where(state.scale > 1e-6, error / spread, np.nan)
    found.z[:, t], found.expected[:, t], found.spread[:, t] = z, expected, spread
    known = np.isfinite(error) & ~faulty
    found.adjusted[:, t] = np.where(known, state.level + error, state.level)
    _causal(found, state, root, t, known)
    bounded = np.clip(error, -CLIP * spread, CLIP * spread)
    step = np.where(known, bounded, 0.0)
    state.level += LEVEL_RATE * step
    state.weekday[:, t % WEEK] += WEEKDAY_RATE * (1 - LEVEL_RATE) * step
    moved = (1 - SCALE_RATE) * state.scale + SCALE_RATE * MEAN_DEVIATION * np.abs(bounded) / root
    state.scale = np.where(known, np.maximum(moved, state.floor), state.scale)


def _causal(found: Residuals, state: _State, root: Floats, t: int, known: Bools) -> None:
    """Write the changes of the day, scaled by how large each used to be."""
    y = found.adjusted
    if t < 4 * WEEK:
        return
    now = y[:, t]
    changes = (
        np.stack(
            [
                now - y[:, t - 1],
                now - y[:, t - WEEK],
                now - y[:, t - WEEK : t].mean(axis=1),
                now - y[:, [t - WEEK, t - 2 * WEEK, t - 3 * WEEK, t - 4 * WEEK]].mean(axis=1),
                y[:, t - 1] - y[:, t - 1 - WEEK],
            ],
            axis=1,
        )
        / np.maximum(root * np.maximum(state.scale, 1e-6), 1e-12)[:, None]
    )
    ready = known & np.isfinite(changes).all(axis=1)
    scaled = np.where(ready[:, None], changes / state.causal_scale, 0.0)
    found.causal[:, t] = np.clip(scaled, -50, 50)
    bounded = np.minimum(np.abs(changes), CLIP * state.causal_scale)
    learnt = (1 - SCALE_RATE) * state.causal_scale + SCALE_RATE * MEAN_DEVIATION * bounded
    state.causal_scale = np.where(ready[:, None], np.maximum(learnt, 0.5), state.causal_scale)


def isolation(causal: NDArray[np.float32], candidates: Bools, judged: Bools) -> Floats:
    """Return how easily each candidate is isolated from past days of all series, in [0, 1]; NaN elsewhere.

    A forest is grown every four weeks from the days before, so that no day is judged by a forest that has seen it.

    Args:
        causal: Changes as in `Residuals.causal`.
        candidates: Shape (series, days): what is to be judged.
        judged: Shape (series, days): what a forest may learn from.
    """
    scores = np.full(candidates.shape, np.nan, order="F")
    days = candidates.shape[1]
    begins = int(judged.any(axis=0).argmax()) if judged.any() else days
    for start in range(begins + FIRST_FOREST_DAYS, days, FOREST_EVERY_DAYS):
        at = np.argwhere(judged[:, max(0, start - 8 * FOREST_EVERY_DAYS) : start])
        block = slice(start, start + FOREST_EVERY_DAYS)
        where = np.argwhere(candidates[:, block])
        if len(at) < WEEK or not len(where):
            continue
        at[:, 1] += max(0, start - 8 * FOREST_EVERY_DAYS)
        chosen = np.random.default_rng((FOREST_SEED, start)).choice(len(at), min(len(at), FOREST_ROWS), replace=False)
        rows = at[np.sort(chosen)]
        forest = Forest.grown(causal[rows[:, 0], rows[:, 1]].astype(np.float64), seed=FOREST_SEED + start)
        who, when = where[:, 0], where[:, 1] + start
        scores[who, when] = forest.scores(causal[who, when].astype(np.float64))
    return scores


def windows(found: Residuals) -> tuple[Floats, Floats]:
    """Return by how many standard errors the last week differs from the three weeks before it, and the slope of three weeks.

    The days of both are bounded around a median of weeks: a single day moves them little, and unlike medians they also tell few
    events from none. The slope is that of least squares, in its standard errors.
    """
    y, week, recent = found.adjusted, _weekly_medians(found.adjusted), _recent(found.spread)
    contrast, slope = np.full(y.shape, np.nan, order="F"), np.full(y.shape, np.nan, order="F")
    weights = np.append(np.full(BEFORE_DAYS, -1 / BEFORE_DAYS), np.full(AFTER_DAYS, 1 / AFTER_DAYS))
    weights /= np.sqrt(1 / AFTER_DAYS + 1 / BEFORE_DAYS)
    steps = np.arange(TREND_DAYS) - (TREND_DAYS - 1) / 2
    steps /= np.sqrt((steps**2).sum())
    for t in range(TREND_DAYS - 1, y.shape[1]):
        # Nothing is scaled yet before a series is assessed.
        if not np.isfinite(recent[:, t]).any():
            continue
        slope[:, t] = _bounded(y[:, t - TREND_DAYS + 1 : t + 1], week[:, t - WEEK], recent[:, t]) @ steps
        if t < AFTER_DAYS + BEFORE_DAYS - 1:
            continue
        one, two, three = (week[:, t - back] for back in (WEEK, 2 * WEEK, 3 * WEEK))
        middle = np.maximum(np.minimum(one, two), np.minimum(np.maximum(one, two), three))
        both = y[:, t - AFTER_DAYS - BEFORE_DAYS + 1 : t + 1]
        contrast[:, t] = _bounded(both, middle, recent[:, t - AFTER_DAYS]) @ weights
    return contrast, slope


def _bounded(window: Floats, middle: Floats, scale: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip((window - middle[:, None]) / scale[:, None], -CLIP, CLIP)


def shifts(found: Residuals) -> Floats:
    """Return by how many standard errors the last week differs from the three weeks before it."""
    return windows(found)[0]


def trends(found: Residuals) -> Floats:
    """Return the slope of the last three weeks in standard errors."""
    return windows(found)[1]


def _weekly_medians(values: Floats) -> Floats:
    """Return the median of each day and the six before it; NaN where one is missing."""
    found = np.full(values.shape, np.nan, order="F")
    for t in range(WEEK - 1, values.shape[1]):
        window = values[:, t - WEEK + 1 : t + 1].copy(order="C")
        window.partition(WEEK // 2, axis=1)
        found[:, t] = window[:, WEEK // 2]
    missing = np.cumsum(~np.isfinite(values), axis=1)
    missing[:, WEEK:] -= missing[:, :-WEEK].copy()
    found[missing > 0] = np.nan
    return found


def _recent(values: Floats) -> Floats:
    """Return the mean of each day and the six before it without missing values; NaN where all are missing."""
    counted = np.isfinite(values)
    total, some = np.cumsum(np.where(counted, values, 0.0), axis=1), np.cumsum(counted, axis=1)
    total[:, WEEK:] -= total[:, :-WEEK].copy()
    some[:, WEEK:] -= some[:, :-WEEK].copy()
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = np.where(some > 0, total / some, np.nan)
    return found
