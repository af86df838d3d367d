"""Today: what a product manager asks first, and what needs a person."""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from intelligence.briefs.morning import kpi_sentence, unassessed_sentence
from intelligence.catalog.pages import AsOf, Page, Part
from intelligence.catalog.reading.causes import moved
from intelligence.catalog.reading.decisions import decided_finding
from intelligence.catalog.reading.features import stake_finding
from intelligence.catalog.reading.platform_health import models_finding, quality_finding
from intelligence.catalog.reading.wording import counted, latest, named, period_of
from intelligence.catalog.summary import EVIDENCE, IN_TROUBLE, PULSE, WAITING, WEEKS
from intelligence.core.marks import Mark
from intelligence.core.sql import sql

PULSE_DAYS: Final = 56
MOST_AT_STAKE: Final = 8
QUERIES: Final[Mapping[str, str]] = {
    "trouble": IN_TROUBLE,
    "evidence": EVIDENCE,
    "weeks": WEEKS,
    "pulse": PULSE,
    "kpis": sql("catalog/reading/kpis.sql"),
    "features": sql("catalog/reading/features.sql"),
    "movements": sql("catalog/reading/movements.sql"),
    "decisions": sql("catalog/reading/decisions.sql"),
    "monitored": sql("catalog/reading/monitored.sql"),
    "models": sql("catalog/reading/models.sql"),
    "quality": sql("catalog/reading/quality.sql"),
    "waiting": WAITING,
}
PARAMETERS: Final[Mapping[str, Any]] = {"segment": "all", "feature": "", "days": PULSE_DAYS}


def today_page(
    as_of: AsOf, read: Mapping[str, pl.DataFrame], told: Mapping[str, tuple[str, ...]], *, marks: tuple[Mark, ...] = ()
) -> Page:
    """Return the page.

    Args:
        as_of: What it was read from.
        read: The rows of QUERIES.
        told: The sentences of the brief of the day by heading.
        marks: What the chart of the pulse shows of what happened.
    """
    trouble, day = read["trouble"], as_of.day
    quality, features = read["quality"], read["features"]
    kpis = read["kpis"]
    newest_decisions = read["decisions"].filter(pl.col("event_date") == pl.col("event_date").max())
    is_current = newest_decisions.filter(pl.col("event_date") == pl.lit(day))
    why = {row["feature"]: moved(row) for row in read["movements"].iter_rows(named=True) if row["event_date"] == day}
    return Page(
        as_of,
        tuple(f"{heading}: {' '.join(sentences)}" for heading, sentences in told.items()),
        {
            "trouble": Part(
                trouble_finding(as_of, trouble, dict(read["evidence"].iter_rows())),
                trouble.with_columns(
                    where=pl.col("feature").replace_strict(why, default=None, return_dtype=pl.String)
                    if why
                    else pl.lit(None, dtype=pl.String)
                ),
                str(day),
                "State of each feature by its promises, from events spread over users; `burn_1d` is the share of bad events as a"
                " multiple of the promised one.",
                "metrics.feature_health, causality.degradations",
            ),
            "pulse": Part(
                kpi_sentence(read["weeks"], "users_a_day"),
                kpis,
                period_of(kpis),
                "Users with an event on the day. The expected range is the 99 % prediction interval of a week like the four before.",
                "metrics.kpi_day",
                marks,
            ),
            "stake": Part(
                stake_finding(features),
                features.filter(pl.col("impact_score").is_not_null()).head(MOST_AT_STAKE),
                f"scored on {latest(features['scored_on'])}" if features["scored_on"].drop_nulls().len() else "",
                "Impact is the probability of degrading within the model's horizon times the users of a mean day, with its 95 % interval.",
                "risk.feature_risk",
            ),
            "decisions": Part(
                decided_finding(read["monitored"], is_current),
                is_current,
                str(day),
                "What the policy decided on the newest day; in shadow it sends nothing.",
                "decisions.feature_decisions",
            ),
            "models": Part(
                models_finding(read["models"]),
                read["models"],
                f"watched on {latest(read['models']['watched_on'])}" if read["models"].height else "",
                "What the last training decided, and whether what the champion reads today still looks like its training data.",
                "risk.feature_verdict, risk.user_verdict, drift.model_watch",
            ),
            "data": Part(
                quality_finding(quality, read["waiting"]),
                quality,
                period_of(quality),
                "Events of each day beside the number that the days before let expect.",
                "telemetry.day_quality, telemetry.rejected_events",
            ),
        },
        next(read["pulse"].iter_rows(named=True), {}),
        told,
    )


def trouble_finding(as_of: AsOf, trouble: pl.DataFrame, evidence: Mapping[str, int]) -> str:
    """Return which features are in trouble, and how many could not be assessed.

    Args:
        as_of: What the page was read from.
        trouble: What `catalog/summary/in_trouble.sql` returns.
        evidence: Number of features by the column `evidence` of feature_health.
    """
    if as_of.day is None or not evidence:
        return "No feature was assessed yet."
    unassessed = unassessed_sentence(as_of.day, evidence)
    more = f" {unassessed}" if unassessed else ""
    if trouble.is_empty():
        calm = f"No feature is in trouble on {as_of.day}." if evidence.get("enough") else ""
        return f"{calm}{more}".strip()
    names = [f"{row['feature']} ({row['state'].replace('_', ' ')})" for row in trouble.iter_rows(named=True)]
    verb = "is" if trouble.height == 1 else "are"
    return f"{counted(trouble.height, 'feature')} {verb} in trouble on {as_of.day}: {named(names)}.{more}"


def empty_page(as_of: AsOf) -> Page:
    """Return what any page says where the lake holds no figures.

    Args:
        as_of: What it was read from.
    """
    if as_of.snapshot is None or as_of.delivered_day is None:
        said = (
            "The lake is empty. `intelligence ingest` takes in what product.yaml names; `make demo` shows an example.",
        )
    else:
        said = (
            f"Events were taken in up to {as_of.delivered_day}, and no day of"
            " figures is computed from them yet. `intelligence ingest` computes them; so do the sensors of `intelligence up`.",
        )
    return Page(as_of, said)
