"""Why did it move? An exact decomposition of a metric's change between two periods, and the part that accounts for it.

A metric is a numerator over a denominator, such as failed events over events. Over the parts of a dimension (platform, release,
segment …) its change is the sum of two terms for each part: what changed in the mix, (w₁ - w₀)(r̄ - R̄), and what changed within,
w̄ (r₁ - r₀), with shares w, rates r and means over both periods (the symmetric, Marshall-Edgeworth or Shapley split). The terms
sum to the change exactly, whatever the order of the periods. A part that exists in one period only has no change within.

A suspect is found by leaving parts out: how much of the change would be gone if the part, or the pair of parts of two dimensions,
were not there in either period. Among those that account for nearly as much as any, the smallest is named, but a whole part before
one of its pairs where the rest of it has moved like the pair. A suspect differs from everything else beyond chance, by intervals
clustered by unit where units are given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from typing import Final

import numpy as np
import polars as pl

from intelligence.causality.covariates import present
from intelligence.causality.interval import Floats, Interval, signed
from intelligence.core.errors import CausalityError, NotEnoughEvidence

NEARLY: Final = 0.8  # of the most that any part accounts for
FEWEST_IN_PART: Final = 30.0  # of the denominator, for a part to be named
# A part is named where chance gives such a difference in one of a hundred comparisons of this size.
CHANCE: Final = 0.01
LIKE: Final = 2.0  # standard errors within which the rest of a part has moved like its pair
MISSING: Final = "not given"
SUMS: Final = ("n", "d", "nn", "nd", "dd")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a dimension, or of a pair of dimensions.

    Attributes:
        names: Value of each dimension.
        mix: What the change of its share contributes to the metric's change.
        within: What the change of its rate contributes.
        share_before: Its share of the denominator before.
        share_after: The same after.
        before: Its rate before, with its interval; None where it did not exist.
        after: Its rate after; None likewise.
    """

    names: tuple[str, ...]
    mix: float
    within: float
    share_before: float
    share_after: float
    before: Interval | None
    after: Interval | None

    @property
    def total(self) -> float:
        """Return what the part contributes in all."""
        return self.mix + self.within


