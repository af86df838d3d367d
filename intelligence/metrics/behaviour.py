"""Behavioural segments: groups of users that the data itself sets apart, or the answer that there are none.

Any clustering returns clusters, of noise too. A segmentation counts only where three things hold: between each two groups lies a
valley in the density of the users (Silverman's test of unimodality, 1981, along the line between their centres), the same groups
come back from halves of the users (Hennig 2007), and none is tiny. Else *none found* is the answer.

>>> import numpy as np
>>> import polars as pl
>>> from intelligence.metrics.behaviour import behaviour_segments
>>> random = np.random.default_rng(3)
>>> is_heavy = random.random(3_000) < 0.3
>>> days = 3 + random.binomial(25, np.where(is_heavy, 0.8, 0.2))
>>> events = days * (1 + random.poisson(np.where(is_heavy, 30, 4)))
>>> users = pl.DataFrame({
...     "active_days": days, "events": events, "sessions": days, "duration_s": events * 30.0, "features": 2 * days,
...     "converted_days": random.binomial(days, 0.3), "ratings": random.binomial(days, 0.1),
... })
>>> [(each["segment"], round(each["share"], 2)) for each in behaviour_segments(users)]
[('few events a day, little time a day', 0.68), ('many events a day, much time a day', 0.32)]
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WINDOW_DAYS: Final = 28
FEWEST_DAYS: Final = 3
FEWEST_USERS: Final = 500
MOST_SEGMENTS: Final = 5
# Mean agreement (adjusted Rand index) with the groups of half of the users.
STABLE: Final = 0.8
HALVES: Final = 6
SMALLEST_SHARE: Final = 0.05
ALPHA: Final = 0.01
DRAWS: Final = 199
SAMPLE: Final = 2_000
SET_APART: Final = 0.5
NONE: Final = "none found"
_SEED: Final = 20_260_504
# How each column is worded in the name of a group.
_TRAITS: Final[Mapping[str, str]] = {
    "active_days": "active days",
    "events": "events a day",
    "sessions": "sessions a day",
    "duration_s": "time a day",
    "features": "features a day",
    "converted_days": "conversions",
    "ratings": "ratings",
}


def behaviour_segments(users: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the groups of users that behave differently, the largest first, or one row that says why there are none.

    Args:
        users: One row per user: `active_days`, and the sums `events`, `sessions`, `duration_s`, `features`, `converted_days` and
            `ratings` of `WINDOW_DAYS` days.

    Returns:
        Rows with `segment` (its name), `users`, `share`, `stability` and `note`. Users with fewer than `FEWEST_DAYS` active days
        are in none: too little is known of them.
    """
    known = users.filter(pl.col("active_days") >= FEWEST_DAYS)
    if known.height < FEWEST_USERS:
        return [
            _none(
                f"not enough evidence: {known.height} users with {FEWEST_DAYS} active days, {FEWEST_USERS} are needed"
            )
        ]
    traits, x = _standardised(known)
    if len(traits) < 2:
        return [_none("all users behave alike in all but one respect")]
    sample = x[:: max(1, len(x) // SAMPLE)]
    best = next((found for k in range(MOST_SEGMENTS, 1, -1) if (found := _segmentation(sample, k))), None)
    if best is None:
        return [_none("no groups are set apart and come back from halves of the users: they differ by degrees")]
    centres, stability = best
    groups = _nearest(x, centres)
    names = _names(traits, x, groups, len(centres))
    counts = np.bincount(groups, minlength=len(centres))
    rows = [
        {"segment": name, "users": int(count), "share": float(count / len(x)), "stability": stability, "note": None}
        for name, count in zip(names, counts, strict=True)
    ]
    return sorted(rows, key=lambda row: -row["users"])


def _none(note: str) -> dict[str, Any]:
    return {"segment": NONE, "users": 0, "share": None, "stability": None, "note": note}


def _standardised(users: pl.DataFrame) -> tuple[list[str], Floats]:
    """Return the traits that differ between users, and the users by them, with mean 0 and variance 1.

    Counts are spread over their unit, so that the steps between whole numbers are no valleys.
    """
    random = np.random.default_rng(_SEED)
    days = users["active_days"].cast(pl.Float64).to_numpy()
    columns, traits = [], []
    for name in _TRAITS:
        values = users[name].cast(pl.Float64).fill_null(0.0).to_numpy()
        if np.ptp(values) == 0:
            continue
        spread = values + random.random(len(values))
        column = np.log(spread if name == "active_days" else spread / (days + 1))
        if name in ("converted_days", "ratings"):
            column = spread / (days + 1)
        columns.append((column - column.mean()) / column.std())
        traits.append(name)
    return traits, np.stack(columns, axis=1) if columns else np.empty((users.height, 0))


def _segmentation(x: Floats, k: int) -> tuple[Floats, float] | None:
    """Return the centres of k groups and their stability, where the groups stand the three tests."""
    centres = _clustered(x, k, _SEED)
    groups = _nearest(x, centres)
    if np.bincount(groups, minlength=k).min() < SMALLEST_SHARE * len(x):
        return None
    for one, other in combinations(range(k), 2):
        both = x[(groups == one) | (groups == other)]
        axis = centres[other] - centres[one]
        if not _has_valley(both @ axis / np.linalg.norm(axis)):
            return None
    from sklearn.metrics import adjusted_rand_score

    random, agreements = np.random.default_rng(_SEED), []
    for _ in range(HALVES):
        half = random.permutation(len(x))[: len(x) // 2]
        agreements.append(adjusted_rand_score(groups, _nearest(x, _clustered(x[half], k, _SEED))))
    stability = float(np.mean(agreements))
    return (centres, stability) if stability >= STABLE else None


def _clustered(x: Floats, k: int, seed: int) -> Floats:
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    # A few thousand users are no work for two threads, which would mostly wait for each other.
    with threadpool_limits(limits=1):
        centres: Floats = KMeans(n_clusters=k, n_init=4, random_state=seed).fit(x).cluster_centers_
    return centres


def _nearest(x: Floats, centres: Floats) -> Ints:
    nearest: Ints = np.square(x[:, None, :] - centres[None, :, :]).sum(axis=2).argmin(axis=1)
    return nearest


def _has_valley(values: Floats) -> bool:
    """Return whether the density of the values has two peaks or more, by Silverman's test of unimodality.

    The smallest bandwidth at which the density has one peak is compared with that of samples from this very density.
    """
    width = _critical_width(values)
    random, sd = np.random.default_rng(_SEED), values.std()
    shrink = 1 / np.sqrt(1 + (width / sd) ** 2)
    exceeded = 0
    for _ in range(DRAWS):
        sample = random.choice(values, len(values)) + width * random.standard_normal(len(values))
        exceeded += _peaks(values.mean() + shrink * (sample - values.mean()), width) > 1
        if exceeded + 1 > ALPHA * (DRAWS + 1):
            return False
    return True


def _critical_width(values: Floats) -> float:
    low, high = 1e-3 * values.std(), 2 * values.std()
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if _peaks(values, middle) > 1 else (low, middle)
    return float(high)


def _peaks(values: Floats, width: float, bins: int = 512) -> int:
    """Return the number of peaks of the kernel density of the values."""
    low, high = values.min() - 3 * width, values.max() + 3 * width
    counts, _ = np.histogram(values, bins, (low, high))
    frequencies = np.fft.rfftfreq(2 * bins, (high - low) / bins)
    kernel = np.exp(-2 * np.square(np.pi * frequencies * width))
    density = np.fft.irfft(np.fft.rfft(counts, 2 * bins) * kernel, 2 * bins)[:bins]
    density = density[density > 1e-4 * density.max()]
    rises = np.diff(density) > 0
    return int((rises[:-1] & ~rises[1:]).sum())


def _names(traits: Sequence[str], x: Floats, groups: Ints, k: int) -> list[str]:
    """Return a name for each group: the two traits that set it most apart from all users."""
    names: list[str] = []
    for group in range(k):
        centre = x[groups == group].mean(axis=0) - x[groups != group].mean(axis=0)
        order = [place for place in np.argsort(-np.abs(centre), kind="stable") if abs(centre[place]) >= SET_APART][:2]
        order = sorted(order) or [int(np.argmax(np.abs(centre)))]
        said = ", ".join(f"{'many' if centre[place] > 0 else 'few'} {_TRAITS[traits[place]]}" for place in order)
        said = said.replace("many time", "much time").replace("few time", "little time")
        names.append(said if said not in names else f"{said} ({group + 1})")
    return names
