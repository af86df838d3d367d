"""Five sound weeks, and on the day after them error_count is 1 in each event: `made` writes it into a folder."""

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
    stuck = last.with_columns(pl.lit(1, pl.Int64).alias("error_count"))
    stuck.write_parquet(target / "in" / f"{days[-1]}.parquet")
    (target / "product.yaml").write_text(
        f"name: Stuck at one\nstart: {days[0]}\nend: {days[-1]}\nsources:\n  - name: app\n    files: {target}/in/*.parquet\n"
        "feature_defaults: {flag_key: '{feature}', max_bad_rating_rate: 0.4}\n"
    )
