"""One simulated product through the asset graph and then through the policy, day by day; a process of its own.

Writes to a JSON file what the policy would have done. A planted product also trains a risk model and keeps it, so that a
clean one, which has nothing to learn from, can be scored by a model that knows trouble.
"""

import argparse
import json
import pickle
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from benchmarks.graph import materialize
from benchmarks.measuring import tell

if TYPE_CHECKING:
    from resources.lake import Lake

# Before it, telemetry cannot be judged.
WARM_UP_DAYS = 14


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("told", type=Path, help="JSON file to write")
    parser.add_argument("--model", type=Path, required=True, help="file of the model: written if planted, else read")
    chosen = parser.parse_args()
    from assets.definitions import SETTINGS
    from assets.house import PRODUCT
    from intelligence.decisions.backtest import backtest, decided_day_by_day
    from intelligence.decisions.replay import past_sources
    from intelligence.telemetry.planted_truths import planted_truths
    from resources.lake import Lake

    simulated = PRODUCT.sources[0].simulate
    assert simulated is not None
    plan = simulated.plan()
    build((plan.first_day, plan.last_day))
    lake = Lake.of(SETTINGS)
    risk = trained_scores(lake, chosen.model) if plan.planted else scores(lake, chosen.model)
    first = risk["event_date"].min() if plan.planted else plan.first_day + timedelta(days=WARM_UP_DAYS)
    assert isinstance(first, date)
    days = [first + timedelta(days=number) for number in range((plan.last_day - first).days + 1)]
    sources = past_sources(lake.frame, risk)
    tell(f"deciding {len(days)} days")
    decisions = decided_day_by_day(lambda _: sources, days, settings=PRODUCT.decisions.at_level("auto"))
    result = backtest(decisions, planted_truths(plan))
    acts = decisions.filter(pl.col("action") != "monitor").select(
        "event_date", "feature", "action", "level", "confidence", "score", "reasons"
    )
    told: dict[str, Any] = {
        "acts": json.loads(acts.with_columns(pl.col("event_date").cast(pl.String)).write_json()),
        "truths": [
            [each.truth.kind, each.truth.feature, str(each.truth.starts_on), each.answer, each.delay_days]
            for each in result.truths
        ],
        "precision": result.precision,
        "recall": result.recall,
        "false_touches": result.false_touches,
    }
    chosen.told.write_text(json.dumps(told), encoding="utf-8")


def build(days: tuple[date, date]) -> None:
    """Build the lake up to the feature panel through the asset graph."""
    from intelligence.layers import DELIVERED
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
    from intelligence.product import Risk
    from intelligence.risk.labels import onset_labels
    from intelligence.risk.subjects import feature_subject
    from intelligence.risk.training import trained

    subject = feature_subject(Risk())
    labels = onset_labels(lake.frame("FROM metrics.feature_health"), horizon_days=Risk().horizon_days)
    training = trained(_panel(lake).join(labels, on=["event_date", "feature"]), subject.question, rules=subject.rules)
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
    """Return what the model that is kept in the file says of every day."""
    from intelligence.product import Risk
    from intelligence.risk.scores import scored, with_impact
    from intelligence.risk.subjects import feature_subject

    subject = feature_subject(Risk())
    model = pickle.loads(file.read_bytes())
    found = scored(
        _panel(lake), model, subject.predictors, name="risk", medium=subject.medium, high=subject.high, reasons_from=0.1
    )
    names = ("event_date", "feature", "risk_score", "risk_low", "risk_high", "impact_score", "reason_1")
    return with_impact(found, users="users_7d").select(names)


if __name__ == "__main__":
    main()
