"""The drift watch over one product, day by day, with the trainings that it requests, in a process of its own.

It reads the files of `benchmarks.drift_history` and writes what was found to a JSON file. See `benchmarks.drift`.
"""

import argparse
import json
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from benchmarks.drift_rows import Rows
from benchmarks.evidently_default import default_verdicts
from benchmarks.measuring import tell

if TYPE_CHECKING:
    from intelligence.catalog.product import Product
    from intelligence.drift.episodes import Training
    from intelligence.risk.model import RiskModel

WATCH_SCHEMA = {
    "event_date": pl.Date,
    "model": pl.String,
    "model_version": pl.Int64,
    "state": pl.String,
    "that_matter": pl.List(pl.String),
    "reason": pl.String,
}


@dataclass
class Walk:
    """One model's way through the days: its champion, what was said of each day, and the trainings that came of it."""

    rows: Rows
    product: "Product"
    model: "RiskModel"
    trained_through: date
    version: int = 1
    watch: list[dict[str, Any]] = field(default_factory=list)
    trainings: list["Training"] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.baseline = self._baseline()

    def _baseline(self) -> pl.DataFrame:
        from intelligence.drift.baseline import baseline, training_window

        rules = self.product.drift
        self.window = training_window(self.rows.first_day, self.trained_through)
        last = self.window.last + timedelta(days=self.rows.horizon_days)
        return baseline(
            self.rows.of_days(self.window.first, self.window.last, as_of=last),
            self.model,
            unit=self.rows.unit,
            window=self.window,
            false_alarms_per_week=rules.false_alarms_per_week,
            smallest=rules.smallest_distance,
        )

    def look(self, day: date) -> None:
        """Judge the day, and carry out the training that drift asks for after it."""
        from intelligence.drift.episodes import Retraining, retraining
        from intelligence.drift.watch import day_drift, day_watch, watched
        from resources.services.drift import REACH_DAYS

        first = day - timedelta(days=REACH_DAYS + self.rows.horizon_days)
        windows = watched(
            self.rows.of_days(first, day, as_of=day),
            self.model,
            day,
            horizon_days=self.rows.horizon_days,
            trained_through=self.trained_through,
        )
        drift = day_drift(windows, self.baseline, unit=self.rows.unit)
        rules = self.rows.subject.rules
        row = day_watch(
            windows,
            drift,
            self.baseline,
            [(faulty, why) for faulty, why in self.rows.faulty_days if day - timedelta(days=6) <= faulty <= day],
            unit=self.rows.unit,
            capacity=rules.capacity,
            threshold=rules.threshold,
            matters_from=self.product.drift.matters_from,
        )
        judged = drift.filter(pl.col("distance").is_not_null()).with_columns(of=pl.col("distance") / pl.col("limit"))
        nearest = judged.sort("of").tail(1).select("predictor", "of").rows()
        expected, least = row["expected_pr_auc"], row["least_expected_pr_auc"]
        self.watch.append({**row, "model": self.rows.subject.model, "model_version": self.version})
        self.told.append(
            {
                "day": str(day),
                "version": self.version,
                "state": row["state"],
                "that_matter": row["that_matter"],
                "reason": row["reason"],
                "nearest": nearest[0] if nearest else None,
                "expectation": least / expected if least and expected else None,
            }
        )
        asked = retraining(
            pl.DataFrame([{k: each[k] for k in WATCH_SCHEMA} for each in self.watch], schema=WATCH_SCHEMA),
            self.trainings,
            champion=self.version,
            newest_label=day - timedelta(days=self.rows.horizon_days),
            trained_through=self.trained_through + timedelta(days=self.rows.horizon_days),
            rules=self.product.drift,
        )
        if isinstance(asked, Retraining):
            self.told[-1]["training"] = {"key": asked.key, **self._train(day)}

    def _train(self, day: date) -> dict[str, Any]:
        from intelligence.core.errors import NotEnoughEvidence
        from intelligence.drift.episodes import Training
        from intelligence.risk.training import trained
        from intelligence.risk.verdict import evaluated_challenger

        rows, subject = self.rows.to_train_on(day), self.rows.subject
        tell(f"training of {subject.model} as of {day} on {rows.height:,} rows: {self.watch[-1]['reason']}")
        challenger = 1 + self.version + sum(each.challenger > self.version for each in self.trainings)
        try:
            training = trained(rows, subject.task, rules=subject.rules)
        except NotEnoughEvidence as error:
            self.trainings.append(Training(day, 0, "not_enough_evidence", str(error)))
            return {"decision": "not_enough_evidence", "reason": str(error)}
        unseen = training.unseen.rename({training.model.kind: "score"})
        found = evaluated_challenger(
            unseen, rows, subject, champion=self.model, champion_trained_through=self.trained_through
        )
        self.trainings.append(Training(day, challenger, found.decision, found.reason))
        if found.decision == "promote":
            assert isinstance(training.last_time, date)
            self.model, self.version, self.trained_through = training.model, challenger, training.last_time
            self.baseline = self._baseline()
        return {"decision": found.decision, "reason": found.reason, "rows": found.rows}

    def episodes(self) -> Iterator[dict[str, str]]:
        """Yield the episodes in what was found."""
        from intelligence.drift.episodes import episodes

        watch = pl.DataFrame([{k: each[k] for k in WATCH_SCHEMA} for each in self.watch], schema=WATCH_SCHEMA)
        for each in episodes(watch, self.trainings, rules=self.product.drift):
            yield {
                "key": each.key,
                "first_day": str(each.first_day),
                "last_day": str(each.last_day),
                "ripe_day": str(each.ripe_day),
            }


