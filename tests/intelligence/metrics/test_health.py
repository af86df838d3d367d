"""Health has memory and asks for evidence."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from intelligence.metrics.settings import Health
from tests.intelligence.metrics.health_cases import BAD, CALM, NO_ROWS, RULES, START, Case, Used, day


def assessed(
    *history: Used | None, rules: Health = RULES, faulty: Sequence[int] = (), old: bool = True
) -> pl.DataFrame:
    """Return the rows of one feature next to those of a large one; `old` features were first seen long before."""
    case = Case(
        {"a": history, "large": [Used(usage=4_000, failed=20)] * len(history)},
        first_seen={"a": -100 if old else 0, "large": -100},
        faulty=frozenset(faulty),
        rules=rules,
    )
    return case.whole().filter(feature="a")


def states(*history: Used | None, **others: object) -> list[str]:
    return assessed(*history, **others)["state"].to_list()  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_a_feature_that_keeps_its_promises_is_healthy_for_ninety_days(seed: int) -> None:
    random = np.random.default_rng(seed)
    history = [
        Used(
            usage=(usage := int(random.integers(100, 900))),
            failed=int(random.binomial(usage, 0.004)),
            crashed=int(random.binomial(usage, 0.001)),
            timed=usage,
            slow=int(random.binomial(usage, 0.01)),
            ratings=usage // 5,
            bad_ratings=int(random.binomial(usage // 5, 0.1)),
        )
        for _ in range(90)
    ]
    rows = assessed(*history)
    assert set(rows["state"]) == {"healthy"}
    assert set(rows["since"]) == {START}
    assert set(rows["evidence"]) == {"enough"}


@pytest.mark.parametrize(
    ("bad", "objective"),
    [
        (Used(failed=48), "errors"),
        (Used(failed=24, crashed=24), "crashes"),
        (Used(slow=100), "latency"),
        (Used(ratings=100, bad_ratings=90), "ratings"),
        (Used(answers=100, bad_answers=60), "answers"),
    ],
)
def test_each_promise_that_is_badly_broken_makes_a_feature_degraded_on_the_same_day(bad: Used, objective: str) -> None:
    row = assessed(*[CALM] * 10, bad).row(-1, named=True)
    assert (row["state"], row["since"], row["worst_objective"]) == ("degraded", day(10), objective)
    assert row["burn_1d"] >= RULES.fast_burn
    assert row["excess_bad_events"] > 0
    assert row["reason"].startswith(f"{objective}: ")


def test_a_release_a_half_above_what_is_allowed_is_found_by_three_days_together() -> None:
    somewhat_bad = Used(usage=4_000, timed=4_000, slow=40, failed=120)
    calm = replace(somewhat_bad, failed=20)
    rows = assessed(*[calm] * 10, *[somewhat_bad] * 3)
    assert rows["state"][9] == "healthy"
    assert rows["state"][12] == "degraded"
    assert rows["burn_1d"][12] < RULES.fast_burn


def test_a_release_that_breaks_a_promise_threefold_is_found_even_by_a_small_feature() -> None:
    small = Used(usage=120, timed=120, slow=1, failed=0)
    found = states(*[small] * 10, replace(small, failed=8), replace(small, failed=8))
    assert found[9] == "healthy"
    assert "degraded" in found[10:]


def test_the_reason_says_what_was_counted_and_what_is_allowed() -> None:
    row = assessed(*[CALM] * 3, BAD).row(-1, named=True)
    assert row["reason"] == "errors: 48 of 400 events were bad (40 of 40 users), 6.0x what is allowed (2.0%)"
    assert row["burn_1d"] == pytest.approx(6.0)
    assert row["burn_3d"] == pytest.approx((48 + 2 + 2) / 1200 / 0.02)
    assert row["excess_bad_events"] == pytest.approx(48 - 0.02 * 400)


@pytest.mark.parametrize("recovery_days", [1, 2, 5])
def test_a_feature_recovers_after_its_calm_days_and_not_before(recovery_days: int) -> None:
    rows = assessed(*[CALM] * 5, *[BAD] * 4, *[CALM] * 12, rules=Health(recovery_days=recovery_days))
    degraded = [row["event_date"] for row in rows.iter_rows(named=True) if row["state"] == "degraded"]
    assert degraded == [day(n) for n in range(5, 5 + 4 + recovery_days - 1)]
    assert rows["state"][-1] == "healthy"


def test_alternating_good_and_bad_days_do_not_flap() -> None:
    found = states(*[CALM] * 5, *[BAD, CALM] * 10)
    assert found[5:] == ["degraded"] * 20


def test_days_without_evidence_are_no_calm_days() -> None:
    few = Used(usage=10, timed=10, slow=0, failed=0)
    found = states(*[CALM] * 5, BAD, few, None, few, CALM, few, CALM)
    assert found[5:] == ["degraded"] * 6 + [found[-1]]
    assert found[-1] in ("healthy", "at_risk")


def test_a_day_of_low_volume_changes_nothing_and_says_so() -> None:
    all_failed = Used(usage=49, failed=49, timed=49, slow=49)
    rows = assessed(*[CALM] * 5, all_failed)
    row = rows.row(-1, named=True)
    assert (row["state"], row["since"], row["evidence"]) == ("healthy", START, "low_volume")
    assert "49 events are too few" in row["reason"]
    assert (row["worst_objective"], row["burn_1d"], row["unjudged_days"], row["calm_days"]) == (None, None, 1, 5)
    assert states(*[CALM] * 5, replace(all_failed, usage=50))[-1] == "degraded"


def test_a_day_of_faulty_telemetry_changes_no_state_and_counts_in_no_window() -> None:
    history = [*[CALM] * 5, Used(failed=400), *[CALM] * 4]
    faulty, absent = assessed(*history, faulty=[5]), assessed(*history[:5], None, *history[6:])
    row = faulty.row(5, named=True)
    assert (row["state"], row["evidence"], row["unjudged_days"]) == ("healthy", "pipeline_fault", 1)
    assert row["excess_bad_events"] == 0
    assert "telemetry" in row["reason"]
    windows = ["event_date", "state", "burn_1d", "burn_3d", "burn_28d", "calm_days", "excess_bad_events"]
    assert_frame_equal(faulty.select(windows), absent.select(windows), check_exact=True)
    assert states(*history)[5] == "degraded"


def test_a_faulty_day_heals_nothing() -> None:
    found = states(*[CALM] * 3, BAD, *[CALM] * 5, faulty=[4, 5])
    assert found[3:7] == ["degraded"] * 4
    assert found[7] != "degraded"


@pytest.mark.parametrize("silence", [None, Used(usage=3, failed=3, timed=0, slow=0)])
def test_a_state_without_evidence_is_kept_for_a_while_and_is_then_unknown(silence: Used | None) -> None:
    rows = assessed(*[CALM] * 3, BAD, *[silence] * 9, CALM)
    stale = RULES.stale_after_days
    assert rows["state"].to_list()[3:-1] == ["degraded"] * (1 + stale) + ["unknown"] * (9 - stale)
    assert rows["since"].to_list()[-2] == day(3 + stale + 1)
    assert rows["state"][-1] != "unknown"


def test_a_known_feature_without_a_row_has_a_day_of_no_events() -> None:
    rows = assessed(CALM, None, CALM)
    assert rows["event_date"].to_list() == [day(0), day(1), day(2)]
    row = rows.row(1, named=True)
    assert (row["evidence"], row["state"], row["usage_count"], row["users"]) == ("no_events", "healthy", 0, 0)
    assert "no event" in row["reason"]


def test_a_feature_appears_on_the_day_it_is_first_seen_and_a_declared_one_never_seen_does_not() -> None:
    case = Case({"a": [CALM] * 6, "later": [None, None, None, CALM, CALM, CALM], "never": [None] * 6})
    rows = case.whole()
    assert rows.filter(feature="later")["event_date"].to_list() == [day(3), day(4), day(5)]
    assert set(rows["feature"]) == {"a", "later"}


def test_a_features_memory_begins_on_the_day_it_is_first_seen() -> None:
    few = Used(usage=5, failed=0, timed=5, slow=0)
    rows = Case({"a": [CALM] * 20, "later": [*[None] * 15, *[few] * 5]}).whole().filter(feature="later")
    assert rows["unjudged_days"].to_list() == [1, 2, 3, 4, 5]
    assert set(rows["since"]) == {day(15)}


def test_no_features_make_no_rows() -> None:
    assert Case({"never": [None] * 3}).whole().height == 0


def test_a_slow_decay_is_at_risk_before_it_is_degraded() -> None:
    decay = [
        Used(usage=2_000, timed=2_000, slow=20, failed=round(2_000 * share)) for share in np.linspace(0.004, 0.05, 60)
    ]
    found = states(*decay)
    changes = [found[0], *(later for earlier, later in pairwise(found) if later != earlier)]
    assert changes == ["healthy", "at_risk", "degraded"]
    assert found.index("degraded") - found.index("at_risk") >= 5


def test_a_feature_is_new_in_its_first_weeks() -> None:
    stages = assessed(*[CALM] * 30, old=False)["stage"].to_list()
    assert stages[:28] == ["New"] * 28
    assert "New" not in stages[28:]


@pytest.mark.parametrize(("users", "stage"), [(40, "Adopted"), (4, "Adopted"), (3, "Low")])
def test_reach_tells_adopted_from_low(users: int, stage: str) -> None:
    row = assessed(*[replace(CALM, users=users)] * 28).row(-1, named=True)
    assert row["reach_28d"] == pytest.approx(users / 200)
    assert row["stage"] == stage


def test_a_feature_that_lost_its_share_is_replaced() -> None:
    rows = assessed(*[CALM] * 10, *[replace(CALM, usage=40, timed=40)] * 8)
    assert rows["stage"][9] == "Adopted"
    assert rows["stage"][-1] == "Replaced"
    assert rows["peak_share_7d"][-1] == pytest.approx(400 / 4_400)
    assert rows["usage_share_7d"][-1] == pytest.approx(40 / 4_040)


def test_the_rows_have_the_columns_of_their_table() -> None:
    rows = Case({"a": [CALM, None]}).whole()
    assert rows.schema == NO_ROWS.schema


@pytest.mark.parametrize("failed", [9, 10, 12, 14, 15, 16])
@pytest.mark.parametrize("last", [0, 1, 2, 4, 6])
def test_who_is_at_risk_is_told_with_the_figure_that_made_it_so(failed: int, last: int) -> None:
    quiet = replace(CALM, failed=0)
    row = assessed(*[quiet] * 10, *[replace(CALM, failed=failed)] * 2, replace(CALM, failed=last)).row(-1, named=True)
    shown = [float(number) for number in re.findall(r"([\d.]+)x", row["reason"])]
    if row["state"] == "at_risk":
        assert max(shown) == pytest.approx((2 * failed + last) / 1200 / 0.02, abs=0.051)
        assert f"errors of three days: {2 * failed + last} of 1200, " in row["reason"]
    else:
        assert len(shown) == 1


def test_the_promise_named_is_one_that_put_the_feature_at_risk() -> None:
    few = Used(usage=60, timed=60, slow=0, failed=0, users=30, answers=40, bad_answers=15)
    row = assessed(*[replace(few, answers=60, bad_answers=6)] * 10, few, few).row(-1, named=True)
    assert (row["state"], row["worst_objective"]) == ("at_risk", "answers")
    assert row["reason"].startswith("answers: 15 of 40 scored answers were bad")


@pytest.mark.parametrize(
    ("failed", "words"), [(0, "none of 400 events was bad"), (4, "errors: 4 of 400 events were bad")]
)
def test_a_calm_day_of_a_trouble_says_that_it_is_one_and_names_no_promise_that_nothing_broke(
    failed: int, words: str
) -> None:
    row = assessed(*[CALM] * 10, replace(CALM, failed=48), replace(CALM, failed=failed, slow=0)).row(-1, named=True)
    assert (row["state"], row["calm_days"]) == ("degraded", 1)
    assert row["reason"].startswith(words)
    assert row["reason"].endswith(", on calm day 1 of the 2 that end the trouble")
    assert ("errors" in row["reason"]) == (failed > 0)


def test_a_promise_of_three_days_is_named_although_nothing_counts_towards_it_today() -> None:
    rated = Used(answers=200, bad_answers=50)
    row = assessed(*[CALM] * 10, rated, CALM).row(-1, named=True)
    assert (row["state"], row["worst_objective"], row["burn_1d"]) == ("at_risk", "answers", None)
    assert row["reason"].startswith("answers: 0 of 0 scored answers were bad")
    assert "answers of three days: 50 of 200, 1.2x" in row["reason"]
