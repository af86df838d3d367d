"""Takes one simulated product through the asset graph, and writes what the drift watch reads of it to Parquet files.

It runs in a process of its own, whose environment names the product file. See `benchmarks.drift`.
"""

import argparse
from datetime import timedelta
from pathlib import Path

from benchmarks.decided_days import build
from benchmarks.graph import platform

USERS = (
    "SELECT user_id, hash(user_id) % 1000 AS place, CAST(first_seen_at AS DATE) AS first_day FROM warehouse.dim_users"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("written", type=Path, help="folder for the Parquet files")
    parser.add_argument("--first-training", type=int, required=True, help="days before the first training")
    chosen = parser.parse_args()
    from intelligence.core.sql import sql
    from intelligence.risk.model_specs import user_training_days, users_per_thousand

    simulated = platform().product.sources[0].simulate
    assert simulated is not None
    plan = simulated.plan()
    build((plan.first_day, plan.last_day))
    lake = platform().lake
    users = lake.frame(USERS)
    # Users are sampled by the hash of their id, so that every later sample is a part of this one.
    trained_through = plan.first_day + timedelta(days=chosen.first_training - 1)
    horizon_days = platform().product.risk.churn.horizon_days
    training_days = user_training_days(plan.first_day, trained_through, horizon_days=horizon_days)
    known = users.filter(users["first_day"] <= trained_through).height
    asked = platform().panels.user_parameters(
        [plan.date_of(index) for index in range(plan.days)],
        plan.last_day,
        users_per_thousand=users_per_thousand(known, len(training_days)),
    )
    frames = {
        "panel": lake.frame("FROM risk.feature_panel"),
        "health": lake.frame("SELECT event_date, feature, state FROM metrics.feature_health"),
        "quality": lake.frame("SELECT event_date, verdict, reason FROM telemetry.day_quality"),
        "users": users,
        "user_panel": lake.frame(sql("risk/user_panel.sql"), asked),
    }
    chosen.written.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        frame.write_parquet(chosen.written / f"{name}.parquet")


if __name__ == "__main__":
    main()
