"""Groups of users are named only where the data sets them apart; continua, skews and steps between counts are none."""

import numpy as np
import polars as pl
import pytest

from intelligence.metrics.behaviour import FEWEST_USERS, NONE, behaviour_segments


def users(random: np.random.Generator, kind: np.ndarray, *, apart: float) -> pl.DataFrame:
    """Return users of kinds 0, 1, …, each of which is `apart` times as active in one respect more."""
    size = len(kind)
    days = 3 + random.binomial(25, 0.35 + 0.2 * (kind == 1) * (apart > 1), size)
    events = days + random.poisson(4 * days * np.where(kind == 1, apart, 1) * random.gamma(9, 1 / 9, size))
    minutes = random.gamma(20, 1 / 20, size) * np.where(kind == 2, apart, 1)
    return pl.DataFrame(
        {
            "active_days": days,
            "events": events,
            "sessions": days + random.poisson(0.4 * days),
            "duration_s": events * minutes * 20,
            "features": days + random.binomial(events, 0.2),
            "converted_days": random.binomial(days, random.beta(2, 4, size)),
            "ratings": random.binomial(days, 0.1),
        }
    )


@pytest.mark.parametrize("kinds", [2, 3])
def test_planted_groups_are_found_with_their_shares_and_named_by_what_sets_them_apart(kinds: int) -> None:
    random = np.random.default_rng(4)
    kind = random.choice(kinds, 3_000, p=[0.5, 0.5] if kinds == 2 else [0.4, 0.3, 0.3])
    found = behaviour_segments(users(random, kind, apart=12.0))
    assert sorted(row["share"] for row in found) == pytest.approx(sorted(np.bincount(kind) / 3_000), abs=0.02)
    assert any("events a day" in row["segment"] and "many" in row["segment"] for row in found), found
    assert all(row["stability"] >= 0.8 and row["note"] is None for row in found)


@pytest.mark.parametrize("seed", range(6))
def test_users_who_differ_by_degrees_are_no_groups(seed: int) -> None:
    random = np.random.default_rng(seed)
    (row,) = behaviour_segments(users(random, np.zeros(1_500, int), apart=1.0))
    assert (row["segment"], row["users"]) == (NONE, 0)
    assert "differ by degrees" in row["note"]


def test_a_group_of_very_few_is_none() -> None:
    random = np.random.default_rng(8)
    kind = (np.arange(3_000) < 30).astype(int)
    (row,) = behaviour_segments(users(random, kind, apart=40.0))
    assert row["segment"] == NONE


def test_few_users_and_users_who_are_all_alike_are_answers() -> None:
    random = np.random.default_rng(1)
    (row,) = behaviour_segments(users(random, np.zeros(FEWEST_USERS - 1, int), apart=1.0))
    assert row["note"].startswith(f"not enough evidence: {FEWEST_USERS - 1} users")
    alike = pl.DataFrame({name: [5] * 600 for name in ("active_days", "events", "sessions", "duration_s", "features")})
    (row,) = behaviour_segments(alike.with_columns(converted_days=pl.lit(0), ratings=pl.lit(0)))
    assert "alike" in row["note"]


def test_the_same_users_give_the_same_groups() -> None:
    random = np.random.default_rng(4)
    frame = users(random, random.choice(2, 2_000), apart=12.0)
    assert behaviour_segments(frame) == behaviour_segments(frame)
