"""Scenarios: what would come if something changed, beside what is expected without the change.

Both paths come from one simulation of the fitted model, so their difference has an interval of its own. What the change does to a
figure is measured where an experiment, an estimate of `causality` or the return of earlier users says it; otherwise it is assumed.
Each link says which.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import polars as pl

from intelligence.core.errors import ForecastError, NotEnoughEvidence
from intelligence.forecasts.backtest import NORMAL
from intelligence.forecasts.cleaning import SERIES, Name
from intelligence.forecasts.forecast import QUANTILES, WINDOWS, Outlook
from intelligence.forecasts.models import simulated
from intelligence.forecasts.scales import Floats

PATHS: Final = 2_000
SEED: Final = 17
MEASURED, ASSUMED, GIVEN = "measured", "assumed", "given"
# Which metric of an experiment is which series.
OF_METRIC: Final[Mapping[str, str]] = {
    "active_days_per_unit": "dau",
    "conversion_rate": "conversion_rate",
    "value_per_unit": "value",
    "mean_rating": "mean_rating",
    "retention_7d": "retention_7d",
}
# Evidence of grade D is an association: nobody knows what a change would do.
USABLE: Final = ("A", "B", "C")
# A scenario of more than so many times more is none: nothing in the history is like it.
MOST: Final = 10.0
# The bounds of what a change can lead to, and how they are written.
BOUNDS: Final[Mapping[str, tuple[float, float, str]]] = {
    "rate": (0.0, 1.0, "0 and 100 %"),
    "rating": (1.0, 5.0, "1 and 5"),
}
# In which days after a use somebody counts as active.
WINDOW_DAYS: Final[Mapping[str, int]] = {"dau": 1, "wau": 7, "mau": 28}
# Fewer earlier new users say nothing about how often new users return.
LEAST_NEWCOMERS: Final = 30
_QUANTILES: Final = (0.025, 0.1, 0.5, 0.9, 0.975)
_WORDS: Final = {"conversion": "conversion_rate", "rating": "mean_rating", "retention": "retention_7d", "users": "dau"}
_MOVE: Final = re.compile(
    r"(?P<series>[a-z][a-z0-9_ ]*?)\s*(?P<sign>[+-])\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>points?|pp|%|per ?cent)"
)
_BACK: Final = re.compile(r"roll ?back\s+(?P<feature>\S.*)")
_EXAMPLES: Final = "Write 'conversion_rate +2 points', 'new_users -50 %' or 'rollback FEATURE'."


@dataclass(frozen=True, slots=True)
class Change:
    """What is changed.

    Attributes:
        series: The series that is moved; empty for a rollback.
        amount: By how much: a share of it, or points of a rate.
        is_points: Whether the amount is added to a rate.
        feature: The feature that is rolled back; empty otherwise.
    """

    series: str = ""
    amount: float = 0.0
    is_points: bool = False
    feature: str = ""

    def __str__(self) -> str:
        """Return the change as it is asked for."""
        if self.feature:
            return f"rollback {self.feature}"
        unit = "points" if self.is_points else "%"
        return f"{self.series} {100 * self.amount:+g} {unit}"


@dataclass(frozen=True, slots=True)
class Link:
    """What a change does to a series, and how that is known.

    Attributes:
        target: The series.
        how: `given` by the change, `measured` or `assumed`.
        text: What is measured or assumed, in a sentence.
        grade: Evidence grade of what is measured; None otherwise.
        low: Lower bound of the relative change of the series, where it is one.
        estimate: The relative change.
        high: Upper bound.
        experiments: Experiments that measured it; empty where none did.
    """

    target: str
    how: str
    text: str
    grade: str | None = None
    low: float | None = None
    estimate: float | None = None
    high: float | None = None
    experiments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the effects of a change.

    Attributes:
        results: Effects of experiments: experiment, feature, metric, relative, relative_low, relative_high and grade.
        effects: Effects of adopting the feature on active days: estimate, low, high, baseline and grade.
        share: Share of all user-days of the last four weeks that are of users of the feature.
        only: Share of all user-days on which nothing but the feature was used.
        returns: By days since the first day of earlier new users: their number, how many of them were active on the day, and in the 7
            and 28 days up to it, and how many came again at all by then: columns day, users, dau, wau, mau and again.
    """

    results: pl.DataFrame = field(default_factory=pl.DataFrame)
    effects: pl.DataFrame = field(default_factory=pl.DataFrame)
    share: float | None = None
    only: float | None = None
    returns: pl.DataFrame = field(default_factory=pl.DataFrame)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What comes with and without a change.

    Attributes:
        change: The change.
        series: The series that is looked at.
        link: What the change does to it.
        days: One row per day ahead, and one for their mean with horizon_days 0: base, scenario and difference, each as the median
            with the bounds of its 80 and 95 % intervals.
    """

    change: Change
    series: str
    link: Link
    days: pl.DataFrame


def change_of(text: str) -> Change:
    """Return the change that a text asks for.

    Args:
        text: Such as `conversion_rate +2 points`, `new_users -50 %` or `rollback live_poll`.

    Raises:
        ForecastError: It asks for nothing that can be changed.

    >>> str(change_of("conversion +2 points")), change_of("new_users -50 %").amount, change_of("rollback polls").feature
    ('conversion_rate +2 points', -0.5, 'polls')
    """
    asked = " ".join(text.split())
    back = _BACK.fullmatch(asked)
    if back:
        return Change(feature=back["feature"])
    found = _MOVE.fullmatch(asked)
    if not found:
        raise ForecastError(text, "is no change.", hint=_EXAMPLES)
    name = found["series"].strip().replace(" ", "_")
    series = _WORDS.get(name, name)
    if series not in SERIES or series == "feature_users":
        known = ", ".join(each for each in SERIES if each != "feature_users")
        raise ForecastError(name, "is not forecast.", hint=f"Choose one of {known}.")
    amount = float(f"{found['sign']}{found['number']}") / 100
    is_points = found["unit"].startswith("p") and not found["unit"].startswith("per")
    if is_points and SERIES[series][0] != "rate":
        raise ForecastError(text, f"{series} is no rate, which has points.", hint=f"Write '{series} +5 %'.")
    if not is_points and amount < -1:
        raise ForecastError(text, "nothing can fall by more than 100 %.", hint=_EXAMPLES)
    if is_points and abs(amount) > 1:
        raise ForecastError(text, "a rate has 100 points.", hint=_EXAMPLES)
    if amount > MOST:
        raise ForecastError(
            text, f"a rise of more than {100 * MOST:,.0f} % is like nothing in any history.", hint=_EXAMPLES
        )
    return Change(series=series, amount=amount, is_points=is_points)


def looked_at(change: Change) -> str:
    """Return the series that is looked at where none is asked for."""
    return {"new_users": "dau", "conversion_rate": "value"}.get(change.series, change.series or "dau")


def scenario(change: Change, found: Outlook, evidence: Evidence, *, series: str, days: int) -> Scenario:
    """Return what comes of a series of the whole product with and without a change.

    Args:
        change: The change, which holds from the first day ahead on.
        found: The forecasts.
        evidence: What is known of its effects.
        series: The series to look at.
        days: How many days ahead.

    Raises:
        ForecastError: The series is not forecast, or a number of users is to be changed by points.
        NotEnoughEvidence: Nothing links the change to the series.
    """
    base, ahead = _drawn_paths(found, series, days)
    _require_possible(change, found)
    random = np.random.default_rng(SEED)
    if change.series == "new_users" and series in WINDOWS:
        moved, link = _with_newcomers(change, found, evidence, base, series, random)
    elif change.series == series and change.is_points:
        moved = _bounded(base + change.amount, series)
        link = Link(series, GIVEN, f"{series} is moved by {100 * change.amount:+g} points, as asked.")
    else:
        link = _link(change, found, evidence, series)
        moved = _bounded(base * (1 + _drawn(link, random)[:, None]), series)
    return Scenario(change, series, link, _summary(base, moved, ahead))


def _require_possible(change: Change, found: Outlook) -> None:
    """Refuse a change that leads what is moved out of its bounds; raises ForecastError.

    Args:
        change: The change.
        found: The forecasts.
    """
    kind = SERIES[change.series][0] if change.series else ""
    name = Name(change.series, "all", "")
    forecast = next((each for each in found.forecasts if each.history.name == name), None)
    if kind not in BOUNDS or forecast is None:
        return
    low, high, written = BOUNDS[kind]
    expected = forecast.quantiles[:, QUANTILES.index("value")]
    least, most = float(expected.min()), float(expected.max())
    if change.is_points:
        down, up, unit = least - low, high - most, "points"
    else:
        down, up = 1 - low / max(least, 1e-9), high / max(most, 1e-9) - 1
        unit = "%"
    if -down - 1e-9 <= change.amount <= up + 1e-9:
        return
    shown = f"{100 * most:.3g} %" if kind == "rate" else f"{most:.3g}"
    possible = (
        f"{np.floor(1000 * max(down, 0.0)) / 10:g} {unit} down and {np.floor(1000 * max(up, 0.0)) / 10:g} {unit} up"
    )
    raise ForecastError(
        str(change),
        f"{change.series} is expected at up to {shown} and stays between {written}.",
        hint=f"Possible are at most {possible}.",
    )


def _drawn_paths(found: Outlook, series: str, days: int) -> tuple[Floats, int]:
    """Return simulated paths of a series whose spread on each day is that of its forecast, and their number of days."""
    name = Name(series, "all", "")
    forecast = next((each for each in found.forecasts if each.history.name == name), None)
    if forecast is None or found.backtest is None:
        lacking = next((each.lacks for each in found.lacking if each.name == name), None)
        told = [each.history.name for each in found.forecasts]
        known = ", ".join(each.series for each in told if each.segment == "all" and not each.feature)
        raise ForecastError(
            series, lacking or "is not forecast.", hint=f"Forecast are: {known or 'none; more days are needed'}."
        )
    ahead = min(days, len(forecast.quantiles))
    backtest, row = found.backtest, forecast.row
    shape = simulated(backtest.smoothed.ending, row, ahead=ahead, paths=PATHS, seed=SEED)
    usual = (shape - shape.mean(axis=0)) / np.maximum(shape.std(axis=0), 1e-12)
    centre, reached = backtest.centre[row, :ahead], backtest.intervals
    down, up = centre - reached.low[0, row, :ahead], reached.high[0, row, :ahead] - centre
    return forecast.history.scale.back(centre + usual * np.where(usual < 0, down, up) / NORMAL[0]), ahead


def _link(change: Change, found: Outlook, evidence: Evidence, series: str) -> Link:
    """Return the relative change of a series that a change leads to, measured where that is known, else assumed."""
    if change.feature:
        return _rolled_back(change.feature, evidence, series)
    if change.series == series:
        text = f"{series} is moved by {100 * change.amount:+g} %, as asked."
        return Link(series, GIVEN, text, None, change.amount, change.amount, change.amount)
    if series == "value" and change.series in ("conversion_rate", *WINDOWS):
        return _value(change, found, evidence)
    raise NotEnoughEvidence(
        str(change),
        f"nothing says what it does to {series}.",
        hint=f"Look at {change.series} itself, or at value after a change of conversion_rate or dau, or at dau after one of new_users.",
    )


def _value(change: Change, found: Outlook, evidence: Evidence) -> Link:
    """Return what a change of conversion or of users does to value."""
    relative = change.amount
    if change.is_points:
        base, _ = _drawn_paths(found, change.series, 28)
        relative = change.amount / max(float(np.median(base)), 1e-9)
    ratio = _elasticity(evidence.results) if change.series == "conversion_rate" else None
    if ratio is None:
        text = f"It is assumed that value moves in proportion to {change.series}: no experiment measured both."
        return Link("value", ASSUMED, text, None, relative, relative, relative)
    low, estimate, high, grade, names = ratio
    said = ", ".join(names)
    text = f"Value moves by {estimate:.2f} times the relative change of conversion ({low:.2f} to {high:.2f}), measured in {said}."
    bounds = sorted((low * relative, high * relative))
    return Link("value", MEASURED, text, grade, bounds[0], estimate * relative, bounds[1], names)


def _elasticity(results: pl.DataFrame) -> tuple[float, float, float, str, tuple[str, ...]] | None:
    """Return by how much value moved for each relative change of conversion, over experiments that changed conversion.

    An experiment counts if the interval of its effect on conversion leaves out 0. The ratio has the interval of the delta method.
    """
    if results.is_empty():
        return None
    rows = {(row["experiment"], row["metric"]): row for row in results.iter_rows(named=True)}
    ratios, grades, names = [], [], []
    for (experiment, metric), row in rows.items():
        value = rows.get((experiment, "value_per_unit"))
        if metric != "conversion_rate" or value is None or row["grade"] not in USABLE:
            continue
        if row["relative_low"] <= 0 <= row["relative_high"]:
            continue
        ratio = value["relative"] / row["relative"]
        error = np.hypot(_error(value), ratio * _error(row)) / abs(row["relative"])
        ratios.append((ratio, max(error, 1e-9)))
        grades.append(row["grade"])
        names.append(experiment)
    if not ratios:
        return None
    weights = np.array([1 / error**2 for _, error in ratios])
    estimate = float(np.average([ratio for ratio, _ in ratios], weights=weights))
    reach = float(NORMAL[1] / np.sqrt(weights.sum()))
    return estimate - reach, estimate, estimate + reach, max(grades), tuple(sorted(names))


def _error(row: Mapping[str, Any]) -> float:
    return float((row["relative_high"] - row["relative_low"]) / (2 * NORMAL[1]))


def _rolled_back(feature: str, evidence: Evidence, series: str) -> Link:
    """Return what a series loses or gains where a feature is rolled back."""
    share = evidence.share
    if share is None or share <= 0:
        raise NotEnoughEvidence(
            feature, "nobody used it in the last four weeks.", hint="`intelligence status --all` lists features."
        )
    said = f"its users have {100 * share:.0f} % of all user-days"
    rows = evidence.results.filter(pl.col("feature") == feature) if evidence.results.height else evidence.results
    for row in rows.iter_rows(named=True):
        if OF_METRIC.get(row["metric"]) == series and row["grade"] in USABLE:
            low, middle, high = (
                -share * value / (1 + value) for value in (row["relative_high"], row["relative"], row["relative_low"])
            )
            text = (
                f"Experiment {row['experiment']} measured {row['metric']} at {100 * row['relative']:+.1f} %"
                f" ({100 * row['relative_low']:+.1f} to {100 * row['relative_high']:+.1f}) with it; {said}."
            )
            return Link(series, MEASURED, text, row["grade"], low, middle, high, (row["experiment"],))
    effects = evidence.effects.filter(pl.col("grade").is_in(USABLE)) if evidence.effects.height else evidence.effects
    if series == "dau" and effects.height:
        row = effects.row(0, named=True)
        days = row["baseline"] + row["estimate"]
        low, middle, high = (-share * value / days for value in (row["high"], row["estimate"], row["low"]))
        text = (
            f"Adopting it goes with {row['estimate']:+.2f} active days in four weeks ({row['low']:+.2f} to {row['high']:+.2f}),"
            f" adjusted, without an experiment; {said}."
        )
        return Link(series, MEASURED, text, row["grade"], low, middle, high)
    if series == "dau" and evidence.only is not None:
        aside = ""
        for row in evidence.effects.iter_rows(named=True):
            aside = f" That its users have {row['estimate']:+.2f} active days more is an association (grade {row['grade']})."
        text = (
            f"Nothing measured what it does.{aside} It is assumed that users do not come on days on which they used nothing else:"
            f" {100 * evidence.only:.1f} % of all user-days."
        )
        return Link(series, ASSUMED, text, None, -evidence.only, -evidence.only, -evidence.only)
    raise NotEnoughEvidence(
        f"rollback {feature}",
        f"nothing measured what it does to {series}.",
        hint="Look at dau, for which there is an assumption, or at the goal of its experiment.",
    )


def _with_newcomers(
    change: Change, found: Outlook, evidence: Evidence, base: Floats, series: str, random: np.random.Generator
) -> tuple[Floats, Link]:
    """Return the paths of active users where another number of new users comes, and how that is known.

    Those who come on a day are missed, or added, on each later day to the share to which earlier new users were active then.
    """
    if change.is_points:
        raise ForecastError(str(change), "a number of users has no points.", hint=_EXAMPLES)
    ahead = base.shape[1]
    newcomers, _ = _drawn_paths(found, "new_users", ahead)
    if newcomers.shape[1] < ahead:
        more = np.repeat(newcomers[:, -1:], ahead - newcomers.shape[1], axis=1)
        newcomers = np.concatenate([newcomers, more], axis=1)
    returns = evidence.returns
    known = returns.filter(pl.col("users") >= LEAST_NEWCOMERS).sort("day") if returns.height else returns
    if known.height:
        share, text = _shares_counted(known, series, ahead)
        error = np.sqrt(share * (1 - share) / known["users"].to_numpy()[np.minimum(np.arange(ahead), known.height - 1)])
        link = Link(series, MEASURED, text)
    else:
        whole, _ = _drawn_paths(found, "mau", 1)
        share = np.array([float(np.median(base[:, 0]) / max(np.median(whole), 1e-9))])
        error = np.zeros(1)
        text = f"Too few new users are known: it is assumed that they come as often as others, {100 * share[0]:.0f} % on a day."
        link = Link(series, ASSUMED, text)
    steps = np.minimum(np.arange(ahead), len(share) - 1)
    drawn = np.clip(share[steps] + random.standard_normal((len(base), 1)) * error[steps], 0.0, 1.0)
    difference = np.zeros_like(base)
    for day in range(ahead):
        difference[:, day] = (newcomers[:, : day + 1] * drawn[:, day::-1]).sum(axis=1)
    return np.maximum(base + change.amount * difference, 0.0), link


def _shares_counted(known: pl.DataFrame, series: str, ahead: int) -> tuple[Floats, str]:
    """Return which share of new users counts on each day from their first one on, and how that is known, in a sentence.

    Beyond the days that are known, the last known share is held; where the first use itself may have made them count until then, it
    is the share of those who came again.

    Args:
        known: Rows of `Evidence.returns` with enough users, by day.
        series: dau, wau or mau.
        ahead: How many days are asked for.
    """
    users, last, window = known["users"].to_numpy(), known.height - 1, WINDOW_DAYS[series]
    measured = (known[series] / known["users"]).to_numpy()
    again = float((known["again"] / known["users"]).to_numpy()[-1])
    held = measured[-1] if last >= window else again
    days = np.arange(ahead)
    share = np.where(days < window, 1.0, held) if series != "dau" else np.full(ahead, held)
    share[: min(ahead, last + 1)] = measured[:ahead]
    told = [day for day in (7, 28) if day <= last] or [last]
    said = " and ".join(f"{100 * measured[day]:.0f} % of {users[day]:,} {_after(day)}" for day in told)
    text = f"Of earlier new users count {said}, as in the history: later ones are taken to be alike."
    if last < ahead - 1:
        came = "came again until then" if last < window else "counted on it"
        text += f" Nothing is known beyond {last} days after the first: the {100 * held:.0f} % who {came} are held."
    return share, text


def _after(day: int) -> str:
    return {0: "on the first day", 7: "a week later", 28: "four weeks later"}.get(day, f"{day} days later")


def _drawn(link: Link, random: np.random.Generator) -> Floats:
    """Return draws of the relative change of a link, normal with its interval."""
    if link.estimate is None or link.low is None or link.high is None:
        return np.zeros(PATHS)
    error = (link.high - link.low) / (2 * NORMAL[1])
    return np.asarray(np.maximum(link.estimate + error * random.standard_normal(PATHS), -1.0))


def _bounded(values: Floats, series: str) -> Floats:
    """Return the values within the bounds of their kind."""
    low, high, _ = BOUNDS.get(SERIES[series][0], (-np.inf, np.inf, ""))
    return np.clip(values, low, high)


def _summary(base: Floats, moved: Floats, ahead: int) -> pl.DataFrame:
    """Return the quantiles of both paths and of their difference by day, and of their means over all days."""
    parts: Sequence[tuple[str, Floats]] = (("base", base), ("scenario", moved), ("difference", moved - base))
    columns: dict[str, Any] = {"horizon_days": [*range(1, ahead + 1), 0]}
    for name, paths in parts:
        every = np.concatenate([paths, paths.mean(axis=1, keepdims=True)], axis=1)
        for label, quantile in zip(("low_95", "low_80", "value", "high_80", "high_95"), _QUANTILES, strict=True):
            columns[f"{name}_{label}"] = np.quantile(every, quantile, axis=0)
    return pl.DataFrame(columns)
