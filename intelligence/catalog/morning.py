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

from intelligence.metrics.usage_findings import LATEST_WEEK, compared_cohorts, less_retained_cohorts, widest_drop

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


def week_sentence(weeks: pl.DataFrame, *, unknown: Collection[str] = ()) -> str:
    """Return how the last week compares with the four weeks before; what they let expect is no news.

    What they let expect is the 99 % prediction interval of one more week like them, by the spread between these weeks; all KPIs
    together are then news in about one of twenty weeks like the others.

    Args:
        weeks: What `catalog/summary/weeks.sql` returns; the newest week has `weeks_ago` 0.
        unknown: Kinds of data that the product does not have: `crashed` and `conversion` are left out then.
    """
    newest = weeks.filter(weeks_ago=0)
    if newest.is_empty():
        return "No week is complete yet."
    row = newest.row(0, named=True)
    before = weeks.filter(pl.col("weeks_ago") > 0)
    known = [name for name in _WORDED if row[name] is not None and _RESTS_ON.get(name) not in unknown]
    if not weeks["value_a_day"].drop_nulls().to_numpy().any():
        known = [name for name in known if name != "value_a_day"]
    begin = f"In the week to {row['last_day']}, "
    if before.height < WEEKS:
        said = ", ".join(_worded(name, row[name]) for name in known)
        return f"{begin}{said}; {before.height} of {WEEKS} weeks before are known, too few to compare with."
    parts, usual, varying = [], [], []
    for name in known:
        expected = _expected(name, before[name])
        if expected is None:
            parts.append(f"{_worded(name, row[name])}, with nothing to compare it with")
            continue
        low, high = expected
        ends = " to ".join(_number(name, end) for end in (low, high))
        if low <= row[name] <= high and high - low > _WIDE * abs(low + high):
            varying.append(f"{_worded(name, row[name])} ({ends})")
            continue
        if low <= row[name] <= high:
            usual.append(_worded(name, row[name]))
            continue
        side = "more" if row[name] > high else "less"
        parts.append(f"{_worded(name, row[name])}: {side} than the four weeks before let expect ({ends})")
    if usual:
        parts.append(f"as in the four weeks before: {', '.join(usual)}")
    if varying:
        parts.append(f"within what the four weeks before let expect, which vary widely: {', '.join(varying)}")
    return f"{begin}{'; '.join(parts)}."


def kpi_sentence(weeks: pl.DataFrame, name: str) -> str:
    """Return one KPI of the last week beside what the four weeks before it let expect.

    Args:
        weeks: What `catalog/summary/weeks.sql` returns.
        name: The column of the KPI, such as `users_a_day`.
    """
    newest = weeks.filter(weeks_ago=0)
    if newest.is_empty() or newest[name].item() is None:
        return "Not known for a whole week yet."
    value, last_day = newest[name].item(), newest["last_day"].item()
    said = f"{_worded(name, value)} in the week to {last_day}"
    expected = _expected(name, weeks.filter(pl.col("weeks_ago") > 0)[name])
    if expected is None:
        return _capital(f"{said}; too few weeks before it to compare with")
    low, high = expected
    ends = " to ".join(_number(name, end) for end in expected)
    if low <= value <= high:
        return _capital(f"{said}, as the four weeks before let expect ({ends})")
    return _capital(f"{said}: {'more' if value > high else 'less'} than the four weeks before let expect ({ends})")


def unusual_sentences(episodes: pl.DataFrame, unjudged: str = "") -> list[str]:
    """Return the three most unusual things of the newest day, each with its likely cause and what belongs to the same.

    Episodes whose change lies in the same part of the product, and which began within a week of each other, are one.

    Args:
        episodes: What `catalog/summary/unusual.sql` returns: all of them, the most severe first.
        unjudged: Why nothing can be said of the newest day, as `unjudged_sentence` says it; empty where something can.
    """
    if episodes.is_empty():
        return [unjudged or "Nothing is unusual for the worse."]
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
    more = f", the first {MOST_TROUBLES} of {len(troubles)}" if len(troubles) > MOST_TROUBLES else ""
    told = [f"({place}) {_trouble(each)}" for place, each in enumerate(troubles[:MOST_TROUBLES], start=1)]
    return [f"Unusual{more}:", *told]


def unjudged_sentence(judged: Mapping[str, Any] | None, *, least_days: int) -> str:
    """Return why it cannot be said whether the newest day is unusual; empty where it can.

    Args:
        judged: What `catalog/summary/judged.sql` returns; None without a day.
        least_days: Days of history that are needed, as product.yaml has it.
    """
    if judged is None:
        return "What is unusual cannot be said: no day is complete yet."
    if judged["days_before"] < least_days:
        known = f"{judged['days_before']:,} sound days are known before {judged['event_date']}"
        return f"What is unusual cannot be said yet: {known}, and {least_days} are needed."
    if judged["verdict"] not in ("whole", "unknown"):
        return (
            f"What is unusual on {judged['event_date']} cannot be said: its telemetry is at fault ({judged['reason']})."
        )
    return ""


