"""Signals on products whose truth is known: false alarms where nothing is wrong, planted troubles with their delay, and speed.

Ten clean products from the simulator and ten of plain noise with holidays and a partial day, ninety days each: the episodes may be
no more frequent than asked for. Planted products: how many bad releases and slow decays become episodes, and when. Then 1,000
features times 10 metrics times 365 days at once.
"""

import time
from datetime import timedelta

import numpy as np
import polars as pl

from benchmarks.measuring import arguments, demand, tell
from benchmarks.signal_products import ProductDays, noise, simulated
from intelligence.signals.episodes import episodes
from intelligence.signals.scoring import Scored, anomaly_rows, scored
from intelligence.signals.series import panel_of
from intelligence.signals.settings import Signals
from intelligence.simulation.plan import SimulationPlan
from intelligence.simulation.planted_truths import planted_truths

DAYS = 90
DIPS, CUT = (50, 71), (60,)
MOST_SECONDS = 10.0
LEAST_RECALL = 0.85
NO_RELEASES = pl.DataFrame(schema={"app_version": pl.String, "platform": pl.String, "first_seen_at": pl.Datetime("us")})


def told(product: ProductDays, rate: float) -> tuple[Scored, pl.DataFrame, pl.DataFrame]:
    """Return what was scored, the anomalies and the episodes of a product."""
    panel = panel_of(product.features, product.kpis, days=product.days)
    found = scored(panel, product.quality, Signals(false_alarms_per_week=rate))
    rows = anomaly_rows(found, product.days, product.limits)
    return found, rows, episodes(rows, NO_RELEASES, history=product.days, days=product.days)


def interval(counts: list[int], weeks: float) -> tuple[float, float, float]:
    """Return the mean per week with its 95 % range over products, by a bootstrap of the products."""
    draw, rates = np.random.default_rng(1), np.array(counts) / weeks
    means = rates[draw.integers(0, len(rates), (4_000, len(rates)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(rates.mean()), float(low), float(high)


def clean(name: str, products: list[ProductDays], rate: float) -> None:
    """Print the episodes per week of products in which nothing is wrong, and demand what was asked for."""
    counts, severe, on_dips, weeks = [], 0, 0, 0.0
    for product in products:
        found, _, rows = told(product, rate)
        assert found.first_day is not None
        weeks = ((product.days.end - found.first_day).days) / 7
        begun = rows.unique("episode", keep="last", maintain_order=True)
        counts.append(begun.height)
        severe += rows.filter(severity="severe")["episode"].n_unique()
        silent = [product.days.start + timedelta(days=day) for day in (*DIPS, *CUT)] if name == "noise" else []
        on_dips += begun.filter(pl.col("first_day").is_in(silent) & (pl.col("features").list.len() == 0)).height
    mean, low, high = interval(counts, weeks)
    print(
        f"clean, {name}: {mean:.2f} episodes a week (95 % range {low:.2f} to {high:.2f}), asked for at most {rate:g};"
        f" {severe} severe in {len(products)} products; {on_dips} of the product on holidays and partial days"
    )
    demand(high <= rate, f"{name}: {high:.2f} episodes a week where {rate:g} are asked for")
    demand(on_dips == 0, f"{name}: {on_dips} episodes of the whole product on a holiday or a partial day")


def planted(seeds: int, rate: float) -> None:
    """Print how many planted troubles become episodes and after how many days, and demand most of them."""
    hits: dict[str, list[int | None]] = {"bad_release": [], "slow_decay": []}
    elsewhere, weeks = 0, 0.0
    for seed in range(seeds):
        plan = SimulationPlan(features=40, days=DAYS, events_per_day=16_000, seed=seed)
        found, _, rows = told(simulated(plan), rate)
        assert found.first_day is not None
        weeks += ((plan.last_day - found.first_day).days + 1) / 7
        truths = [each for each in planted_truths(plan) if each.kind in hits]
        features = {each.feature for each in planted_truths(plan) if each.kind != "experiment"}
        begun = rows.unique("episode", keep="first", maintain_order=True)
        elsewhere += sum(not set(each) & features for each in begun["features"].to_list())
        for each in truths:
            first = each.precursor_from or each.starts_on
            if each.starts_on < found.first_day + timedelta(days=12):
                continue
            mine = rows.filter(
                pl.col("features").list.contains(each.feature or ""),
                pl.col("is_adverse"),
                pl.col("last_day").is_between(first, each.ends_on),
            )
            seen = mine["last_day"].min()
            hits[each.kind].append((seen - each.starts_on).days if mine.height else None)  # type: ignore[operator]
    for kind, delays in hits.items():
        caught = sorted(delay for delay in delays if delay is not None)
        middle = float(np.median(caught)) if caught else float("nan")
        print(
            f"planted, {kind}: {len(caught)} of {len(delays)} found; median {middle:+.0f} days after users notice"
            f" ({', '.join(f'{delay:+d}' for delay in caught)})"
        )
    print(f"planted, elsewhere: {elsewhere / weeks:.2f} episodes a week on features in which nothing was planted")
    delays = [delay for each in hits.values() for delay in each]
    recall = sum(delay is not None for delay in delays) / max(len(delays), 1)
    demand(recall >= LEAST_RECALL, f"{recall:.0%} of the planted troubles found")


def speed() -> None:
    """Print how long 1,000 features x 10 metrics x 365 days take, and demand less than ten seconds."""
    product = noise(1, features=1_000, days=365)
    begun, started = time.process_time(), time.perf_counter()
    found, rows, told_of = told(product, 1.0)
    spent, wall = time.process_time() - begun, time.perf_counter() - started
    print(
        f"speed: {found.panel.level.shape[0]:,} series x {found.panel.level.shape[1]} days in {spent:.1f} s CPU, {wall:.1f} s wall;"
        f" {rows.height} anomalies, {told_of['episode'].n_unique() / 48:.2f} episodes a week"
    )
    demand(spent < MOST_SECONDS, f"{spent:.1f} s for 1,000 features x 10 metrics x 365 days")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="clean products of each kind")
    parser.add_argument("--planted", type=int, default=4, help="planted products")
    parser.add_argument("--rate", type=float, default=1.0, help="false alarms per week that are asked for")
    chosen = parser.parse_args()
    tell("noise")
    clean("noise", [noise(seed, dips=DIPS, cut=CUT) for seed in range(chosen.seeds)], chosen.rate)
    tell("simulated")
    plans = [
        SimulationPlan(features=30, days=DAYS, events_per_day=6_000, seed=seed, planted=False)
        for seed in range(chosen.seeds)
    ]
    clean("simulated", [simulated(plan) for plan in plans], chosen.rate)
    tell("planted")
    planted(chosen.planted, chosen.rate)
    tell("speed")
    speed()


if __name__ == "__main__":
    main()
