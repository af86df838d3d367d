"""Days as strangers' products had them: what is assessed, and what the policy would do where it may do all of it alone."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from intelligence.decisions.autonomy import TOUCHING
from tests.cases.taken import Assessed, assessed, delivered_rows, product_of

Cases = Callable[[str], Assessed]


@pytest.fixture
def case(tmp_path: Path) -> Cases:
    def found(name: str) -> Assessed:
        product = product_of(name, tmp_path)
        return assessed(delivered_rows(tmp_path), product)

    return found


def in_doubt(found: Assessed) -> dict[date, str]:
    rows = found.quality.filter(pl.col("verdict").is_in(["partial", "empty"])).select("event_date", "reason")
    return dict(rows.iter_rows())


def states(found: Assessed) -> dict[str, str]:
    return dict(found.last(found.health).select("feature", "state").iter_rows())


def test_case_09_one_client_in_a_retry_loop_is_one_user_of_99(case: Cases) -> None:
    found = case("09-one-client-retry-loop")
    assert in_doubt(found) == {}
    assert states(found) == {"export": "at_risk", "orders": "healthy", "search": "healthy"}
    assert not {*found.decisions["action"]} & {*TOUCHING}
    reasons = found.decision("export")["reasons"]
    assert "(1 of 99 users)" in reasons
    assert "86 of the 86 are of one user, `tab-left-open`" in reasons


def test_case_10_a_flood_by_one_client_rolls_nothing_back_and_leaves_the_day_whole(case: Cases) -> None:
    found = case("10-bot-flood-rolls-back")
    assert in_doubt(found) == {}
    assert {state for name, state in states(found).items() if name != "quiz_autosave"} == {"healthy"}
    assert not {*found.decisions["action"]} & {*TOUCHING}
    reasons = found.decision("quiz_autosave")["reasons"]
    assert "3000 of 3439 events were bad (1 of 133 users)" in reasons
    assert "3000 of the 3000 are of one user, `bot`" in reasons


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "11-unit-change-one-release",
            "latency_ms of release 3.7.0 on ios is 1,000 times what it was, in 7 of 7 features",
        ),
        ("12-all-errors-stuck", "error_count is set in 100% of the events in 7 of 7 features"),
    ],
)
def test_cases_11_and_12_what_changes_in_everything_at_once_is_a_fault_of_measuring(
    name: str, words: str, case: Cases
) -> None:
    found = case(name)
    ((day, reason),) = in_doubt(found).items()
    assert day == found.quality["event_date"].max()
    assert reason.startswith(words)
    assert set(states(found).values()) == {"healthy"}
    acted = found.decisions.filter(pl.col("action") != "monitor").select("scope", "action").rows()
    assert acted == [("pipeline", "alert")]


def test_case_22_what_was_so_from_the_first_day_on_in_all_features_has_not_become_worse(tmp_path: Path) -> None:
    product = product_of("22-error-count-taken-unasked", tmp_path)
    rows = delivered_rows(tmp_path).with_row_index("event_id")
    named = {column: field for field, column in product.sources[0].mapping.items() if column in rows.columns}
    found = assessed(rows.rename(named).with_columns(event_type=pl.lit("use")), product)
    assert set(states(found).values()) == {"degraded"}
    assert not {*found.decisions["action"]} & {"alert", *TOUCHING}
    assert "it has broken its promise since its first day, as most features have" in found.decision("search")["reasons"]


def test_case_25_no_reason_speaks_of_a_lock_where_there_is_no_flag(case: Cases) -> None:
    found = case("25-reason-states-unknown-as-fact")
    decision = found.decision("export")
    assert decision["action"] == "alert"
    assert decision["reasons"].endswith("Not more: no flag steers it.")
    for word in ("locked", "nobody", "drift"):
        assert word not in decision["reasons"] + str(decision["why_not"])
