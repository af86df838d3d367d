"""The time for decisions on 1,000 features, from frames to records: the evidence, the decisions, and one single entity."""

import time
import timeit
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from benchmarks.measuring import arguments, demand
from intelligence.decisions.entity import entity_decision
from intelligence.decisions.evidence import Sources, evidence
from intelligence.decisions.record import decided
from intelligence.decisions.settings import Decisions

FEATURES = 1_000
DAY = date(2026, 7, 20)
MOST_SECONDS = 1.0


def drawn(seed: int) -> Sources:
    """Return the frames of a day on which a tenth of the features is in trouble."""
    random = np.random.default_rng(seed)
    names = [f"feature_{number:04}" for number in range(FEATURES)]
    degraded = random.random(FEATURES) < 0.1
    whole: dict[str, Any] = {"event_date": [DAY] * FEATURES, "feature": names}
    health = pl.DataFrame(
        {
            **whole,
            "state": np.where(degraded, "degraded", "healthy"),
            "evidence": ["enough"] * FEATURES,
            "since": [DAY - timedelta(days=1)] * FEATURES,
            "calm_days": np.where(degraded, 0, 9),
            "reason": ["errors"] * FEATURES,
            "worst_objective": ["errors"] * FEATURES,
            **{name: random.random(FEATURES) * 4 for name in ("burn_1d", "burn_3d", "burn_28d")},
            "users": random.integers(10, 900, FEATURES),
            "reach_28d": random.random(FEATURES) / 5,
        }
    )
    metrics = pl.concat(
        pl.DataFrame(
            {
                "event_date": [DAY - timedelta(days=back)] * FEATURES,
                "feature": names,
                "usage_count": [800] * FEATURES,
                "failed_events": np.where(degraded, 60, 3),
                "crashed_events": [1] * FEATURES,
                "timed_events": [700] * FEATURES,
                "slow_events": [4] * FEATURES,
                "ratings": [20] * FEATURES,
                "bad_ratings": [2] * FEATURES,
                "mean_latency_ms": random.random(FEATURES) * 300,
            }
        )
        for back in range(3)
    )
    limits = ("max_error_rate", "max_crash_rate", "max_slow_rate", "max_bad_rating_rate", "max_bad_answer_rate")
    described = {"owner": "team", "tier": 2, "lifecycle": "live", **dict.fromkeys(limits, 0.02)}
    features = pl.DataFrame({"feature": names, "flag_key": names}).with_columns(
        pl.lit(value).alias(name) for name, value in described.items()
    )
    uses = pl.DataFrame({"feature": names, "is_bad": degraded}).join(
        pl.DataFrame({"platform": ["web", "ios", "android"] * 3, "app_version": ["3.1", "3.2", "3.3"] * 3}).unique(),
        how="cross",
    )
    release_days = uses.select(
        "feature",
        "platform",
        "app_version",
        event_date=pl.lit(DAY),
        events=pl.lit(90),
        failed_events=pl.when(pl.col("is_bad") & (pl.col("app_version") == "3.3")).then(40).otherwise(1),
    )
    first = datetime.combine(DAY - timedelta(days=3), datetime.min.time())
    return Sources(
        health=health,
        features=features,
        metrics=metrics,
        quality=pl.DataFrame({"event_date": [DAY], "verdict": ["whole"]}),
        risk=pl.DataFrame(whole).with_columns(
            risk_score=pl.Series(random.random(FEATURES)),
            risk_low=0.0,
            risk_high=1.0,
            impact_score=1.0,
            reason_1=pl.lit("x"),
        ),
        panel=pl.DataFrame(whole).with_columns(users_7d=300.0, error_rise_7d=5.0, release_age_days=3.0),
        releases=release_days.select("platform", "app_version").unique().with_columns(first_seen_at=pl.lit(first)),
        release_days=release_days,
        drift=pl.DataFrame({"event_date": [DAY], "state": ["steady"]}),
        flags=features.select("feature", "flag_key", exposure=1.0, is_locked=pl.lit(False), is_held=pl.lit(False)),
        previous_actions=pl.DataFrame(
            {"feature": names[:100], "kind": "alert", "episode": "e", "day": DAY - timedelta(days=2), "state": "sent"}
        ),
        model_version=1,
        trained_through=DAY,
    )


def main() -> None:
    chosen = arguments(__doc__).parse_args()
    settings, sources, taken = Decisions().at_level("auto"), drawn(7), []
    for _ in range(chosen.repeats):
        begun = time.perf_counter()
        known = evidence(sources, day=DAY, settings=settings)
        gathered = time.perf_counter()
        decisions = decided(known, settings=settings)
        taken.append((time.perf_counter() - begun, gathered - begun))
    whole, gathering = sorted(taken)[len(taken) // 2]
    actions = decisions.filter(pl.col("action") != "monitor").height
    print(f"{FEATURES:,} features: {whole:.3f} s, of which {gathering:.3f} s for the evidence; {actions} actions")
    facts = {"drift": "steady", "model_version": 1, "risk_low": 0.9, "risk_high": 0.95}
    entity_s = min(timeit.repeat(lambda: entity_decision(0.92, facts=facts, settings=settings), number=10_000)) / 10_000
    print(f"one entity: {entity_s * 1e6:.1f} µs")
    demand(whole <= MOST_SECONDS, f"{whole:.2f} s for {FEATURES:,} features is more than {MOST_SECONDS} s")


if __name__ == "__main__":
    main()
