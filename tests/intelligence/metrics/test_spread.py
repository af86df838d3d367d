"""Evidence counts people: bad events of few users are no trouble of the product, and few users hide no trouble of many."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intelligence.core.tables import Days
from intelligence.metrics.burn import share_lower_bounds, wilson_lower_bounds
from intelligence.metrics.health import feature_health
from intelligence.metrics.settings import Health
from intelligence.metrics.spread import OBJECTIVES, Floats, Spread
from tests.intelligence.metrics.health_cases import NO_ROWS, RULES, Case, Used, day
from tests.spread_of_users import of_users

People = Sequence[tuple[int, int]]
Z: Final = 1.96


def summed(bad: Floats, total: Floats) -> Spread:
    """Return the sums over users, who stand along the last axis; all have an event."""
    return Spread(
        *(
            bad.sum(-1),
            total.sum(-1),
            np.full(total.shape[:-1], float(total.shape[-1])),
            (bad > 0).sum(-1).astype(float),
        ),
        *((bad**2).sum(-1), (bad * total).sum(-1), (total**2).sum(-1)),
        *((bad / total).sum(-1), ((bad / total) ** 2).sum(-1)),
    )


def spread(people: People) -> Spread:
    bad, total = (np.array([[each[place] for each in people if each[1]]], dtype=float) for place in (0, 1))
    return summed(bad, total)


def assessed(*days: Mapping[str, People], rules: Health = RULES) -> dict[str, object]:
    """Return how the last of these days is assessed; each has (bad, total) of every user, by objective."""
    case = Case({"a": [Used()] * len(days)}, first_seen={"a": -100})
    rows = []
    for number, events in enumerate(days):
        use = {"errors": next(iter(events.values())), **events}
        rows.append(
            {
                "feature": "a",
                "event_date": day(number),
                **of_users({"crashes": [(0, n) for _, n in use["errors"]], **use}),
            }
        )
    metrics = pl.DataFrame(rows, infer_schema_length=None).with_columns(
        pl.col("^most_.*_user$").cast(pl.String), pl.col("^most_.*_(events|total)$").cast(pl.Int64)
    )
    found = feature_health(
        metrics,
        case.features(),
        case.quality(),
        case.everybody(),
        NO_ROWS,
        days=Days(day(0), day(len(days))),
        rules=rules,
    )
    return found.row(-1, named=True)


def sound(users: int, events: int = 2) -> list[tuple[int, int]]:
    return [(0, events)] * users


def hit(users: int, bad: int, events: int) -> list[tuple[int, int]]:
    return [(bad, events)] * users


# What few users meet, however loud they are. Each is one day, or several.
OF_FEW: Final[dict[str, Sequence[Mapping[str, People]]]] = {
    "one tab that tries again 86 times": [{"errors": [*hit(1, 86, 86), *hit(1, 1, 2), *sound(97)]}],
    "a script of 3,000 failures": [{"errors": [*hit(1, 3_000, 3_000), *hit(2, 1, 3), *sound(130, 3)]}],
    "a script among few failures of others": [{"errors": [*hit(1, 900, 900), *hit(4, 1, 3), *sound(160)]}],
    "two clients that loop": [{"errors": [*hit(2, 50, 50), *sound(108)]}],
    "three clients that loop": [{"errors": [*hit(3, 40, 40), *sound(120)]}],
    "five clients that loop": [{"errors": [*hit(5, 60, 60), *sound(395)]}],
    "one flaky client, day after day": [{"errors": [*hit(1, 30, 40), *sound(110)]}] * 3,
    "two flaky clients, day after day": [{"errors": [*hit(2, 20, 20), *sound(110)]}] * 5,
    "a client that crashes at start": [
        {"crashes": [*hit(1, 25, 25), *sound(150)], "errors": [*hit(1, 25, 25), *sound(150)]}
    ],
    "one user far away": [{"latency": [*hit(1, 80, 90), *sound(120)], "errors": sound(121)}],
    "one who rates everything 1": [{"ratings": [*hit(1, 200, 200), *hit(6, 1, 1), *sound(23, 1)], "errors": sound(80)}],
    "two who rate everything 1": [{"ratings": [*hit(2, 60, 60), *sound(40, 1)], "errors": sound(80)}],
    "the only user": [{"errors": hit(1, 90, 300)}],
    "two users, one of whom fails": [{"errors": [(50, 60), (0, 60)]}],
    "a shared account that fails alone": [{"errors": [*hit(1, 100, 120), *sound(90)]}],
}
# Bad events of many users, whoever else there is; with the promise that is broken.
OF_MANY: Final[dict[str, tuple[str, Sequence[Mapping[str, People]]]]] = {
    "an outage": ("errors", [{"errors": [*hit(60, 1, 2), *sound(60)]}]),
    "an outage of a product that a shared account uses most": (
        "errors", [{"errors": [(50, 160), *hit(40, 1, 2), *hit(20, 1, 3), *sound(50)]}],
    ),
    "a mild trouble over three days": ("errors", [{"errors": [*hit(32, 1, 4), *sound(168, 4)]}] * 3),
    "an outage behind one loud sound client": ("errors", [{"errors": [(0, 4_000), *hit(40, 2, 2), *sound(20)]}]),
    "an outage behind three loud sound clients": ("errors", [{"errors": [*hit(3, 0, 2_000), *hit(40, 2, 2), *sound(20)]}]),
    "slowness behind one loud fast client": (
        "latency", [{"latency": [(0, 3_000), *hit(40, 2, 3), *sound(10)], "errors": [(0, 3_000), *sound(50, 3)]}],
    ),
    "slowness of all and one loud client's errors": (
        "latency", [{"errors": [*hit(1, 90, 90), *sound(100)], "latency": [*hit(1, 0, 90), *hit(50, 1, 2), *sound(50)]}],
    ),
    "a small product that is down": ("errors", [{"errors": hit(8, 6, 8)}]),
    "a small product that is half down": ("errors", [{"errors": [*hit(4, 6, 8), *sound(4, 8)]}]),
    "everybody dislikes it": ("ratings", [{"ratings": [*hit(45, 1, 1), *sound(15, 1)], "errors": sound(80)}]),
    "crashes of many": ("crashes", [{"crashes": [*hit(12, 1, 2), *sound(90)], "errors": [*hit(12, 1, 2), *sound(90)]}]),
    "a real outage and a script in it": ("errors", [{"errors": [(3_000, 3_000), *hit(50, 1, 2), *sound(60)]}]),
}  # fmt: skip


@pytest.mark.parametrize("days", OF_FEW.values(), ids=OF_FEW)
def test_what_few_users_meet_degrades_no_feature(days: Sequence[Mapping[str, People]]) -> None:
    row = assessed(*days)
    assert row["state"] in ("healthy", "at_risk"), row["reason"]


@pytest.mark.parametrize(("objective", "days"), OF_MANY.values(), ids=OF_MANY)
def test_what_many_users_meet_degrades_it(objective: str, days: Sequence[Mapping[str, People]]) -> None:
    row = assessed(*days)
    assert (row["state"], row["worst_objective"]) == ("degraded", objective), row["reason"]


def test_one_client_alone_among_the_rest_is_at_risk() -> None:
    row = assessed({"errors": [*hit(1, 86, 86), *hit(74, 0, 2), *sound(24, 1)]})
    assert row["state"] == "at_risk"
    assert str(row["reason"]).startswith(
        "errors: 86 of 258 events were bad (1 of 99 users), 16.7x what is allowed (2.0%)"
    )


def test_what_one_client_meets_is_at_risk_and_the_client_is_named() -> None:
    row = assessed(OF_FEW["one tab that tries again 86 times"][0])
    assert row["state"] == "at_risk"
    assert str(row["reason"]).startswith(
        "errors: 87 of 282 events were bad (2 of 99 users), 15.4x what is allowed (2.0%)"
    )
    assert str(row["reason"]).endswith("; 86 of the 87 are of one user, `u0`")
    assert (row["most_bad_user"], row["most_bad_events"], row["harmed_users"]) == ("u0", 86, 2)


def test_how_many_must_be_harmed_is_a_setting() -> None:
    four = {"errors": [*hit(4, 6, 8), *sound(4, 8)]}
    assert assessed(four, rules=Health(minimum_harmed_users=4))["state"] == "degraded"
    assert assessed(four, rules=Health(minimum_harmed_users=5))["state"] == "at_risk"


@settings(max_examples=50, deadline=None)
@given(bad=st.integers(0, 200), sound_users=st.integers(0, 400))
def test_where_each_user_has_one_event_it_is_the_plain_binomial(bad: int, sound_users: int) -> None:
    total = bad + sound_users
    counts = spread([*hit(bad, 1, 1), *sound(sound_users, 1)])
    plain = wilson_lower_bounds(np.array([float(bad)]), np.array([float(total)]))
    if total > 1:
        assert counts.effective_events() == pytest.approx(total)
        assert counts.effective_users() == pytest.approx(total)
        assert share_lower_bounds(counts.event_share(), counts.effective_events()) == pytest.approx(plain, abs=1e-9)
        assert share_lower_bounds(counts.user_share(), counts.effective_users()) == pytest.approx(plain, abs=1e-9)


PEOPLE = st.lists(
    st.integers(1, 40).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))), min_size=1, max_size=60
)


@settings(max_examples=60, deadline=None)
@given(people=PEOPLE)
def test_nobody_is_more_evidence_than_there_are_events(people: People) -> None:
    counts = spread(people)
    assert 0 <= counts.effective_events()[0] <= counts.total[0] + 1e-9
    assert counts.effective_users()[0] <= max(counts.total[0], counts.users[0])
    assert 0 <= counts.harmed_users()[0] <= counts.harmed[0]
    assert counts.effective_events()[0] > 0 or len(people) == 1


@settings(max_examples=40, deadline=None)
@given(people=PEOPLE, bad=st.integers(1, 50), times=st.integers(2, 1_000))
def test_one_users_failures_over_and_over_never_make_users_agree(people: People, bad: int, times: int) -> None:
    once, often = spread([*people, (bad, bad)]), spread([*people, (bad * times, bad * times)])
    assert often.user_share() == pytest.approx(once.user_share())
    assert often.harmed_users() == pytest.approx(once.harmed_users())
    state = [assessed({"errors": [*people, (bad * k, bad * k)]})["state"] for k in (1, times)]
    if state[1] == "degraded":
        bound = share_lower_bounds(once.user_share(), np.maximum(once.total, often.total))
        assert bound[0] > 0.02
        assert once.harmed_users()[0] >= RULES.minimum_harmed_users


@pytest.mark.parametrize(
    ("users", "mean", "concentration", "events"),
    [
        (300, 0.05, 2.0, 3), (300, 0.05, 0.5, 6), (200, 0.1, 1.0, 10), (500, 0.03, 4.0, 2), (1_000, 0.02, 1.0, 4),
        (150, 0.2, 0.5, 8), (400, 0.05, 50.0, 5), (80, 0.3, 1.0, 20), (600, 0.08, 0.3, 3), (250, 0.15, 3.0, 1),
    ],
)  # fmt: skip
def test_intervals_cover_though_the_events_of_a_user_go_together(
    users: int, mean: float, concentration: float, events: int
) -> None:
    """Each user fails at a rate of its own, drawn from a beta distribution; the number of events differs as well."""
    random, runs = np.random.default_rng(users + events), 2_000
    total = 1 + random.poisson(events - 1, (runs, users))
    bad = random.binomial(total, random.beta(mean * concentration, (1 - mean) * concentration, (runs, users)))
    counts = summed(bad.astype(float), total.astype(float))
    found = {
        "clustered": (counts.event_share(), counts.effective_events()),
        "of users": (counts.user_share(), counts.effective_users()),
        "plain": (counts.event_share(), counts.total),
    }
    covered = {
        name: float(
            ((share_lower_bounds(share, n, z=Z) <= mean) & (1 - share_lower_bounds(1 - share, n, z=Z) >= mean)).mean()
        )
        for name, (share, n) in found.items()
    }
    assert covered["clustered"] >= 0.93
    assert covered["of users"] >= 0.93
    assert covered["plain"] <= covered["clustered"]


def test_every_objective_has_its_spread_in_the_metrics() -> None:
    from intelligence.metrics.spread import spread_columns
    from intelligence.metrics.tables import FACT_FEATURE_METRICS

    columns = {column.name for column in FACT_FEATURE_METRICS.columns}
    assert {name for objective in OBJECTIVES for name in spread_columns(objective)} <= columns
