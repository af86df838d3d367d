"""The history of the alias `champion`: complete, exact once, and whole again after a kill at any point."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelligence.core.errors import ModelError
from intelligence.interfaces.cli import learning, session
from intelligence.risk.versions import Move
from resources.config.faults import PROMOTION_FAULT_POINTS
from resources.config.settings import ROOT
from resources.models.mlflow_store import client_of
from resources.models.promotions import former_champion
from resources.models.registry import Registry
from resources.models.versions import REVERT
from resources.platform import Platform
from resources.state.store import state_at
from resources.twins.recorded import recorded_messages
from tests.platforms import platform_in
from tests.programs.models import registered

NAME = "feature_risk"


def promote(registry: Registry, version: str, reason: str = "it is better") -> Move:
    return registry.promoted(NAME, version, actor="gate", cause="verdict", reason=reason, run_id="r1")


def moved_by_hand(registry: Registry, version: str) -> None:
    client_of(registry.uri).set_registered_model_alias(NAME, "champion", version)


def steps(registry: Registry) -> list[tuple[str | None, str | None, str]]:
    return [(move.from_version, move.to_version, move.actor) for move in registry.history(NAME)]


def champion(registry: Registry) -> str | None:
    return registry.aliases(NAME).get("champion")


def program(registry: Registry, *arguments: str, kill_at: str = "") -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "INTELLIGENCE_KILL_AT": kill_at}
    command = [sys.executable, "-m", "tests.programs.promote", str(Path(registry.root).parent), *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def three(registry: Registry) -> Registry:
    """A registry with three versions."""
    for weight in (0.1, 0.2, 0.3):
        registered(registry, weight)
    return registry


def test_a_promotion_moves_the_alias_and_says_who_when_from_to_and_why(three: Registry) -> None:
    before = datetime.now(UTC)
    promote(three, "1")
    move = promote(three, "2", reason="PR-AUC +0.03 [0.01, 0.05]")
    assert champion(three) == "2"
    assert three.history(NAME)[-1] == move
    assert (move.from_version, move.to_version, move.actor, move.cause) == ("1", "2", "gate", "verdict")
    assert (move.reason, move.run_id, move.model) == ("PR-AUC +0.03 [0.01, 0.05]", "r1", NAME)
    assert before <= move.at <= datetime.now(UTC)
    assert three.noticed(NAME) is None


def test_promoting_the_present_champion_changes_nothing(three: Registry) -> None:
    first = promote(three, "1")
    assert promote(three, "1", reason="again") == first
    assert three.history(NAME) == [first]


def test_reverts_go_back_one_champion_each(three: Registry) -> None:
    for version in "123":
        promote(three, version)
    back = three.reverted(NAME, actor="ann", reason="worse on mobile")
    assert (back.from_version, back.to_version, back.actor, back.cause) == ("3", "2", "ann", REVERT)
    assert three.reverted(NAME, actor="ann", reason="still").to_version == "1"
    assert champion(three) == "1"
    with pytest.raises(ModelError, match=r"no champion before version 1.*intelligence promote"):
        three.reverted(NAME, actor="ann", reason="again")
    assert len(three.history(NAME)) == 5


def test_without_any_champion_there_is_nothing_to_revert(three: Registry) -> None:
    with pytest.raises(ModelError, match="it has had no champion"):
        three.reverted(NAME, actor="ann", reason="why not")


def test_a_version_that_does_not_exist_is_refused_and_leaves_no_trace(three: Registry) -> None:
    promote(three, "1")
    with pytest.raises(ModelError, match=r"version 7: there is no such version. Choose one of 3, 2, 1"):
        promote(three, "7")
    moved_by_hand(three, "2")
    three.noticed(NAME)
    assert steps(three) == [(None, "1", "gate"), ("1", "2", "a person in MLflow")]


def test_a_move_by_hand_is_noticed_once(three: Registry) -> None:
    promote(three, "1")
    moved_by_hand(three, "3")
    move = three.noticed(NAME)
    assert move
    assert (move.from_version, move.to_version, move.actor) == ("1", "3", "a person in MLflow")
    assert move.cause == "alias moved"
    assert three.noticed(NAME) is None
    assert three.reverted(NAME, actor="ann", reason="undo").to_version == "1"


def test_a_first_champion_by_hand_and_a_removed_alias_are_noticed(three: Registry) -> None:
    assert three.noticed(NAME) is None
    moved_by_hand(three, "2")
    three.noticed(NAME)
    client_of(three.uri).delete_registered_model_alias(NAME, "champion")
    removed = three.noticed(NAME)
    assert removed
    assert removed.to_version is None
    assert three.noticed(NAME) is None
    assert three.reverted(NAME, actor="ann", reason="bring it back").to_version == "2"


def test_a_move_by_hand_is_recorded_before_a_promotion_that_follows_it(three: Registry) -> None:
    promote(three, "1")
    moved_by_hand(three, "2")
    promote(three, "3")
    assert steps(three) == [(None, "1", "gate"), ("1", "2", "a person in MLflow"), ("2", "3", "gate")]


@pytest.mark.proof
def test_two_processes_that_notice_at_once_record_it_once(three: Registry) -> None:
    promote(three, "1")
    moved_by_hand(three, "2")
    processes = [program(three, "notice") for _ in range(2)]
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert sorted(out.startswith("Move(") for out, _ in outputs) == [False, True]
    assert steps(three) == [(None, "1", "gate"), ("1", "2", "a person in MLflow")]


@pytest.mark.proof
@pytest.mark.parametrize("point", PROMOTION_FAULT_POINTS)
def test_a_promotion_that_is_killed_is_whole_or_not_at_all_after_the_next_look(three: Registry, point: str) -> None:
    promote(three, "1")
    killed = program(three, "promote", "2", kill_at=point)
    assert (killed.communicate(), killed.returncode)[1] == -9
    alias = champion(three)
    assert alias == ("1" if point == "promotion.intended" else "2")
    move = three.noticed(NAME)
    assert steps(three)[1:] == ([] if alias == "1" else [("1", "2", "gate")])
    assert (move.reason if move else None) == (None if alias == "1" else "it is better")
    assert three.noticed(NAME) is None
    moved_by_hand(three, "2")
    moved_by_hand(three, "3")
    three.noticed(NAME)
    assert steps(three)[-1][2] == "a person in MLflow"


def test_a_store_that_vanished_is_no_removed_alias(three: Registry) -> None:
    promote(three, "1")
    Path(three.root, "mlflow.db").unlink()
    with pytest.raises(ModelError, match="cannot be reached"):
        three.noticed(NAME)
    assert len(three.history(NAME)) == 1


def platform_over(registry: Registry) -> Platform:
    return platform_in(Path(registry.root).parent, registry=registry)


@pytest.mark.parametrize("in_mlflow", [False, True], ids=["by promote", "in MLflow"])
def test_a_champion_against_its_verdict_is_told_once_and_stays_in_the_history(three: Registry, in_mlflow: bool) -> None:
    three.tagged(NAME, "1", {"verdict": "promote", "verdict_reason": "It ranks better."})
    three.tagged(NAME, "2", {"verdict": "reject", "verdict_reason": "It ranks worse beyond chance."})
    retraining = platform_over(three).retraining
    assert retraining.notified_of_overruled() == []
    promote(three, "1")
    assert retraining.notified_of_overruled() == [], "the gate let it pass"
    if in_mlflow:
        moved_by_hand(three, "2")
    else:
        promote(three, "2", reason="I know better")
    assert retraining.notified_of_overruled() == ["Feature risk: version 2 was made champion against its verdict"]
    three.tagged(NAME, "2", {"verdict": "promote", "verdict_reason": "Judged anew."})
    assert retraining.notified_of_overruled() == []
    last = three.history(NAME)[-1]
    assert (last.overruled, last.gate_reason) == ("reject", "It ranks worse beyond chance."), "as it was said then"
    (message,) = recorded_messages(Path(three.root).parent)
    assert "the gate rejected version 2. It ranks worse beyond chance." in message.text
    assert "Back to version 1: intelligence revert feature_risk" in message.text


def test_the_answer_of_promote_and_revert_says_what_the_gate_had_said(
    three: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for version, verdict in (("1", "promote"), ("2", "hold")):
        three.tagged(NAME, version, {"verdict": verdict, "verdict_reason": f"So it is with {version}."})
    monkeypatch.setattr(session, "platform", lambda: platform_over(three))
    monkeypatch.setattr(learning, "_score_anew", lambda: None)
    learning.promote(NAME, "1")
    assert "gate" not in capsys.readouterr().out
    learning.promote(NAME, "2", why="I know better")
    assert "Against its verdict: the gate held back version 2. So it is with 2." in capsys.readouterr().out
    learning.revert(NAME)
    assert "gate" not in capsys.readouterr().out
    assert platform_over(three).retraining.notified_of_overruled() == [], "it was announced at once"
    assert len(recorded_messages(Path(three.root).parent)) == 1


def test_each_move_against_a_verdict_is_told_and_none_without(three: Registry) -> None:
    retraining = platform_over(three).retraining
    for version, verdict in (("1", "promote"), ("2", "hold")):
        three.tagged(NAME, version, {"verdict": verdict})
    for version in "1213":
        promote(three, version)
    client_of(three.uri).delete_registered_model_alias(NAME, "champion")
    titles = retraining.notified_of_overruled()
    assert [title.split("was made champion ")[1] for title in titles] == ["against its verdict", "without a verdict"]
    assert [move.overruled for move in three.history(NAME)] == [None, "hold", None, "unjudged", None]


def test_a_silent_mlflow_keeps_nobody_from_hearing_of_what_was_recorded(three: Registry) -> None:
    promote(three, "1")
    Path(three.root, "mlflow.db").write_bytes(b"no database")
    announced = platform_over(three).retraining.notified_of_overruled()
    assert announced == ["Feature risk: version 1 was made champion without a verdict"]


def test_a_history_that_a_former_version_wrote_opens_and_overrules_nothing(three: Registry) -> None:
    promote(three, "1")
    state = state_at(three.state)
    with state.writing() as connection:
        connection.exec_driver_sql("DROP TABLE overruled_verdicts")
    state.close()
    (move,) = three.history(NAME)
    assert (move.to_version, move.overruled, move.gate_reason) == ("1", None, "")
    assert platform_over(three).retraining.notified_of_overruled() == []


def moves(actions: list[str | None]) -> list[Move]:
    """Return the history that promotions to these versions leave, with a revert for each None that can be one."""
    history: list[Move] = []
    for action in actions:
        present = history[-1].to_version if history else None
        target = action or former_champion(history)
        if target is None or target == present:
            continue
        cause = "verdict" if action else REVERT
        history.append(Move(len(history) + 1, datetime(2026, 1, 1, tzinfo=UTC), NAME, present, target, "a", cause, "r"))
    return history


@given(st.lists(st.sampled_from(["1", "2", "3", "4", None]), max_size=25))
def test_reverts_undo_promotions_in_their_order_and_never_stand_still(actions: list[str | None]) -> None:
    stack: list[str] = []
    for move in moves(actions):
        if move.cause == REVERT:
            stack.pop()
            assert move.to_version == stack[-1]
        else:
            stack.append(str(move.to_version))
        assert all(one != other for one, other in pairwise(stack))
    assert former_champion(moves(actions)) == (stack[-2] if len(stack) > 1 else None)
