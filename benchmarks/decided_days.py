"""Takes one simulated product through the asset graph and then through the policy, day by day, in a process of its own.

What the policy would have done is written to a JSON file. A planted product also trains a risk model and keeps it, so
that a clean product, whose own data contains no degradation to learn from, can be scored by it. Without a kept model
there are no scores.
"""

import argparse
import json
import pickle
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from benchmarks.graph import materialize, platform
from benchmarks.measuring import tell

if TYPE_CHECKING:
    from resources.lake.door import Lake

# Before this day telemetry cannot be assessed.
WARM_UP_DAYS = 14


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("told", type=Path, help="JSON file to write")
    parser.add_argument("--model", type=Path, required=True, help="file of the model: written if planted, else read")
    chosen = parser.parse_args()
    from intelligence.decisions.backtest import backtest, decided_day_by_day
    from intelligence.decisions.replay import past_sources
    from intelligence.simulation.planted_truths import planted_truths

    simulated = platform().product.sources[0].simulate
    assert simulated is not None
    plan = simulated.plan()
    build((plan.first_day, plan.last_day))
    lake = platform().lake
    risk = trained_scores(lake, chosen.model) if plan.planted else scores(lake, chosen.model)
    first = risk["event_date"].min() if plan.planted else plan.first_day + timedelta(days=WARM_UP_DAYS)
    assert isinstance(first, date)
    days = [first + timedelta(days=number) for number in range((plan.last_day - first).days + 1)]
    sources = past_sources(lake.frame, risk)
    tell(f"deciding {len(days)} days")
    decisions = decided_day_by_day(lambda _: sources, days, settings=platform().product.decisions.at_level("auto"))
    result = backtest(decisions, planted_truths(plan))
    acts = once(decisions.filter(pl.col("action") != "monitor"))
    told: dict[str, Any] = {
        "acts": json.loads(acts.with_columns(pl.col("event_date").cast(pl.String)).write_json()),
        "messages": messages(acts, lake.frame("FROM telemetry.day_quality"), days),
        "fault_from": str(plan.date_of(plan.fault.from_day)) if plan.fault else None,
        "truths": [
            [each.truth.kind, each.truth.feature, str(each.truth.starts_on), each.answer, each.delay_days]
            for each in result.truths
        ],
        "actions": result.actions,
        "false_actions": result.false_actions.height,
        "precision": result.precision,
        "recall": result.recall,
        "false_touches": result.false_touches,
    }
    chosen.told.write_text(json.dumps(told), encoding="utf-8")


def once(acts: pl.DataFrame) -> pl.DataFrame:
    """Return the acts without repetition: the alert of a fault is written on each of its days and sent on the first."""
    is_sent = (pl.col("scope") != "pipeline") | pl.col("episode").is_first_distinct()
    columns = ("event_date", "scope", "feature", "action", "level", "confidence", "score", "episode", "reasons")
    return acts.sort("event_date", maintain_order=True).filter(is_sent).select(columns)


def messages(acts: pl.DataFrame, quality: pl.DataFrame, days: Sequence[date]) -> list[tuple[str, str, str]]:
    """Return what people would be told, each once: the day, what tells it from others, and the text.

    The policy's alert of a fault and the notice of it share an identity, so that one of the two is sent.
    """
    from intelligence.drift.reported_faults import telemetry_notices

    told: dict[str, tuple[str, str, str]] = {}
    for day in days:
        for act in acts.filter(event_date=day).rows(named=True):
            of_feature = f"{act['action']} for {act['feature']} on {day}"
            key = act["episode"] if act["scope"] == "pipeline" else of_feature
            told.setdefault(key, (str(day), key, act["reasons"]))
        for notice in telemetry_notices(quality.filter(pl.col("event_date") <= day)):
            told.setdefault(notice.key, (str(day), notice.key, notice.text))
    return list(told.values())


def build(days: tuple[date, date]) -> None:
    """Build the lake up to the feature panel through the asset graph."""
    from intelligence.catalog.layers import DELIVERED
    from intelligence.metrics.tables import FACT_FEATURE_METRICS, FEATURE_HEALTH, KPI_DAY, USER_DAY
    from intelligence.risk.tables import FEATURE_PANEL
    from intelligence.telemetry.tables import DAY_QUALITY, EVENTS
    from intelligence.warehouse.tables import TABLES

    materialize(DELIVERED)
    metrics = (FACT_FEATURE_METRICS, USER_DAY, KPI_DAY, FEATURE_HEALTH)
    materialize((EVENTS, DAY_QUALITY, *TABLES, *metrics, FEATURE_PANEL), days)


def _panel(lake: "Lake") -> pl.DataFrame:
    return lake.frame("FROM risk.feature_panel WHERE state <> 'degraded' ORDER BY event_date, feature")


def trained_scores(lake: "Lake", file: Path) -> pl.DataFrame:
    """Return what a model said of days that it had not seen, and keep the model."""
    from intelligence.risk.labels import onset_labels
    from intelligence.risk.model_specs import feature_spec
    from intelligence.risk.settings import Risk
    from intelligence.risk.training import trained

    subject = feature_spec(Risk())
    labels = onset_labels(lake.frame("FROM metrics.feature_health"), horizon_days=Risk().horizon_days)
    training = trained(_panel(lake).join(labels, on=["event_date", "feature"]), subject.task, rules=subject.rules)
    file.write_bytes(pickle.dumps(training.model))
    score = pl.col(training.model.kind)
    rows = training.unseen.select(
        "event_date",
        "feature",
        risk_score=score,
        risk_low=score,
        risk_high=score,
        impact_score=pl.lit(None, dtype=pl.Float64),
        reason_1=pl.lit(None, dtype=pl.String),
    )
    return rows.join(_panel(lake).select("event_date", "feature"), on=["event_date", "feature"], how="semi")


def scores(lake: "Lake", file: Path) -> pl.DataFrame:
    """Return what the model that is kept in the file says of every day; no row where none is kept."""
    from intelligence.risk.model_specs import feature_spec
    from intelligence.risk.scores import scored, with_impact
    from intelligence.risk.settings import Risk

    names = ("event_date", "feature", "risk_score", "risk_low", "risk_high", "impact_score", "reason_1")
    if not file.exists():
        numbers = dict.fromkeys(names[2:6], pl.Float64())
        return pl.DataFrame(
            schema={"event_date": pl.Date(), "feature": pl.String(), **numbers, "reason_1": pl.String()}
        )
    subject = feature_spec(Risk())
    model = pickle.loads(file.read_bytes())
    found = scored(
        _panel(lake), model, subject.predictors, name="risk", medium=subject.medium, high=subject.high, reasons_from=0.1
    )
    return with_impact(found, users="users_7d").select(names)


if __name__ == "__main__":
    main()