@dataclass(frozen=True)
class Decomposition:
    """The change of a metric over the parts of one or two dimensions.

    Attributes:
        dimensions: The dimensions.
        before: The metric before.
        after: The metric after.
        parts: The parts, those that contribute most first; their totals sum to the change exactly.
    """

    dimensions: tuple[str, ...]
    before: Interval
    after: Interval
    parts: tuple[Part, ...]

    @property
    def change(self) -> Interval:
        """Return the change with its interval, the two periods taken as independent."""
        return Interval(self.after.value - self.before.value, float(np.hypot(self.before.se, self.after.se)))

    @property
    def mix(self) -> float:
        """Return what changed in the mix of all parts."""
        return sum(part.mix for part in self.parts)

    @property
    def within(self) -> float:
        """Return what changed within all parts."""
        return sum(part.within for part in self.parts)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A part that accounts for much of the change, and differs from everything else beyond chance.

    Attributes:
        dimensions: One or two dimensions.
        names: Value of each.
        accounts_for: How much smaller the change is without the part, in the metric's unit.
        share: Its share of the denominator after.
        rate: Its rate after.
        elsewhere: The rate of everything else after.
    """

    dimensions: tuple[str, ...]
    names: tuple[str, ...]
    accounts_for: float
    share: float
    rate: Interval
    elsewhere: Interval

    @property
    def named(self) -> str:
        """Return the part in words, such as `platform android × release 4.2`."""
        return " × ".join(f"{dimension} {name}" for dimension, name in zip(self.dimensions, self.names, strict=True))


@dataclass(frozen=True)
class Why:
    """The answer to why a metric moved. It is an association (grade D): it says where the change is, not what made it.

    Attributes:
        decompositions: By each dimension and pair of dimensions.
        suspect: The part that accounts for most of the change; None where none stands out beyond chance.
        words: The answer in sentences.
    """

    decompositions: tuple[Decomposition, ...]
    suspect: Suspect | None
    words: str

    def by(self, *dimensions: str) -> Decomposition:
        """Return the decomposition by one dimension or a pair of dimensions."""
        return next(each for each in self.decompositions if each.dimensions == dimensions)


def decomposition(
    before: pl.DataFrame,
    after: pl.DataFrame,
    *,
    by: Sequence[str],
    numerator: str,
    denominator: str,
    unit: str | None = None,
) -> Decomposition:
    """Return the exact decomposition of a ratio's change over the parts of the dimensions in `by`, taken together.

    Args:
        before: Rows of the first period, of any grain.
        after: Rows of the second period, of the same grain.
        by: One dimension or more.
        numerator: Column that is summed above the line.
        denominator: Column that is summed below it, at least 0.
        unit: Column of the unit (a user) whose rows depend on each other; None where rows are independent.

    Raises:
        CausalityError: A column is missing or holds no numbers, or a numerator stands above no denominator.
        NotEnoughEvidence: A period has no denominator.
    """
    dimensions = tuple(by)
    return _decomposed(
        dimensions, *(_cells(each, dimensions, numerator, denominator, unit) for each in (before, after))
    )


def why(
    before: pl.DataFrame,
    after: pl.DataFrame,
    *,
    dimensions: Sequence[str],
    numerator: str,
    denominator: str,
    unit: str | None = None,
    metric: str = "",
) -> Why:
    """Return why a ratio moved: its decomposition by each dimension and each pair, and the part that accounts for the change.

    Args:
        before: Rows of the first period, of any grain.
        after: Rows of the second period, of the same grain.
        dimensions: Columns to look at; null counts as a part of its own.
        numerator: Column that is summed above the line.
        denominator: Column that is summed below it, at least 0.
        unit: Column of the unit (a user) whose rows depend on each other; None where rows are independent.
        metric: Name of the metric in the words; the numerator's and denominator's where it is empty.

    Raises:
        CausalityError: A column is missing or holds no numbers, or a numerator stands above no denominator.
        NotEnoughEvidence: A period has no denominator.
    """
    keys: list[tuple[str, ...]] = [*((name,) for name in dimensions), *combinations(dimensions, 2)]
    cells = dict[tuple[str, ...], tuple[Cells, Cells]]()
    for key in keys:
        earlier, later = (_cells(each, key, numerator, denominator, unit) for each in (before, after))
        cells[key] = earlier, later
    found = tuple(_decomposed(key, *cells[key]) for key in keys)
    suspect = _suspect(cells, found[0].change.value)
    return Why(found, suspect, _words(metric or f"{numerator} / {denominator}", found, suspect))


Cells = dict[tuple[str, ...], Floats]


def _cells(frame: pl.DataFrame, by: Sequence[str], numerator: str, denominator: str, unit: str | None) -> Cells:
    """Return for each part the sums over its units: n, d, n², nd and d²."""
    present(frame, [*by, numerator, denominator, *([unit] if unit else [])])
    for name in (numerator, denominator):
        if not (frame[name].dtype.is_numeric() or frame[name].dtype == pl.Boolean):
            raise CausalityError(
                name, f"holds {frame[name].dtype}, not numbers.", hint="Choose columns that can be summed."
            )
    rows = frame.select(
        *(pl.col(name).cast(pl.String).fill_null(MISSING) for name in by),
        *([pl.col(unit).alias("_unit")] if unit else []),
        n=pl.col(numerator).cast(pl.Float64).fill_null(0),
        d=pl.col(denominator).cast(pl.Float64).fill_null(0),
    )
    if unit:
        rows = rows.group_by(*by, "_unit").agg(pl.col("n", "d").sum())
    n, d = pl.col("n"), pl.col("d")
    sums = rows.group_by(by).agg(n.sum(), d.sum(), nn=(n * n).sum(), nd=(n * d).sum(), dd=(d * d).sum()).sort(by)
    if sums.filter((d < 0) | ((d == 0) & (n != 0)) | ~d.is_finite() | ~n.is_finite()).height:
        raise CausalityError(
            denominator, f"is 0, negative or not finite where {numerator} is not.", hint="Count both alike."
        )
    if not sums["d"].sum():
        raise NotEnoughEvidence(denominator, "It is 0 in a whole period.", hint="Choose days with data.")
    values = sums.select(SUMS).to_numpy()
    names = sums.select(by).rows()
    return {name: value for name, value in zip(names, values, strict=True) if value[1] > 0}


def _rate(sums: Floats) -> Interval:
    """Return a ratio of sums with its standard error by the delta method over units."""
    n, d, nn, nd, dd = sums
    rate = n / d
    return Interval(float(rate), float(np.sqrt(max(nn - 2 * rate * nd + rate**2 * dd, 0.0)) / d))


def _decomposed(by: tuple[str, ...], before: Cells, after: Cells) -> Decomposition:
    totals = [np.sum(list(each.values()), axis=0) for each in (before, after)]
    middle = sum(total[0] / total[1] for total in totals) / 2
    parts = []
    for name in sorted(before.keys() | after.keys()):
        shares = [
            each[name][1] / total[1] if name in each else 0.0
            for each, total in zip((before, after), totals, strict=True)
        ]
        rates = [_rate(each[name]) if name in each else None for each in (before, after)]
        known = [rate.value for rate in rates if rate is not None]
        first, last = known[0], known[-1]
        mix = (shares[1] - shares[0]) * ((first + last) / 2 - middle)
        within = (shares[0] + shares[1]) / 2 * (last - first)
        parts.append(Part(name, float(mix), float(within), float(shares[0]), float(shares[1]), rates[0], rates[1]))
    parts.sort(key=lambda part: (-abs(part.total), part.names))
    # A unit with rows in several parts counts as several here; the interval of the whole is that of its parts.
    return Decomposition(by, _rate(totals[0]), _rate(totals[1]), tuple(parts))


@dataclass(frozen=True)
class _Candidate:
    suspect: Suspect
    z: float
    sums: Floats
    before: Floats | None


def _suspect(cells: Mapping[tuple[str, ...], tuple[Cells, Cells]], change: float) -> Suspect | None:
    candidates = list[_Candidate]()
    for key, (before, after) in cells.items():
        wholes = [cells[(dimension,)][0] for dimension in key] if len(key) > 1 else []
        candidates += _candidates(key, before, after, change, wholes)
    critical = NormalDist().inv_cdf(1 - CHANCE / 2 / max(len(candidates), 1))
    way = np.sign(change)
    named = [each for each in candidates if each.suspect.accounts_for * way > 0 and each.z * way > critical]
    if not named:
        return None
    # Beyond the whole change a part accounts for no more than all of it.
    account = {id(each): min(abs(each.suspect.accounts_for), abs(change)) for each in named}
    most = max(account.values())
    near = [each for each in named if account[id(each)] >= NEARLY * most]
    chosen = min(near, key=lambda each: (each.suspect.share, len(each.suspect.dimensions), each.suspect.names))
    return _narrowed(_widened(chosen, near), named).suspect


def _candidates(
    key: tuple[str, ...], before: Cells, after: Cells, change: float, wholes: Sequence[Cells]
) -> list[_Candidate]:
    totals = [np.sum(list(each.values()), axis=0) for each in (before, after)]
    found = []
    for name, sums in after.items():
        rest = [totals[0] - before.get(name, 0.0), totals[1] - sums]
        if sums[1] < FEWEST_IN_PART or min(each[1] for each in rest) <= 0:
            continue
        without = rest[1][0] / rest[1][1] - rest[0][0] / rest[0][1]
        rate, elsewhere = _rate(sums), _rate(rest[1])
        moved, spread = rate.value - elsewhere.value, rate.se**2 + elsewhere.se**2
        # What was different all along has not moved the metric; a new pair is expected to be like the parts that it belongs to.
        known = (
            [(before, name)]
            if name in before
            else [(whole, (each,)) for whole, each in zip(wholes, name, strict=False)]
        )
        earlier = [_gap(cells[each], totals[0] - cells[each]) for cells, each in known if each in cells]
        if earlier:
            was = min(earlier, key=lambda gap: abs(moved - gap.value))
            moved, spread = moved - was.value, spread + was.se**2
        share = float(sums[1] / totals[1][1])
        suspect = Suspect(key, name, float(change - without), share, rate, elsewhere)
        found.append(_Candidate(suspect, float(moved / np.sqrt(spread)) if spread > 0 else 0.0, sums, before.get(name)))
    return found


def _gap(part: Floats, rest: Floats) -> Interval:
    if rest[1] <= 0:
        return Interval(0.0, 0.0)
    own, others = _rate(part), _rate(rest)
    return Interval(own.value - others.value, float(np.hypot(own.se, others.se)))


def _widened(chosen: _Candidate, near: Sequence[_Candidate]) -> _Candidate:
    """Return the whole part of one dimension instead of a pair within it where the rest of it has the rate of the pair."""
    if len(chosen.suspect.dimensions) == 1:
        return chosen
    pair = dict(zip(chosen.suspect.dimensions, chosen.suspect.names, strict=True))
    for whole in near:
        (dimension,), (name,) = whole.suspect.dimensions[:1], whole.suspect.names[:1]
        if len(whole.suspect.dimensions) > 1 or pair.get(dimension) != name:
            continue
        rest = whole.sums - chosen.sums
        if rest[1] < FEWEST_IN_PART:
            # The pair is the whole part: its plainer name says as much.
            return whole
        other, own, elsewhere = _rate(rest), chosen.suspect.rate, whole.suspect.elsewhere
        like_pair = abs(other.value - own.value) <= LIKE * np.hypot(other.se, own.se)
        unlike_others = abs(other.value - elsewhere.value) > LIKE * np.hypot(other.se, elsewhere.se)
        if like_pair and unlike_others:
            return whole
    return chosen


def _narrowed(chosen: _Candidate, named: Sequence[_Candidate]) -> _Candidate:
    """Return a pair within a whole part where the rest of that part has not moved, or is as everything else."""
    if len(chosen.suspect.dimensions) > 1:
        return chosen
    (own,) = zip(chosen.suspect.dimensions, chosen.suspect.names, strict=True)
    usual = chosen.suspect.elsewhere if chosen.before is None else _rate(chosen.before)
    pairs = []
    for each in named:
        rest = chosen.sums - each.sums
        within = own in zip(each.suspect.dimensions, each.suspect.names, strict=True) and each is not chosen
        if within and rest[1] >= FEWEST_IN_PART:
            left = _rate(rest)
            if abs(left.value - usual.value) <= LIKE * np.hypot(left.se, usual.se):
                pairs.append(each)
    return max(pairs, key=lambda each: abs(each.z), default=chosen)


def _words(metric: str, found: Sequence[Decomposition], suspect: Suspect | None) -> str:
    change = found[0].change
    moved = "rose" if change.value > 0 else "fell"
    beyond = "" if change.excludes_zero else ", which is within chance"
    said = f"{metric} {moved} from {found[0].before.value:.4g} to {found[0].after.value:.4g}: {change.words}{beyond}."
    if suspect is None:
        return f"{said} No part stands out beyond chance."
    own = next(each for each in found if each.dimensions == suspect.dimensions)
    share = min(suspect.accounts_for / change.value, 1.0)
    return (
        f"{said} {suspect.named} accounts for {share:.0%} of it (where, not why: grade D): {suspect.rate.value:.4g} there against "
        f"{suspect.elsewhere.value:.4g} elsewhere, at {suspect.share:.0%} of {metric}'s denominator. By "
        f"{' and '.join(suspect.dimensions)}, {signed(own.mix)} is a change of the mix and {signed(own.within)} within."
    )
