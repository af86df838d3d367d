"""Which scores are anomalies: day by day, from the tails of the days before, so that the asked false alarms are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from intelligence.signals.calibration import COMBINED, ISOLATION, RESIDUAL, WINDOW, Tails, needed_surprise

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

KINDS: Final = ("", "point", "shift", "trend")
POINT, SHIFT, TREND = 1, 2, 3
# How the asked false alarms are shared out among the detectors.
SHARES: Final = {POINT: 0.5, SHIFT: 0.25, TREND: 0.25}
LEAST_Z: Final = 2.5
LEFT_Z: Final = 1.0
# A detector listens for so many days before it speaks.
LISTENS_DAYS: Final = 4
# After an anomaly a series teaches nothing about what is usual for so many days.
QUIET_DAYS: Final = 7
# A series with so large a contrast of windows is in the middle of something, and its days are no examples of what is usual.
UNSETTLED: Final = 3.0


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of all detectors, in arrays of shape (series, days).

    Attributes:
        residual: Residuals in standard deviations.
        isolation: How easily a candidate is isolated; NaN where it was not asked, and so far below the tail.
        shift: Contrasts of windows.
        trend: Slopes.
    """

    residual: Floats
    isolation: Floats
    shift: Floats
    trend: Floats


@dataclass(frozen=True, slots=True)
class Alarms:
    """What is anomalous, in arrays of shape (series, days).

    Attributes:
        kind: 0, or the position in KINDS of the detector that found an anomaly.
        surprise: -log10 of the probability by which its score comes by chance.
        needed: The surprise that was needed.
    """

    kind: NDArray[np.int8]
    surprise: Floats
    needed: Floats


def alarms(scores: Scores, family: Ints, guarded: Bools, *, false_alarms_per_week: float) -> Alarms:
    """Return what is anomalous on each day, by the tails of the days before it.

    A residual and its isolation are two views of one deviation: the mean of their surprises is what counts, and it has a tail of
    its own. A shift and a trend count by themselves.

    Args:
        scores: The scores of all detectors.
        family: Metric of each series; the scores of a metric have one tail in each direction.
        guarded: What a guard speaks against, which teaches nothing.
        false_alarms_per_week: How many the product asks for.
    """
    shape = scores.residual.shape
    found = Alarms(
        np.zeros(shape, dtype=np.int8, order="F"), np.zeros(shape, order="F"), np.full(shape, np.inf, order="F")
    )
    groups = 2 * (int(family.max(initial=-1)) + 1)
    windows = {kind: Tails(groups, WINDOW) for kind in (SHIFT, TREND)}
    points = _Points(Tails(groups, RESIDUAL), Tails(1, ISOLATION), Tails(1, COMBINED))
    with np.errstate(invalid="ignore"):
        unsettled = np.asfortranarray((np.abs(scores.shift) >= UNSETTLED) | (np.abs(scores.trend) >= UNSETTLED))
    speaks = {
        kind: _first_day(score) + LISTENS_DAYS
        for kind, score in ((POINT, scores.isolation), (SHIFT, scores.shift), (TREND, scores.trend))
    }
    quiet = np.full(shape[0], QUIET_DAYS + 1)
    for t in range(shape[1]):
        if not np.isfinite(scores.residual[:, t]).any():
            continue
        teaches = ~guarded[:, t] & (quiet > QUIET_DAYS)
        said = {
            POINT: points.said(
                family, scores.residual[:, t], scores.isolation[:, t], teaches=teaches & ~unsettled[:, t]
            ),
            **{
                kind: _said(tails, family, score[:, t], teaches=teaches) * ~_is_over(score[:, t], scores.residual[:, t])
                for (kind, tails), score in zip(windows.items(), (scores.shift, scores.trend), strict=True)
            },
        }
        said = {kind: surprise for kind, surprise in said.items() if t >= speaks[kind]}
        _write(found, t, said, tests=int(np.isfinite(scores.residual[:, t]).sum()), rate=false_alarms_per_week)
        troubled = (found.kind[:, t] > 0) & ~guarded[:, t]
        if (troubled & (quiet > QUIET_DAYS)).any():
            for tails in (*windows.values(), points.residual, points.isolation, points.combined):
                tails.forget(troubled & (quiet > QUIET_DAYS))
        quiet = np.where(troubled, 0, quiet + 1)
    return found


def _first_day(scores: Floats) -> int:
    """Return the position of the first day with a score; one past the last where there is none."""
    some = np.isfinite(scores).any(axis=0)
    return int(some.argmax()) if some.any() else scores.shape[1]


def _write(found: Alarms, t: int, said: Mapping[int, Floats], *, tests: int, rate: float) -> None:
    """Write the anomalies of the day `t`: of several detectors the one that exceeds its need the most."""
    for kind, surprise in said.items():
        # A residual's surprise is of either direction, the tails of the others are of one each.
        need = needed_surprise(rate, share=SHARES[kind], tests=tests * (1 if kind == POINT else 2))
        most = np.where(found.kind[:, t] > 0, found.surprise[:, t] / found.needed[:, t], 1.0)
        better = (surprise >= need) & (surprise / need >= most)
        found.kind[better, t], found.surprise[better, t], found.needed[better, t] = kind, surprise[better], need


def _said(tails: Tails, family: Ints, score: Floats, *, teaches: Bools) -> Floats:
    """Return the surprise of the scores of a day, and learn from them."""
    seen = np.isfinite(score)
    size = np.abs(np.where(seen, score, 0.0))
    group = 2 * family + (score > 0)
    surprise = tails.surprise(group, size)
    learn = teaches & seen
    # The examples of one direction are far below the tail of the other: the shares are of all.
    tails.learn(np.flatnonzero(learn), group[learn], size[learn], others=group[learn] ^ 1)
    return surprise


def _is_over(score: Floats, residual: Floats) -> Bools:
    """Return where the day has left the way that its weeks went: the windows still show what has ended."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sign(score) * residual < -LEFT_Z)


@dataclass(frozen=True, slots=True)
class _Points:
    """The tails of residuals, of isolation, and of the mean of both surprises."""

    residual: Tails
    isolation: Tails
    combined: Tails

    def said(self, family: Ints, z: Floats, isolation: Floats, *, teaches: Bools) -> Floats:
        """Return the surprise of the points of a day, and learn from them."""
        asked = np.flatnonzero(np.isfinite(isolation))
        zeros = np.zeros(len(asked), np.int64)
        seen = np.isfinite(z)
        of_residual = _said(self.residual, family, z, teaches=teaches)[asked]
        both = (of_residual + self.isolation.surprise(zeros, isolation[asked])) / 2
        found = np.zeros(len(z))
        found[asked] = np.where(np.abs(z[asked]) >= LEAST_Z, self.combined.surprise(zeros, both), 0.0)
        learn = teaches[asked]
        rest = np.zeros(int((teaches & seen).sum()) - int(learn.sum()), np.int64)
        self.isolation.learn(asked[learn], zeros[learn], isolation[asked][learn], others=rest)
        self.combined.learn(asked[learn], zeros[learn], both[learn], others=rest)
        return found
