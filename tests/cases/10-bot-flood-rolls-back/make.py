"""Sound weeks, and on the last day a script that fails 3,000 times on a release of three days: `made` writes it into a folder."""

from datetime import timedelta
from pathlib import Path

import polars as pl

from intelligence.simulation.stream import SimulationPlan, simulated_day


def made(target: Path) -> None:
    (target / "in").mkdir(parents=True, exist_ok=True)
    plan = SimulationPlan(features=8, events_per_day=3_000, seed=9091, planted=False, days=60)
    days = [plan.first_day + timedelta(days=number) for number in range(40)]
    for day in days[:-1]:
        simulated_day(plan, day).write_parquet(target / "in" / f"{day}.parquet")
    last = simulated_day(plan, days[-1])
    uses = last.group_by("feature").len().sort("len")["feature"].to_list()
    one = last.filter(pl.col("feature") == uses[len(uses) // 2], platform="web", app_version="3.8.0").head(1)
    midnight = pl.lit(days[-1]).cast(pl.Datetime("us"))
    flood = [
        one.with_columns(
            pl.lit(f"bot{number}").alias("event_id"),
            pl.lit("bot").alias("user_id"),
            pl.lit("bot-visit").alias("session_id"),
            pl.lit(1, pl.Int64).alias("error_count"),
            (midnight + pl.duration(seconds=20 * number)).cast(one.schema["event_time"]).alias("event_time"),
        )
        for number in range(3_000)
    ]
    pl.concat([last, *flood]).write_parquet(target / "in" / f"{days[-1]}.parquet")
    (target / "product.yaml").write_text(
        f"name: Bot flood\nstart: {days[0]}\nend: {days[-1]}\nsources:\n  - name: app\n    files: {target}/in/*.parquet\n"
        "feature_defaults: {flag_key: '{feature}', max_bad_rating_rate: 0.4}\n"
    )