def _trouble(episodes: Sequence[Mapping[str, Any]]) -> str:
    first, *others = episodes
    said = f"since {first['first_day']} {first['title'][0].lower()}{first['title'][1:]}"
    if first["suspect"]:
        said = f"{said}; {first['accounts_for']:.0%} of the change lies in {first['suspect']}"
    if others:
        features = dict.fromkeys(feature for each in others for feature in each["features"])
        said = f"{said}; so does that of {', '.join(features)}"
    return f"{said}; at the same time {first['likely_cause']}." if first["likely_cause"] else f"{said}."


def wrong_sentences(found: Mapping[str, Any] | None) -> list[str]:
    """Return that forecasts were wrong beyond their intervals, which is a signal; nothing where none was.

    Args:
        found: What `catalog/summary/wrong.sql` returns: the first of them, and how many there are.
    """
    if found is None:
        return []
    more = f" ({found['forecasts'] - 1} more)" if found["forecasts"] > 1 else ""
    return [f"A forecast was wrong for days{more}: {found['answer']}"]


def unassessed_sentence(day: date, evidence: Mapping[str, int]) -> str | None:
    """Return in a sentence how many features could not be assessed on a day, and why; None where all could.

    Args:
        day: The day.
        evidence: Number of features by the column `evidence` of feature_health.
    """
    reasons = [f"{evidence[reason]:,} {words}" for reason, words in _UNASSESSED.items() if evidence.get(reason)]
    if not reasons:
        return None
    assessed, total = evidence.get("enough", 0), sum(evidence.values())
    what = f"{total - assessed:,} of {total:,} features lacked evidence" if assessed else "No feature could be judged"
    return f"{what} on {day}: {', '.join(reasons)}."


def coming_sentence(row: Mapping[str, Any] | None) -> str:
    """Return how many daily users are expected in four weeks, with the interval and how often such intervals held.

    Args:
        row: What `catalog/summary/coming.sql` returns; None without any forecast.
    """
    if row is None:
        return "No forecast was made."
    if row["value"] is None:
        return f"Daily users are not forecast: {row['note']}"
    said = f"On {row['forecast_date']}, {row['value']:,.0f} daily users are expected ({row['low_80']:,.0f} to {row['high_80']:,.0f})"
    if row["coverage_80"] is None:
        return f"{said}; how often such an 80 % interval holds is not known yet."
    ends = f"{row['coverage_80_low']:.0%} to {row['coverage_80_high']:.0%}"
    return f"{said}; such 80 % intervals held {row['coverage_80']:.0%} of the time so far ({ends})."


def staying_sentences(cohorts: pl.DataFrame) -> list[str]:
    """Return how many of the newest newcomers were there four weeks later, beside those before, and which week's stay less.

    Args:
        cohorts: What `catalog/summary/cohorts.sql` returns: weekly cohorts of the whole product.
    """
    known = cohorts.filter(pl.col("first_age") == LATEST_WEEK, "is_mature", "is_surely_new", pl.col("users") > 0)
    shown = known.sort("cohort").tail(WEEKS)
    if shown.is_empty():
        return ["Who stays is not known yet: no newcomers came four weeks ago or earlier."]
    *earlier, newest = shown.iter_rows(named=True)
    who = "the one user" if newest["users"] == 1 else f"the {newest['users']:,} users"
    said = f"Of {who} who began in the week from {newest['cohort']} on, {newest['rate']:.0%} were there"
    said = f"{said} {LATEST_WEEK} weeks later ({newest['low']:.0%} to {newest['high']:.0%})"
    if earlier:
        rates = ", ".join(f"{each['rate']:.0%}" for each in earlier)
        said = f"{said}; of the weeks before {rates}"
    gaps = less_retained_cohorts(cohorts)
    if not gaps and not compared_cohorts(cohorts):
        return [f"{said}. Too few newcomers in too few weeks to say whether one week's stay less than the others."]
    if not gaps:
        return [f"{said}. No week's newcomers stay less than those of the others beyond chance."]
    return [f"{said}.", *(_capital(gap.sentence()) for gap in gaps[:MOST_GAPS])]


def losing_sentence(funnels: pl.DataFrame) -> str:
    """Return the widest drop of the funnels, and the platform, segment or release at which one broke.

    Args:
        funnels: What `catalog/summary/funnels.sql` returns: the days of entry of the last weeks.
    """
    if funnels.is_empty():
        return "No funnel is declared, or nobody has entered one."
    drop = widest_drop(funnels)
    return _capital(drop.sentence()) if drop else "No funnel has enough entries whose time is over."


def _capital(sentence: str) -> str:
    said = f"{sentence[0].upper()}{sentence[1:]}"
    return said if said.endswith(".") else f"{said}."


def _expected(name: str, values: pl.Series) -> tuple[float, float] | None:
    """Return the 99 % prediction interval of one more value, as far as the figure can be; None where one is missing."""
    known = values.drop_nulls().to_numpy()
    if len(known) < WEEKS:
        return None
    reach = _T * float(known.std(ddof=1)) * (1 + 1 / len(known)) ** 0.5
    lowest, highest = _LIMITS[name]
    return max(lowest, float(known.mean()) - reach), min(highest, float(known.mean()) + reach)


def _number(name: str, value: float) -> str:
    return _WORDED[name][0].format(value)


def _worded(name: str, value: float) -> str:
    return _WORDED[name][1].format(_number(name, value))
