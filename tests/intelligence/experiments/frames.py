"""Frames of users for tests of experiments: skewed revenue, sessions and orders, with a past that is correlated with both."""

import numpy as np
import polars as pl

from intelligence.metrics.registry import Metric

REVENUE = Metric(name="revenue", kind="mean", column="revenue", covariate="pre_revenue", role="goal")
ORDERS = Metric(
    name="orders_per_session",
    kind="ratio",
    column="orders",
    denominator="sessions",
    covariate="pre_orders",
    denominator_covariate="pre_sessions",
    role="goal",
)
CONVERTED = Metric(name="converted", kind="proportion", column="converted", role="goal")
ERRORS = Metric(name="errors", kind="mean", column="errors", direction="decrease", role="guardrail")
MEDIAN = Metric(name="median_revenue", kind="quantile", column="revenue", quantile=0.5)
ALL = (REVENUE, ORDERS, CONVERTED, ERRORS, MEDIAN)


def users(
    n: int = 4_000, *, seed: int = 7, lift: float = 0.0, more_errors: float = 0.0, share: float = 0.5
) -> pl.DataFrame:
    """Return users of two variants; `lift` is relative, on the revenue and orders of the variant `treatment`."""
    random = np.random.default_rng(seed)
    is_treated = random.random(n) < share
    taste = random.gamma(2.0, 0.5, n)
    factor = 1 + lift * is_treated
    sessions, pre_sessions = random.poisson(3 * taste) + 1, random.poisson(3 * taste) + 1
    orders = random.binomial(sessions, np.clip(0.3 * factor, 0, 1))
    return pl.DataFrame(
        {
            "user_id": np.arange(n),
            "variant": np.where(is_treated, "treatment", "control"),
            "exposed_on": np.datetime64("2026-05-04") + random.integers(0, 14, n),
            "sessions": sessions,
            "pre_sessions": pre_sessions,
            "orders": orders,
            "pre_orders": random.binomial(pre_sessions, 0.3),
            "revenue": taste * 10 * factor + random.gamma(2.0, 2.0, n),
            "pre_revenue": taste * 10 + random.gamma(2.0, 2.0, n),
            "converted": orders > 0,
            "errors": random.poisson(0.5 * (1 + more_errors * is_treated)),
        }
    ).with_columns(pl.col("exposed_on").cast(pl.Date))
