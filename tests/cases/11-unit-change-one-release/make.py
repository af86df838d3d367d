"""Five sound weeks, and on the day after them one release counts microseconds: `made` writes it into a folder."""

from datetime import timedelta
from pathlib import Path

import polars as pl

from intelligence.simulation.stream import SimulationPlan, simulated_day


def made(target: Path) -> None:
    (target / "in").mkdir(parents=True, exist_ok=True)
    plan = SimulationPlan(features=8, events_per_day=3_000, seed=9091, planted=False, days=60)
    days = [plan.first_day + timedelta(days=number) for number in range(36)]
    for day in days[:-1]:
        simulated_day(plan, day).write_parquet(target / "in" / f"{day}.parquet")
    last = simulated_day(plan, days[-1])
    platform, release, _ = last.drop_nulls("app_version").group_by("platform", "app_version").len().sort("len").row(-1)
    is_it = (pl.col("platform") == platform) & (pl.col("app_version") == release)
    changed = pl.when(is_it).then(pl.col("latency_ms") * 1000).otherwise(pl.col("latency_ms"))
    last.with_columns(changed.alias("latency_ms")).write_parquet(target / "in" / f"{days[-1]}.parquet")
    (target / "product.yaml").write_text(
        f"name: Other unit\nstart: {days[0]}\nend: {days[-1]}\nsources:\n  - name: app\n    files: {target}/in/*.parquet\n"
        "feature_defaults: {flag_key: '{feature}', max_bad_rating_rate: 0.4}\n"
    )
