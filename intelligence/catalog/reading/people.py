"""People: who uses the product, who stays, where funnels lose them, and who is about to leave."""

from collections.abc import Mapping
from datetime import timedelta
from math import sqrt
from typing import Any, Final

import polars as pl

from intelligence.briefs.morning import WEEKS, kpi_sentence, losing_sentence, staying_sentences
from intelligence.catalog.pages import AsOf, Page, Part
from intelligence.catalog.reading.wording import counted, mean_of, named, percent, period_of, sentence
from intelligence.catalog.summary import FUNNELS, LEAVING
from intelligence.catalog.summary import WEEKS as WEEKS_QUERY
from intelligence.core.marks import Mark
from intelligence.core.sql import sql
from intelligence.metrics.usage_findings import added_up, less_retained_cohorts

QUERIES: Final[Mapping[str, str]] = {
    "weeks": WEEKS_QUERY,
    "kpis": sql("catalog/reading/kpis.sql"),
    "segments": sql("catalog/reading/segments.sql"),
    "differences": sql("catalog/reading/differences.sql"),
    "retention": sql("catalog/reading/retention.sql"),
    "lifecycle": sql("catalog/reading/lifecycle.sql"),
    "funnels": FUNNELS,
    "leaving": LEAVING,
    "reasons": sql("catalog/reading/leaving_reasons.sql"),
    "groups": sql("catalog/reading/groups.sql"),
}
KPIS: Final = ("dau", "conversion_rate", "crash_free_user_rate", "mean_rating", "sessions_per_user")
# The 97.5 % quantile of Student's t by degrees of freedom is at most this from 20 on; fewer days get no interval.
_FEWEST_DAYS: Final = 21
_T: Final = 2.086


def people_page(
    as_of: AsOf,
    read: Mapping[str, pl.DataFrame],
    *,
    segment: str = "",
    marks: tuple[Mark, ...] = (),
    cohorts: pl.DataFrame,
) -> Page:
    """Return the page.

    Args:
        as_of: What it was read from.
        read: The rows of QUERIES.
        segment: The segment that is asked for; empty for all users.
        marks: What its charts show of what happened.
        cohorts: What `briefs/cohorts.sql` returns.
    """
    kpis, leaving, funnels = read["kpis"], read["leaving"], read["funnels"]
    if kpis.is_empty():
        return Page(as_of, (f"No user was seen{f' in the segment {segment}' if segment else ''}.",))
    of = f"the segment {segment}" if segment else "all users"
    lifecycle = known_lifecycle(read["lifecycle"], as_of)
    dau = _level(kpis, of) if segment else kpi_sentence(read["weeks"], "users_a_day")
    told = [
        dau,
        *(staying_sentences(cohorts) if not segment else ()),
        losing_sentence(funnels),
        leaving_finding(leaving),
    ]
    complete = funnels.filter("is_complete") if funnels.height else funnels
    return Page(
        as_of,
        tuple(told),
        {
            "kpis": Part(dau, kpis, period_of(kpis), f"KPIs of {of} by day.", "metrics.kpi_day", marks),
            "segments": Part(
                segments_finding(read["differences"]),
                segment_levels(read["segments"]),
                "the last 28 days",
                "Mean of the days with its 95 % interval by the spread between days; fewer than 21 days get none.",
                "metrics.kpi_day",
            ),
            "differences": Part(
                segments_finding(read["differences"]),
                read["differences"],
                "the last 28 days",
                "Each segment beside all other users, per user, with the 95 % interval of the difference; q allows for all comparisons.",
                "metrics.segment_differences",
            ),
            "retention": Part(
                _retention_finding(read["retention"], of),
                read["retention"],
                period_of(read["retention"], "cohort"),
                f"Share of the cohort of {of} that was there in each week after its first; weeks that are not over are left out.",
                "metrics.retention_cohorts",
            ),
            "funnels": Part(
                losing_sentence(funnels),
                funnel_steps(complete),
                period_of(complete),
                "Entries whose time is over that reached each step, with Wilson's 95 % interval from the users who entered.",
                "metrics.funnel_day",
            ),
            "lifecycle": Part(
                _lifecycle_finding(lifecycle),
                lifecycle,
                period_of(lifecycle),
                "New: first seen, from the fifth week of the data on; resurrected: back after four silent weeks; dormant: silent for"
                " four weeks as of the day.",
                "metrics.lifecycle_day",
                marks,
            ),
            "leaving": Part(
                leaving_finding(leaving),
                leaving,
                "newest scores",
                "Probability of not coming back within the model's horizon; users by bucket.",
                "risk.user_churn",
            ),
            "reasons": Part(
                _reasons_finding(read["reasons"]),
                read["reasons"],
                "newest scores",
                "What the model gives as first reason of those at medium or high risk: an association, grade D.",
                "risk.user_churn",
            ),
            "groups": Part(
                _groups_finding(read["groups"]),
                read["groups"],
                "the last 28 days",
                "Groups that come back from halves of the users.",
                "metrics.behaviour_segments",
            ),
        },
    )


def known_lifecycle(days: pl.DataFrame, as_of: AsOf) -> pl.DataFrame:
    """Return the days on which it is known who is new: those from four weeks after the first of the data on.

    Args:
        days: Rows of metrics.lifecycle_day.
        as_of: What the page was read from.
    """
    if as_of.first_day is None or days.is_empty():
        return days
    return days.filter(pl.col("event_date") >= as_of.first_day + timedelta(days=7 * WEEKS))