def first_champion(rows: Rows, as_of: date, file: Path | None) -> tuple["RiskModel", date]:
    """Return the model that watches from `as_of` on, trained on the product or read from a file, and what it has seen."""
    from intelligence.risk.training import trained

    if file is not None:
        return pickle.loads(file.read_bytes()), as_of - timedelta(days=rows.horizon_days)
    training = trained(rows.to_train_on(as_of), rows.subject.task, rules=rows.subject.rules)
    assert isinstance(training.last_time, date)
    return training.model, training.last_time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="files of benchmarks.drift_history")
    parser.add_argument("told", type=Path, help="JSON file to write")
    parser.add_argument("--first-training", type=int, default=90, help="days that the first champion learns from")
    parser.add_argument("--feature-model", type=Path, help="file of a champion for features; else one is trained")
    parser.add_argument("--keep-model", type=Path, help="file to keep the champion for features in")
    parser.add_argument(
        "--evidently-every", type=int, default=0, help="also ask Evidently's defaults every so many days"
    )
    parser.add_argument("--model", action="append", choices=("feature_risk", "user_churn"), help="watch only these")
    chosen = parser.parse_args()
    from intelligence.catalog.product import product_from
    from intelligence.risk.model_specs import feature_spec, user_spec

    product = product_from("name: Drifting\nsources: [{name: simulator, simulate: {}}]")
    told = {}
    for subject in (feature_spec(product.risk), user_spec(product.risk)):
        if chosen.model and subject.model not in chosen.model:
            continue
        rows = Rows(chosen.folder, subject, product.risk)
        as_of = rows.first_day + timedelta(days=chosen.first_training - 1)
        model, through = first_champion(rows, as_of, chosen.feature_model if rows.unit == "feature" else None)
        if chosen.keep_model and rows.unit == "feature":
            chosen.keep_model.write_bytes(pickle.dumps(model))
        walk = Walk(rows, product, model, through)
        first_baseline, first_model = walk.window, walk.model
        days = [as_of + timedelta(days=n) for n in range(1, (rows.last_day - as_of).days + 1)]
        tell(f"{chosen.folder.name}: {subject.model} watched by a {model.kind} on {len(days)} days")
        for day in days:
            walk.look(day)
        told[subject.model] = {"days": walk.told, "episodes": list(walk.episodes())}
        if chosen.evidently_every:
            asked = days[:: chosen.evidently_every]
            told[subject.model]["evidently"] = default_verdicts(rows, first_model, first_baseline, asked)
    chosen.told.write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
