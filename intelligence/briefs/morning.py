"""The morning paragraph: what a product manager asks first, in sentences, each with what it is compared with.

>>> import polars as pl
>>> from datetime import date
>>> weeks = pl.DataFrame({
...     "weeks_ago": [0, 1, 2, 3, 4], "last_day": [date(2026, 8, 1)] * 5, "users_a_day": [3500.0, 2800.0, 2750.0, 2900.0, 2810.0],
...     "conversion_rate": [0.68, 0.69, 0.67, 0.68, 0.7], "mean_rating": [4.1] * 5, "crash_free_user_rate": [0.99] * 5,
...     "value_a_day": [None] * 5,
... })
>>> week_sentence(weeks).split("; ")[0]
'In the week to 2026-08-01, 3,500 users a day: more than the four weeks before let expect (2,407 to 3,223)'
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from math import inf
from typing import Any, Final

import polars as pl

from intelligence.core.facts import LOWER, Fact, Origin, Said, constant, joined, said
from intelligence.core.grades import HIGHEST
from intelligence.metrics.usage_findings import LATEST_WEEK, compared_cohorts, less_retained_cohorts, widest_drop

_WEEKS: Final = Origin("metrics.kpi_day", "briefs/weeks.sql", ("weeks_ago",))
_UNUSUAL: Final = Origin("signals.episodes, causality.degradations", "briefs/unusual.sql", ("episode",))
_JUDGED: Final = Origin("telemetry.day_quality", "briefs/judged.sql", ("event_date",))
_COMING: Final = Origin("forecasts.forecasts", "briefs/coming.sql")
_COHORTS: Final = Origin("metrics.retention_cohorts", "briefs/cohorts.sql", ("cohort", "first_age"))
_WRONG: Final = Origin("forecasts.accuracy", "briefs/wrong.sql")
_EVIDENCE: Final = Origin("metrics.feature_health", "catalog/summary/evidence.sql", ("event_date",))
# How the number of a KPI is written, and the words around it, in the order in which they are told.
_WORDED: Final[Mapping[str, tuple[str, str]]] = {
    "users_a_day": ("{:,.0f}", "{} users a day"),
    "conversion_rate": ("{:.1%}", "conversion {}"),
    "mean_rating": ("{:.2f}", "ratings {}"),
    "crash_free_user_rate": ("{:.1%}", "users without a crash {}"),
    "value_a_day": ("{:,.2f}", "value {} a day"),
}
# A rate of what is never said is no news, however good it looks.
_RESTS_ON: Final[Mapping[str, str]] = {"conversion_rate": "conversion", "crash_free_user_rate": "crashed"}
_UNASSESSED: Final[Mapping[str, str]] = {
    "pipeline_fault": "because the telemetry of the day is at fault, not the product",
    "low_volume": "with too few events",
    "no_events": "without an event",
}
WEEKS: Final = 4
MOST_GAPS: Final = 2
MOST_TROUBLES: Final = 3
# Troubles of the same part that begin within so many days are one.
SAME_DAYS: Final = 7
# Where a week like those before may differ from their mean by more than this share, that it does not is little news.
_WIDE: Final = 0.25
# What the figures of a week can be at all; an amount may be negative, as refunds are.
_LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "users_a_day": (0.0, inf),
    "conversion_rate": (0.0, 1.0),
    "mean_rating": (1.0, 5.0),
    "crash_free_user_rate": (0.0, 1.0),
    "value_a_day": (-inf, inf),
}
# The 99.5 % quantile of Student's t with WEEKS - 1 degrees of freedom: five KPIs at 99 % are no news together in 95 % of weeks.
_T: Final = 5.841


def week_sentence(weeks: pl.DataFrame, *, unknown: Collection[str] = ()) -> Said:
    """Return how the last week compares with the four weeks before; what they let expect is no news.

    What they let expect is the 99 % prediction interval of one more week like them, by the spread between these weeks; all KPIs
    together are then news in about one of twenty weeks like the others.

    Args:
        weeks: What `briefs/weeks.sql` returns; the newest week has `weeks_ago` 0.
        unknown: Kinds of data that the product does not have: `crashed` and `conversion` are left out then.
    """
    newest = weeks.filter(weeks_ago=0)
    if newest.is_empty():
        return said("No week is complete yet.")
    row = newest.row(0, named=True)
    before = weeks.filter(pl.col("weeks_ago") > 0)
    known = [name for name in _WORDED if row[name] is not None and _RESTS_ON.get(name) not in unknown]
    if not weeks["value_a_day"].drop_nulls().to_numpy().any():
        known = [name for name in known if name != "value_a_day"]
    begin = said("In the week to {}, ", _WEEKS.fact(row, "last_day"))
    if before.height < WEEKS:
        few = _WEEKS.fact(row, "weeks_ago.before", value=before.height, unit="weeks")
        return said(
            "{}{}; {} of {} weeks before are known, too few to compare with.",
            begin,
            joined(", ", (_worded(name, row) for name in known)),
            few,
            constant("weeks compared with", WEEKS, unit="weeks"),
        )
    parts, usual, varying = [], [], []
    for name in known:
        expected = _expected(name, before[name])
        if expected is None:
            parts.append(said("{}, with nothing to compare it with", _worded(name, row)))
            continue
        low, high = expected
        told, ends = _worded(name, row, expected), _ends(name, row, expected)
        if low <= row[name] <= high and high - low > _WIDE * abs(low + high):
            varying.append(said("{} ({})", told, ends))
            continue
        if low <= row[name] <= high:
            usual.append(told)
            continue
        side = "more" if row[name] > high else "less"
        parts.append(said(f"{{}}: {side} than the four weeks before let expect ({{}})", told, ends))
    if usual:
        parts.append(said("as in the four weeks before: {}", joined(", ", usual)))
    if varying:
        parts.append(said("within what the four weeks before let expect, which vary widely: {}", joined(", ", varying)))
    return said("{}{}.", begin, joined("; ", parts))


def is_usual(weeks: pl.DataFrame, *, unknown: Collection[str] = ()) -> bool:
    """Return whether no figure of the last week is beyond what the four weeks before let expect.

    Args:
        weeks: What `briefs/weeks.sql` returns.
        unknown: Kinds of data that the product does not have.
    """
    return " than the four weeks before let expect" not in week_sentence(weeks, unknown=unknown)


def kpi_sentence(weeks: pl.DataFrame, name: str) -> Said:
    """Return one KPI of the last week beside what the four weeks before it let expect.

    Args:
        weeks: What `briefs/weeks.sql` returns.
        name: The column of the KPI, such as `users_a_day`.
    """
    newest = weeks.filter(weeks_ago=0)
    if newest.is_empty() or newest[name].item() is None:
        return said("Not known for a whole week yet.")
    row = newest.row(0, named=True)
    expected = _expected(name, weeks.filter(pl.col("weeks_ago") > 0)[name])
    told = said("{} in the week to {}", _worded(name, row, expected), _WEEKS.fact(row, "last_day"))
    if expected is None:
        return said("{}; too few weeks before it to compare with", told).sentence()
    low, high = expected
    if low <= row[name] <= high:
        return said("{}, as the four weeks before let expect ({})", told, _ends(name, row, expected)).sentence()
    side = "more" if row[name] > high else "less"
    return said(
        f"{{}}: {side} than the four weeks before let expect ({{}})", told, _ends(name, row, expected)
    ).sentence()


def unusual_sentences(episodes: pl.DataFrame, unjudged: Said | None = None) -> list[Said]:
    """Return the three most unusual things of the newest day, each with its likely cause and what belongs to the same.

    Episodes whose change lies in the same part of the product, and which began within a week of each other, are one.

    Args:
        episodes: What `briefs/unusual.sql` returns: all of them, the most severe first.
        unjudged: Why nothing can be said of the newest day, as `unjudged_sentence` says it; empty where something can.
    """
    if episodes.is_empty():
        return [unjudged or said("Nothing is unusual for the worse.")]
    troubles: list[list[Mapping[str, Any]]] = []
    for row in episodes.iter_rows(named=True):
        same = (
            trouble
            for trouble in troubles
            if row["suspect"] == trouble[0]["suspect"] is not None
            and abs((row["first_day"] - trouble[0]["first_day"]).days) <= SAME_DAYS
        )
        found = next(same, None)
        if found is None:
            troubles.append([row])
        else:
            found.append(row)
    shown = [
        said("({}) {}", constant("place", place), _trouble(each))
        for place, each in enumerate(troubles[:MOST_TROUBLES], start=1)
    ]
    if len(troubles) <= MOST_TROUBLES:
        return [said("Unusual:"), *shown]
    total = _UNUSUAL.fact(episodes.row(0, named=True), "episode.count", value=len(troubles), unit="troubles")
    return [said("Unusual, the first {} of {}:", constant("most troubles", MOST_TROUBLES), total), *shown]


def unjudged_sentence(judged: Mapping[str, Any] | None, *, least_days: int) -> Said:
    """Return why it cannot be said whether the newest day is unusual; empty where it can.

    Args:
        judged: What `briefs/judged.sql` returns; None without a day.
        least_days: Days of history that are needed, as product.yaml has it.
    """
    if judged is None:
        return said("What is unusual cannot be said: no day is complete yet.")
    day = _JUDGED.fact(judged, "event_date")
    if judged["days_before"] < least_days:
        return said(
            "What is unusual cannot be said yet: {} sound days are known before {}, and {} are needed.",
            _JUDGED.fact(judged, "days_before", "{:,}", unit="days"),
            day,
            constant("days of history that are needed", least_days, unit="days"),
        )
    if judged["verdict"] not in ("whole", "unknown"):
        return said(
            "What is unusual on {} cannot be said: its telemetry is at fault ({}).", day, _JUDGED.fact(judged, "reason")
        )
    return Said()


def _trouble(episodes: Sequence[Mapping[str, Any]]) -> Said:
    first, *others = episodes
    told = said("since {} {}", _UNUSUAL.fact(first, "first_day"), _UNUSUAL.fact(first, "title", LOWER))
    if first["suspect"]:
        share = _UNUSUAL.fact(first, "accounts_for", "{:.0%}", unit="share", grade=HIGHEST["association"])
        told = said("{}; {} of the change lies in {}", told, share, _UNUSUAL.fact(first, "suspect"))
    if others:
        features = {feature: each for each in others for feature in each["features"]}
        named = [_UNUSUAL.fact(each, f"features.{feature}", value=feature) for feature, each in features.items()]
        told = said("{}; so does that of {}", told, joined(", ", named))
    if first["likely_cause"]:
        return said("{}; at the same time {}.", told, _UNUSUAL.fact(first, "likely_cause"))
    return said("{}.", told)


def wrong_sentences(found: Mapping[str, Any] | None) -> list[Said]:
    """Return that forecasts were wrong beyond their intervals, which is a signal; nothing where none was.

    Args:
        found: What `briefs/wrong.sql` returns: the first of them, and how many there are.
    """
    if found is None:
        return []
    answer = _WRONG.fact(found, "answer")
    if found["forecasts"] == 1:
        return [said("A forecast was wrong for days: {}", answer)]
    more = _WRONG.fact(found, "forecasts.more", value=found["forecasts"] - 1, unit="forecasts")
    return [said("A forecast was wrong for days ({} more): {}", more, answer)]


def unassessed_sentence(day: date, evidence: Mapping[str, int]) -> Said | None:
    """Return in a sentence how many features could not be assessed on a day, and why; None where all could.

    Args:
        day: The day.
        evidence: Number of features by the column `evidence` of feature_health.
    """
    row = {"event_date": day, **evidence}
    reasons = [
        said(f"{{}} {words}", _EVIDENCE.fact(row, reason, "{:,}", unit="features"))
        for reason, words in _UNASSESSED.items()
        if evidence.get(reason)
    ]
    if not reasons:
        return None
    assessed, total = evidence.get("enough", 0), sum(evidence.values())
    what = (
        said(
            "{} of {} features lacked evidence",
            _EVIDENCE.fact(row, "features.unassessed", "{:,}", value=total - assessed, unit="features"),
            _EVIDENCE.fact(row, "features.all", "{:,}", value=total, unit="features"),
        )
        if assessed
        else said("No feature could be judged")
    )
    return said("{} on {}: {}.", what, _EVIDENCE.fact(row, "event_date"), joined(", ", reasons))


def coming_sentence(row: Mapping[str, Any] | None) -> Said:
    """Return how many daily users are expected in four weeks, with the interval and how often such intervals held.

    Args:
        row: What `briefs/coming.sql` returns; None without any forecast.
    """
    if row is None:
        return said("No forecast was made.")
    if row["value"] is None:
        return said("Daily users are not forecast: {}", _COMING.fact(row, "note"))
    told = said(
        "On {}, {} daily users are expected ({} to {})",
        _COMING.fact(row, "forecast_date"),
        _COMING.fact(row, "value", "{:,.0f}", unit="daily users", low=row["low_80"], high=row["high_80"]),
        *(_COMING.fact(row, name, "{:,.0f}", unit="daily users") for name in ("low_80", "high_80")),
    )
    level = constant("level of the interval", 80, unit="%")
    if row["coverage_80"] is None:
        return said("{}; how often such an {} % interval holds is not known yet.", told, level)
    return said(
        "{}; such {} % intervals held {} of the time so far ({} to {}).",
        told,
        level,
        *(
            _COMING.fact(row, name, "{:.0%}", unit="share")
            for name in ("coverage_80", "coverage_80_low", "coverage_80_high")
        ),
    )


def staying_sentences(cohorts: pl.DataFrame) -> list[Said]:
    """Return how many of the newest newcomers were there four weeks later, beside those before, and which week's stay less.

    Args:
        cohorts: What `briefs/cohorts.sql` returns: weekly cohorts of the whole product.
    """
    known = cohorts.filter(pl.col("first_age") == LATEST_WEEK, "is_mature", "is_surely_new", pl.col("users") > 0)
    shown = known.sort("cohort").tail(WEEKS)
    if shown.is_empty():
        return [said("Who stays is not known yet: no newcomers came four weeks ago or earlier.")]
    *earlier, newest = shown.iter_rows(named=True)
    who = (
        said("the one user")
        if newest["users"] == 1
        else said("the {} users", _COHORTS.fact(newest, "users", "{:,}", unit="users"))
    )
    told = said(
        "Of {} who began in the week from {} on, {} were there {} weeks later ({} to {})",
        who,
        _COHORTS.fact(newest, "cohort"),
        _share(newest, "rate"),
        _COHORTS.fact(newest, "first_age", unit="weeks"),
        _share(newest, "low"),
        _share(newest, "high"),
    )
    if earlier:
        told = said("{}; of the weeks before {}", told, joined(", ", (_share(each, "rate") for each in earlier)))
    gaps = less_retained_cohorts(cohorts)
    if not gaps and not compared_cohorts(cohorts):
        few = "Too few newcomers in too few weeks to say whether one week's stay less than the others."
        return [said(f"{{}}. {few}", told)]
    if not gaps:
        return [said("{}. No week's newcomers stay less than those of the others beyond chance.", told)]
    return [said("{}.", told), *(gap.sentence().sentence() for gap in gaps[:MOST_GAPS])]


def losing_sentence(funnels: pl.DataFrame) -> Said:
    """Return the widest drop of the funnels, and the platform, segment or release at which one broke.

    Args:
        funnels: What `briefs/funnels.sql` returns: the days of entry of the last weeks.
    """
    if funnels.is_empty():
        return said("No funnel is declared, or nobody has entered one.")
    drop = widest_drop(funnels)
    return drop.sentence().sentence() if drop else said("No funnel has enough entries whose time is over.")


def _share(row: Mapping[str, Any], name: str) -> Fact:
    return _COHORTS.fact(row, name, "{:.0%}", unit="share")


def _expected(name: str, values: pl.Series) -> tuple[float, float] | None:
    """Return the 99 % prediction interval of one more value, as far as the figure can be; None where one is missing."""
    known = values.drop_nulls().to_numpy()
    if len(known) < WEEKS:
        return None
    reach = _T * float(known.std(ddof=1)) * (1 + 1 / len(known)) ** 0.5
    lowest, highest = _LIMITS[name]
    return max(lowest, float(known.mean()) - reach), min(highest, float(known.mean()) + reach)


def _ends(name: str, row: Mapping[str, Any], expected: tuple[float, float]) -> Said:
    shape = _WORDED[name][0]
    facts = (
        _WEEKS.fact(row, f"{name}.{end}", shape, value=value, last_day=row["last_day"])
        for end, value in zip(("low", "high"), expected, strict=True)
    )
    return joined(" to ", facts)


def _worded(name: str, row: Mapping[str, Any], expected: tuple[float, float] | None = None) -> Said:
    shape, words = _WORDED[name]
    low, high = expected or (None, None)
    return said(words, _WEEKS.fact(row, name, shape, low=low, high=high, last_day=row["last_day"]))