def leaving_finding(leaving: pl.DataFrame) -> str:
    """Return how many users are about to leave.

    Args:
        leaving: What `catalog/summary/leaving.sql` returns.
    """
    if leaving.is_empty():
        return "Nobody is scored for leaving: no churn model is champion, or it has not scored yet."
    total = int(leaving["users"].sum())
    high = leaving.filter(pl.col("bucket") == "high")
    number = int(high["users"].sum())
    mean = f", {percent(high['mean_score'][0], digits=0)} likely on average" if high.height else ""
    return f"{number:,} of {total:,} users are at high risk of leaving{mean}."


def segments_finding(differences: pl.DataFrame) -> str:
    """Return which segment differs from all other users beyond chance.

    Args:
        differences: Rows of metrics.segment_differences of a day.
    """
    if differences.is_empty():
        return "No segments are compared: map a column to `segment`."
    from intelligence.metrics.segments import difference_sentence

    beyond = differences.filter(pl.col("q") <= 0.05)
    if beyond.is_empty():
        segments = named(differences["segment"].unique().sort().to_list())
        return f"{segments}: like all other users in all of {differences.height} comparisons, as far as chance allows to see."
    return difference_sentence(beyond.row(0, named=True))


def segment_levels(days: pl.DataFrame) -> pl.DataFrame:
    """Return the mean of each KPI of each segment over days with the interval of that mean.

    Args:
        days: What `catalog/reading/segments.sql` returns.
    """
    rows: list[dict[str, Any]] = []
    for (segment,), part in days.group_by("segment", maintain_order=True):
        for name in KPIS:
            known = part[name].drop_nulls()
            if known.is_empty():
                continue
            mean, reach = mean_of(known), None
            if len(known) >= _FEWEST_DAYS:
                reach = _T * float(known.cast(pl.Float64).to_numpy().std(ddof=1)) / sqrt(len(known))
            ends = (mean - reach, mean + reach) if reach is not None else (None, None)
            rows.append(
                {"segment": segment, "kpi": name, "value": mean, "low": ends[0], "high": ends[1], "days": len(known)}
            )
    columns = {"segment": pl.String, "kpi": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64}
    return pl.DataFrame(rows, schema={**columns, "days": pl.Int64})


def funnel_steps(complete: pl.DataFrame) -> pl.DataFrame:
    """Return the steps of each funnel over all complete days, the share of those who entered with its interval.

    Args:
        complete: Complete rows of metrics.funnel_day.
    """
    if complete.is_empty():
        return pl.DataFrame()
    users = complete.filter(dimension="all").group_by("funnel", "step").agg(pl.col("users").sum())
    steps = added_up(complete).filter(dimension="all").join(users, on=["funnel", "step"], how="left")
    rate, n = pl.col("converted") / pl.col("entered"), pl.min_horizontal("users", "entered")
    square = 1.959964**2
    middle, reach = (
        (rate + square / (2 * n)) / (1 + square / n),
        1.959964 * (rate * (1 - rate) / n + square / (4 * n**2)).sqrt() / (1 + square / n),
    )
    return steps.with_columns(rate=rate, low=(middle - reach).clip(0, 1), high=(middle + reach).clip(0, 1)).drop(
        "dimension", "value"
    )


def _level(kpis: pl.DataFrame, of: str) -> str:
    week, before = kpis["dau"].tail(7), kpis["dau"].head(max(kpis.height - 7, 0)).tail(7 * WEEKS)
    said = f"{of.capitalize()}: {mean_of(week):,.0f} users a day in the last {week.len()} days"
    return f"{said}, {mean_of(before):,.0f} in the {before.len()} before." if before.len() else f"{said}."


def _retention_finding(cohorts: pl.DataFrame, of: str) -> str:
    mature = (
        cohorts.filter(pl.col("is_mature"), pl.col("first_age") == 1, pl.col("users") > 0)
        if cohorts.height
        else cohorts
    )
    if mature.is_empty():
        return f"Who of {of} comes back is not known yet: no week after a first one is over."
    full = {"grain": "week", "definition": "n_week", "dimension": "all"}
    gaps = less_retained_cohorts(cohorts.with_columns(pl.lit(value).alias(name) for name, value in full.items()))
    if gaps:
        return sentence(gaps[0].sentence())
    newest = mature.sort("cohort").row(-1, named=True)
    return (
        f"Of those who began in the week from {newest['cohort']} on, {percent(newest['rate'], digits=0)}"
        f" ({percent(newest['low'], digits=0)} to {percent(newest['high'], digits=0)}) were there a week later."
    )


def _lifecycle_finding(lifecycle: pl.DataFrame) -> str:
    if lifecycle.is_empty():
        return "Who is new and who fell silent is not known yet."
    week = lifecycle.tail(7)
    counts = {name: int(week[name].sum()) for name in ("new", "resurrected", "dormant")}
    net = counts["new"] + counts["resurrected"] - counts["dormant"]
    return (
        f"In the last {week.height} days {counts['new']:,} users were new, {counts['resurrected']:,} came back and"
        f" {counts['dormant']:,} fell silent: {net:+,} in all."
    )


def _reasons_finding(reasons: pl.DataFrame) -> str:
    if reasons.is_empty():
        return "The model gives no reasons for leaving."
    first = reasons.row(0, named=True)
    return f"The commonest first reason among those at risk: {first['reason']} ({counted(first['users'], 'user')})."


def _groups_finding(groups: pl.DataFrame) -> str:
    if groups.is_empty():
        return "Users were not grouped by what they do yet."
    if groups["note"][0]:
        return f"Groups by behaviour: {groups['note'][0]}."
    return f"{counted(groups.height, 'group')} by behaviour: {named(groups['segment'].to_list())}."
