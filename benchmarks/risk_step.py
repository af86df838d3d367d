"""One run of the risk step over drawn metrics, or one scoring of many users; see `benchmarks.risk`."""

import argparse
import json
import time
from datetime import date, timedelta
from pathlib import Path

FIRST_DAY = date(2026, 1, 1)
HORIZON_DAYS = 7
DECAY_DAYS = 10


def drawn_metrics(features: int, days: int) -> dict:
    """Return metrics, features, health, quality and releases as the lake would hold them, by name."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(7)
    calendar = np.array([np.datetime64(FIRST_DAY) + day for day in range(days)])
    names = np.array([f"feature_{number:04}" for number in range(features)])
    decays = rng.random((features, days)) < 0.004
    severity = np.zeros((features, days))
    for feature, day in zip(*np.nonzero(decays), strict=True):
        until = min(days, day + DECAY_DAYS + 7)
        severity[feature, day:until] = np.maximum(
            severity[feature, day:until], np.minimum(1, np.arange(until - day) / DECAY_DAYS)
        )
    usage = rng.poisson(400, (features, days))
    failed = rng.binomial(usage, 0.005 + 0.045 * severity**2)
    keys = {"event_date": np.tile(calendar, features), "feature": np.repeat(names, days)}
    columns = {
        "usage_count": usage,
        "users": (usage * 0.8).astype(int),
        "timed_events": usage,
        "slow_events": rng.binomial(usage, 0.005 + 0.05 * severity),
        "failed_events": failed,
        "errors": failed,
        "crashed_events": rng.binomial(usage, 0.002 + 0.004 * severity),
        "ratings": usage // 5,
        "bad_ratings": rng.binomial(usage // 5, 0.08 + 0.2 * severity),
        "p50_latency_ms": 300 * (1 + severity) * rng.lognormal(0, 0.03, usage.shape),
        "p95_latency_ms": 900 * (1 + severity) * rng.lognormal(0, 0.06, usage.shape),
        "mean_rating": 4.2 - 0.6 * severity + rng.normal(0, 0.1, usage.shape),
    }
    state = np.where(failed / usage > 0.03, "degraded", "healthy")
    promises = {"max_error_rate": 0.02, "max_crash_rate": 0.01, "max_slow_rate": 0.05, "max_bad_rating_rate": 0.4}
    return {
        "metrics": pl.DataFrame({**keys, **{name: values.ravel() for name, values in columns.items()}}),
        "features": pl.DataFrame({"feature": names}).with_columns(
            first_seen_date=pl.lit(FIRST_DAY), lifecycle=pl.lit("live"), tier=pl.lit(2), **promises
        ),
        "health": pl.DataFrame({**keys, "state": state.ravel()}).with_columns(
            unjudged_days=pl.lit(0), since=pl.col("event_date")
        ),
        "quality": pl.DataFrame({"event_date": calendar}).with_columns(verdict=pl.lit("whole")),
        "releases": pl.DataFrame({"first_seen_at": calendar[::6]}).cast(pl.Datetime("us")),
    }


def step(features: int, days: int, folder: Path) -> None:
    """Carry out the whole step over `features` x `days` rows and say how long each part took."""
    from intelligence.core.tables import Days
    from intelligence.risk.card import report, summary
    from intelligence.risk.feature_panel import feature_panel
    from intelligence.risk.labels import onset_labels
    from intelligence.risk.model_specs import feature_spec
    from intelligence.risk.pictures import contributions_picture, folds_picture, training_picture
    from intelligence.risk.scores import scored
    from intelligence.risk.settings import Risk
    from intelligence.risk.training import trained
    from intelligence.risk.verdict import evaluated_challenger
    from resources.models.mlflow_store import quiet_environment
    from resources.models.registry import Registry
    from resources.models.versions import LoggedTraining

    quiet_environment()
    drawn, subject = drawn_metrics(features, days), feature_spec(Risk())
    begun = time.perf_counter()
    panel = feature_panel(**drawn, days=Days(FIRST_DAY, FIRST_DAY + timedelta(days=days)))
    labels = onset_labels(drawn["health"], horizon_days=HORIZON_DAYS)
    rows = panel.join(labels, on=["event_date", "feature"])
    built = time.perf_counter()
    training = trained(rows, subject.task, rules=subject.rules)
    learned = time.perf_counter()
    files = {
        "report.json": json.dumps(report(training)).encode(),
        "plots/training.png": training_picture(training),
        "plots/contributions.png": contributions_picture(training.model, rows),
        "plots/folds.png": folds_picture(training),
    }
    registry = Registry(root=str(folder / "mlruns"), cache=str(folder / "models"), state=f"sqlite:///{folder}/state.db")
    logged = LoggedTraining(
        question=subject.asks,
        summary=summary(training, what="features"),
        snapshot=1,
        trained_through=str(training.last_time),
        tables=subject.tables,
        files=files,
    )
    registered = registry.registered(subject.model, training.model, logged=logged, tags={})
    unseen = training.unseen.with_columns(score=training.model.kind)
    found = evaluated_challenger(unseen, rows, subject)
    registry.promoted(subject.model, registered.version, actor="benchmark", cause="", reason=found.reason)
    kept = time.perf_counter()
    today = panel.filter(event_date=panel["event_date"].max())
    champion = registry.champion(subject.model)
    scored(today, champion.model, subject.predictors, name="risk", medium=subject.medium, high=subject.high)
    ended = time.perf_counter()
    print(
        f"  panel {built - begun:.1f} s, training {learned - built:.1f} s, report, registry and gate"
        f" {kept - learned:.1f} s, scores {ended - kept:.1f} s; {training.known_rows:,} rows,"
        f" {training.positives:,} positive; {training.model.kind} won; {found.decision}",
        flush=True,
    )


def score_users(users: int) -> None:
    """Score as many users with boosted trees, with reasons for those from a medium risk up."""
    from dataclasses import replace

    import numpy as np
    import polars as pl

    from intelligence.risk.calibration import platt, with_draws
    from intelligence.risk.candidates import boosted_trees
    from intelligence.risk.predictors import USER_PREDICTORS, names_of
    from intelligence.risk.scores import scored
    from resources.models.mlflow_store import quiet_environment

    quiet_environment()
    rng, names = np.random.default_rng(7), names_of(USER_PREDICTORS)
    teaching = pl.DataFrame({name: rng.gamma(2.0, 2.0, 30_000) for name in names})
    labels = rng.random(30_000) < 1 / (1 + np.exp(3 - teaching[names[0]].to_numpy() / 3))
    model = boosted_trees(teaching, labels, names, {}, 7)
    logits = model.logits(teaching)
    calibration = with_draws(platt(logits, labels), logits, labels, rng.poisson(1, (100, 30_000)).astype(float))
    present = pl.DataFrame({name: rng.gamma(2.0, 2.0, users) for name in names})
    begun = time.perf_counter()
    calibrated = replace(model, calibration=calibration)
    scores = scored(present, calibrated, USER_PREDICTORS, name="churn", medium=0.3, high=0.6, reasons_from=0.3)
    print(f"  scored {scores.height:,} users in {time.perf_counter() - begun:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", nargs="*", type=int, help="features and days")
    parser.add_argument("--users", type=int, help="score so many users instead")
    parser.add_argument("--folder", type=Path, required=True, help="folder for the registry")
    chosen = parser.parse_args()
    if chosen.users:
        score_users(chosen.users)
    else:
        step(*chosen.size, chosen.folder)


if __name__ == "__main__":
    main()
