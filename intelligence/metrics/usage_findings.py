"""What stands out in the use of a product: the widest drop in its funnels, and cohorts that stay less.

Everything that is named stands out beyond chance after all comparisons that were made are allowed for; the variation from day to
day and from cohort to cohort is measured, and not taken from the number of users alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from itertools import accumulate
from math import erfc, sqrt
from typing import Final, NamedTuple

import polars as pl

from intelligence.core.discovery import false_discovery_rates
from intelligence.core.facts import Origin, Said, said

RECENT_DAYS: Final = 28
FALSE_DISCOVERY_RATE: Final = 0.05
# Smaller differences are of no use to anybody, however sure they are.
SMALLEST_DROP: Final = 0.05
SMALLEST_GAP: Final = 0.03
FEWEST_ENTRIES: Final = 100
FEWEST_USERS: Final = 30
FEWEST_COHORTS: Final = 4
LATEST_WEEK: Final = 4
_FEWEST_DAYS: Final = 7
# A break that is over is none any more: what came after it has to be seen in the last days too, beyond this chance.
_STILL: Final = 0.05
_PARTS: Final[Mapping[str, str]] = {"platform": "platform", "segment": "segment", "app_version": "release"}
_DROP: Final = Origin("metrics.funnel_day", f"{__name__}:widest_drop", ("funnel", "step"))
_BREAK: Final = Origin("metrics.funnel_day", f"{__name__}:breakages", ("funnel", "step", "dimension", "value"))
_GAP: Final = Origin("metrics.retention_cohorts", f"{__name__}:less_retained_cohorts", ("cohort", "week"))


@dataclass(frozen=True, slots=True)
class Breakage:
    """A platform, segment or release whose users are lost at a step more than before and more than all others.

    Attributes:
        dimension: What it is: platform, segment or app_version.
        value: Its name.
        since: The first day of entry from which on it is so.
        before: Share that took the step before that day.
        after: Share that has taken it since.
        others: Share of all other users that has taken it since.
        p_value: Chance of as large a difference, allowing for all comparisons.
    """

    dimension: str
    value: str
    since: date
    before: float
    after: float
    others: float
    p_value: float


@dataclass(frozen=True, slots=True)
class FunnelDrop:
    """The step at which a funnel loses most of those who reached the step before it.

    Attributes:
        funnel: Name of the funnel.
        step: Place of the step, from 2 up.
        step_name: Its name.
        reached_before: Entries that reached the step before, in the last complete days.
        converted: Entries that reached this one.
        looked_at: Kinds of parts that were compared: platform, segment, app_version.
        breakage: What stands out at any step of any funnel; None where nothing does beyond chance.
        broken_funnel: Name of the funnel in which it stands out; empty where nothing does.
        broken_step: Name of the step.
    """

    funnel: str
    step: int
    step_name: str
    reached_before: int
    converted: int
    looked_at: tuple[str, ...] = ()
    breakage: Breakage | None = None
    broken_funnel: str = ""
    broken_step: str = ""

    @property
    def lost(self) -> float:
        """Return the share that is lost."""
        return 1 - self.converted / self.reached_before

    def sentence(self) -> Said:
        """Return the drop in words, and what stands out."""
        row = {"funnel": self.funnel, "step": self.step_name, "lost": self.lost, "reached_before": self.reached_before}
        told = said(
            "the widest drop is in {}: {} of {} do not go on to {}",
            _DROP.fact(row, "funnel"),
            _DROP.fact(row, "lost", "{:.0%}", unit="share"),
            _DROP.fact(row, "reached_before", "{:,}", unit="entries"),
            _DROP.fact(row, "step"),
        )
        found = self.breakage
        if found is None:
            parts = " or ".join(_PARTS[each] for each in self.looked_at)
            return said(f"{{}}; no {parts} stands out beyond chance." if parts else "{}.", told)
        row = {"funnel": self.broken_funnel, "step": self.broken_step, **asdict(found)}
        where = (
            said("in {} at {}", _BREAK.fact(row, "funnel"), _BREAK.fact(row, "step"))
            if self.broken_funnel != self.funnel
            else said("at {}", _BREAK.fact(row, "step"))
        )
        return said(
            f"{{}}; {{}} {_PARTS[found.dimension]} {{}} stands out since {{}}: {{}} go on, {{}} before and {{}} of the others.",
            told,
            where,
            _BREAK.fact(row, "value"),
            _BREAK.fact(row, "since"),
            *(_BREAK.fact(row, name, "{:.0%}", unit="share") for name in ("after", "before", "others")),
        )


@dataclass(frozen=True, slots=True)
class CohortGap:
    """A weekly cohort that stays less than the others.

    Attributes:
        cohort: Monday of the week of its first use.
        week: Weeks after it.
        users: Users of the cohort.
        retained: Those of them who were there in that week.
        expected: Share of the other cohorts that was there in the same week of theirs.
        p_value: Chance of as large a gap, allowing for all cohorts and weeks that were compared.
    """

    cohort: date
    week: int
    users: int
    retained: int
    expected: float
    p_value: float

    def sentence(self) -> Said:
        """Return the gap in words."""
        row = {**asdict(self), "rate": self.retained / self.users}
        return said(
            "the {} users who began in the week from {} on stay less: {} were there in week {}, {} of the other cohorts.",
            _GAP.fact(row, "users", "{:,}", unit="users"),
            _GAP.fact(row, "cohort"),
            _GAP.fact(row, "rate", "{:.0%}", unit="share"),
            _GAP.fact(row, "week", unit="weeks"),
            _GAP.fact(row, "expected", "{:.0%}", unit="share"),
        )


def widest_drop(funnels: pl.DataFrame) -> FunnelDrop | None:
    """Return the widest drop between two steps of the funnels in the last complete days, and what stands out in its funnel.

    A platform, segment or release stands out where the share of its users who take a step has fallen, on a day of entry that is
    looked for, against that of all others. Each comparison of before and after is scaled by the variation between days, and the
    smallest chance over all days is multiplied by their number (Bonferroni); over funnels, steps and parts the share of false
    findings is held at 5 % (Benjamini and Hochberg).

    A break that is over is not named: it has to show in the last days as well.

    Args:
        funnels: Rows of `metrics.funnel_day`.
    """
    complete = funnels.filter(pl.col("is_complete") & (pl.col("step") > 1) & (pl.col("reached_before") > 0))
    if complete.is_empty():
        return None
    last = pl.col("event_date").max().over("funnel")
    days = complete.filter(pl.col("event_date") > last.dt.offset_by(f"-{RECENT_DAYS}d"))
    totals = (
        days.filter(dimension="all")
        .group_by("funnel", "step", "step_name")
        .agg(pl.col("reached_before", "converted").sum())
        .filter(pl.col("reached_before") >= FEWEST_ENTRIES)
        .with_columns(kept=pl.col("converted") / pl.col("reached_before"))
        .sort("kept", "funnel", "step")
    )
    if totals.is_empty():
        return None
    row = totals.row(0, named=True)
    drop = FunnelDrop(
        row["funnel"],
        row["step"],
        row["step_name"],
        row["reached_before"],
        row["converted"],
        tuple(each for each in _PARTS if complete.filter(dimension=each).height),
    )
    broken = breakages(complete)
    if not broken:
        return drop
    name, step_name, breakage = broken[0]
    return replace(drop, breakage=breakage, broken_funnel=name, broken_step=step_name)


def breakages(complete: pl.DataFrame) -> list[tuple[str, str, Breakage]]:
    """Return the funnel, the step and the part that stands out, the surest first; empty where nothing does beyond chance.

    Args:
        complete: Rows of `metrics.funnel_day` of complete days, without the first steps.
    """
    found = []
    key = ["funnel", "step", "step_name", "dimension", "value"]
    whole = complete.filter(dimension="all").select("funnel", "step", "event_date", "reached_before", "converted")
    parts = complete.filter(pl.col("dimension") != "all").join(
        whole, on=["funnel", "step", "event_date"], suffix="_all"
    )
    for names, rows in parts.group_by(key, maintain_order=True):
        funnel, _, step_name, dimension, value = names
        breakage = _breakage(str(dimension), str(value), rows.sort("event_date"))
        if breakage is not None:
            found.append((str(funnel), str(step_name), breakage))
    kept = false_discovery_rates([breakage.p_value for _, _, breakage in found])
    chosen = [
        (funnel, step_name, _with_p(breakage, p))
        for (funnel, step_name, breakage), p in zip(found, kept, strict=True)
        if p <= FALSE_DISCOVERY_RATE and breakage.before - breakage.after >= SMALLEST_DROP
    ]
    return sorted(chosen, key=lambda each: (each[2].p_value, each[0], each[1], each[2].value))


def _breakage(dimension: str, value: str, rows: pl.DataFrame) -> Breakage | None:
    """Return the sharpest fall of a part against all others over the possible first days; None with too little to compare."""
    part = _Running.of(rows["reached_before"].to_list(), rows["converted"].to_list())
    others = _Running.of(*((rows[f"{name}_all"] - rows[name]).to_list() for name in ("reached_before", "converted")))
    days = rows["event_date"].to_list()
    best: tuple[float, int] | None = None
    tried = 0
    for cut in range(_FEWEST_DAYS, len(days) - _FEWEST_DAYS + 1):
        z = _fall(part, others, (0, cut), (cut, len(days)))
        if z is None:
            continue
        tried += 1
        if best is None or z < best[0]:
            best = (z, cut)
    if best is None:
        return None
    z, cut = best
    newest = _newest(part, others, cut)
    if newest is None or 0.5 * erfc(-newest / sqrt(2)) > _STILL:
        return None
    before, after = part.between(0, cut), part.between(cut, len(days))
    p_value = min(1.0, tried * 0.5 * erfc(-z / sqrt(2)))
    return Breakage(dimension, value, days[cut], before.rate, after.rate, others.between(cut, len(days)).rate, p_value)


def _fall(part: "_Running", others: "_Running", before: tuple[int, int], after: tuple[int, int]) -> float | None:
    """Return the change of a part against that of all others, in standard errors; None with too little to compare."""
    sides = [(part.between(*side), others.between(*side)) for side in (before, after)]
    if any(side.entered < FEWEST_ENTRIES for both in sides for side in both):
        return None
    change, variance = 0.0, 0.0
    for sign, both in zip((-1, 1), sides, strict=True):
        for of_part, side in zip((1, -1), both, strict=True):
            change += sign * of_part * side.rate
            variance += max(side.rate * (1 - side.rate), 1 / side.entered) / side.entered
    spread = max(1.0, *(_spread(first, second) for first, second in zip(*sides, strict=True)))
    return change / sqrt(variance * spread)


def _newest(part: "_Running", others: "_Running", cut: int) -> float | None:
    """Return the fall that the newest days show by themselves: the fewest of them, from seven up, that have enough entries."""
    end = len(part.entered) - 1
    falls = (_fall(part, others, (0, cut), (start, end)) for start in range(end - _FEWEST_DAYS, cut - 1, -1))
    return next((fall for fall in falls if fall is not None), None)


class _Side(NamedTuple):
    """The days of one side: their number, who entered and went on, and the sum of squares of those who went on by who entered."""

    days: int
    entered: int
    converted: int
    squares: float

    @property
    def rate(self) -> float:
        return self.converted / self.entered


@dataclass(frozen=True, slots=True)
class _Running:
    """Running sums over days, so that any range of them is a difference of two."""

    entered: Sequence[int]
    converted: Sequence[int]
    squares: Sequence[float]

    @classmethod
    def of(cls, entered: Sequence[int], converted: Sequence[int]) -> "_Running":
        squares = (done**2 / number if number else 0.0 for number, done in zip(entered, converted, strict=True))
        return cls(
            tuple(accumulate(entered, initial=0)),
            tuple(accumulate(converted, initial=0)),
            tuple(accumulate(squares, initial=0.0)),
        )

    def between(self, start: int, end: int) -> _Side:
        return _Side(
            end - start,
            self.entered[end] - self.entered[start],
            self.converted[end] - self.converted[start],
            self.squares[end] - self.squares[start],
        )


def _spread(*sides: _Side) -> float:
    """Return how much more the days of each side vary than users who are independent of each other would."""
    total, freedom = 0.0, 0
    for side in sides:
        rate = side.rate
        if not 0 < rate < 1:
            continue
        # The sum over days of (converted - rate * entered)^2 / (entered * rate * (1 - rate)).
        total += (side.squares - rate * side.converted) / (rate * (1 - rate))
        freedom += side.days - 1
    return total / freedom if freedom > 0 else 1.0


def less_retained_cohorts(cohorts: pl.DataFrame) -> list[CohortGap]:
    """Return the weekly cohorts that stay less than the others beyond chance, the surest first; each with its widest gap.

    Every mature cohort of users who are surely new is compared with all others in the same week after their first. The variation
    between those others widens the comparison (Student's t), and over all cohorts and weeks the share of false findings is held at 5 %
    (Benjamini and Hochberg).

    Args:
        cohorts: Rows of `metrics.retention_cohorts`.
    """
    found = list(_gaps(_comparable(cohorts)))
    kept = false_discovery_rates([gap.p_value for gap in found])
    sure = [
        CohortGap(gap.cohort, gap.week, gap.users, gap.retained, gap.expected, p)
        for gap, p in zip(found, kept, strict=True)
        if p <= FALSE_DISCOVERY_RATE and gap.expected - gap.retained / gap.users >= SMALLEST_GAP
    ]
    widest: dict[date, CohortGap] = {}
    for gap in sorted(sure, key=lambda each: (each.p_value, each.cohort, each.week)):
        widest.setdefault(gap.cohort, gap)
    return list(widest.values())


def compared_cohorts(cohorts: pl.DataFrame) -> int:
    """Return how many weekly cohorts are compared with the others: those with enough users, where there are enough of them.

    Args:
        cohorts: Rows of `metrics.retention_cohorts`.
    """
    return len({gap.cohort for gap in _gaps(_comparable(cohorts))})


def _comparable(cohorts: pl.DataFrame) -> pl.DataFrame:
    return cohorts.filter(
        pl.col("is_mature"),
        pl.col("is_surely_new"),
        pl.col("first_age") <= LATEST_WEEK,
        pl.col("users") >= FEWEST_USERS,
        grain="week",
        dimension="all",
        definition="n_week",
    ).sort("first_age", "cohort")


def _gaps(asked: pl.DataFrame) -> Iterator[CohortGap]:
    """Yield the comparison of each cohort with all others of the same age."""
    from scipy.special import stdtr

    for _, rows in asked.group_by("first_age", maintain_order=True):
        if rows.height < FEWEST_COHORTS:
            continue
        people, retained = rows["users"].to_list(), rows["retained"].to_list()
        for place, row in enumerate(rows.iter_rows(named=True)):
            n, k = ([each for other, each in enumerate(values) if other != place] for values in (people, retained))
            rate = sum(k) / sum(n)
            if not 0 < rate < 1:
                continue
            spread = sum(
                (done - rate * number) ** 2 / (number * rate * (1 - rate)) for number, done in zip(n, k, strict=True)
            )
            scale = max(1.0, spread / (len(n) - 1))
            gap = row["retained"] / row["users"] - rate
            z = gap / sqrt(scale * rate * (1 - rate) * (1 / row["users"] + 1 / sum(n)))
            chance = float(stdtr(len(n) - 1, z))
            yield CohortGap(row["cohort"], row["first_age"], row["users"], row["retained"], rate, chance)


def _with_p(breakage: Breakage, p_value: float) -> Breakage:
    return Breakage(
        breakage.dimension, breakage.value, breakage.since, breakage.before, breakage.after, breakage.others, p_value
    )


def added_up(days: pl.DataFrame) -> pl.DataFrame:
    """Return funnels with their days of entry added up, by step and part; times are the median of the days.

    Releases are left out, since there are too many.

    Args:
        days: Complete rows of `metrics.funnel_day`.
    """
    return (
        days.filter(pl.col("dimension") != "app_version")
        .group_by("funnel", "step", "step_name", "dimension", "value")
        .agg(pl.col("entered", "converted", "reached_before").sum(), pl.col("median_s").median())
        .sort("funnel", "step", pl.col("dimension") != "all", "dimension", "value")
    )
