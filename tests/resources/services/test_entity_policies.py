"""From decisions by lot and reported outcomes to a policy that the stream and the API follow, below all rules."""

import json
import random
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from intelligence.catalog.product import product_from
from intelligence.decisions import sequential
from intelligence.decisions.learned_policy import AS_BEFORE, EntityPolicy, Leaf
from intelligence.decisions.sequential import LEFT_OUT
from intelligence.decisions.settings import Entities
from intelligence.online.deciding import Learned
from intelligence.online.outcomes import Outcome
from intelligence.online.policy_log import policy_log
from intelligence.online.settings import Outcomes
from resources.models.mlflow_store import client_of
from resources.models.registry import Registry
from resources.online.asked import AskedDecisions
from resources.online.champion import ENTITY_POLICY, FollowedChampion
from resources.online.processor import Processor
from resources.online.store import OnlineStore
from resources.services.entity_decisions import EntityDecisionService
from resources.services.entity_policies import EntityPolicyService
from resources.services.online_answers import OnlineAnswers, Question
from resources.services.panels import Panels
from resources.state.feedback import OutcomeRecord
from resources.state.store import state_at
from tests.intelligence.decisions.test_learned_policy import log
from tests.lakes import lake_in
from tests.programs.models import LOGGED, registry_in
from tests.resources.online.scored import SCORED, by_errors, champion
from tests.resources.online.streamed import NOW, NOW_MS, PRODUCT, Online, said

EXPLORED = PRODUCT + SCORED.replace("fallback: allow", "fallback: allow, exploration: {share: 0.1}")
ENTITIES, SPENT = 12_000, 100.0
FIGURES = ("events_1m",)


def explored(folder: Path, product_text: str = EXPLORED) -> tuple[Online, EntityPolicyService, Registry]:
    """A stream whose score throttles for errors, while it is large payments that do harm; what is throttled does none."""
    draw, registry = random.Random(3), registry_in(folder / "models")
    champion(registry, by_errors(2.5))
    product, lake, store = product_from(product_text), lake_in(folder / "lake"), OnlineStore(folder / "online.db")
    followed = FollowedChampion(registry, product.online.predictors)
    online = Online(folder, product, lake, store, Processor(product, lake, store, champion=followed))
    outcomes = []
    for first in range(0, ENTITIES, 2_000):
        events = [
            said(
                (n - ENTITIES) * 60 - 15 * 86_400,
                event_id=f"e{n}",
                user_id=f"u{n}",
                error_count=draw.randrange(2),
                value=draw.choice([1.0, SPENT]),
            )
            for n in range(first, first + 2_000)
        ]
        for each in online.process(*events):
            if each.decision.answer == "allow" and each.event.value == SPENT and draw.random() < 0.6:
                at = NOW.replace(tzinfo=UTC) + timedelta(seconds=each.event.at_ms / 1000 - NOW_MS / 1000 + 86_400)
                outcomes.append(Outcome(each.event.id, "chargeback", at))
    # The newest event says up to when it is known what became of the others.
    online.process(said(0, event_id="newest"))
    EntityDecisionService(lake, folder).landed()
    state = f"sqlite:///{folder}/state.db"
    OutcomeRecord(state_at(state), lambda: NOW.replace(tzinfo=UTC)).add(outcomes, {})
    return online, EntityPolicyService(product, lake, registry, Panels(product, lake, state)), registry


@pytest.mark.proof
def test_a_policy_that_gains_is_learned_registered_and_followed_below_all_rules(tmp_path: Path) -> None:
    online, service, registry = explored(tmp_path)
    by_hand = replace(
        service,
        product=service.product.model_copy(
            update={"risk": service.product.risk.model_copy(update={"promotion": "manual"})}
        ),
    )
    held = by_hand.learned()
    assert held.verdict.deploy, held.verdict.reason
    assert (held.version, held.is_champion, registry.champion(ENTITY_POLICY)) == ("1", False, None)
    found = service.learned()
    assert (found.version, found.is_champion, found.decisions) == ("1", True, ENTITIES)
    assert service.learned() == found
    assert [move.to_version for move in registry.history(ENTITY_POLICY)] == ["1"]
    (row,) = registry.versions(ENTITY_POLICY)
    assert (row.verdict, row.kind) == ("promote", "policy_tree")
    assert row.metrics["gain_low"] == found.verdict.low
    assert registry.champion(ENTITY_POLICY).model == found.verdict.policy

    followed = FollowedChampion(registry, online.product.online.predictors)
    online.processor = Processor(online.product, online.lake, online.store, champion=followed)
    answers = OnlineAnswers(
        online.product,
        OnlineStore(tmp_path / "online.db"),
        AskedDecisions(tmp_path / "online_asked.db"),
        champion=followed,
    )
    cases = [(f"n{n}", "thief" if n % 20 == 0 else f"new{n}", n % 2, SPENT if n % 4 < 2 else 1.0) for n in range(200)]
    questions = [Question(user, id_, NOW_MS + 60_000, value, errors=bool(errors)) for id_, user, errors, value in cases]
    before = answers.decided(questions, now_ms=NOW_MS + 60_000)
    online.process(
        *(said(60, event_id=id_, user_id=user, error_count=errors, value=value) for id_, user, errors, value in cases)
    )
    for (id_, user, errors, value), asked in zip(cases, before, strict=True):
        made = online.store.trace(id_)
        names = ("answer", "reason", "learned_version", "propensity", "is_drawn", "rules")
        assert {name: made[name] for name in names} == {name: asked[name] for name in names}
        if user == "thief":
            assert (made["answer"], made["rules"], made["learned_version"]) == ("block", ["banned"], None)
        else:
            assert made["learned_version"] == ("1" if value == SPENT or errors else made["learned_version"])
            usual = "throttle" if value == SPENT else "allow"
            assert (made["answer"] == usual) != made["is_drawn"]
            assert made["propensity"] == (0.1 if made["is_drawn"] else 0.9)
    assert "by the learned policy 1" in online.store.trace("n1")["reason"]


@pytest.mark.proof
@pytest.mark.parametrize("change", [("share: 0.1", "share: 0"), ("level: auto", "level: shadow")])
def test_without_lots_or_where_nothing_is_carried_out_nothing_is_registered(
    tmp_path: Path, change: tuple[str, str]
) -> None:
    _, service, registry = explored(tmp_path, EXPLORED.replace(*change))
    found = service.learned()
    assert (found.version, found.is_champion, registry.versions(ENTITY_POLICY)) == (None, False, [])
    assert found.verdict.reason.startswith("The present policy stays: ")
    assert found.decisions == (0 if "shadow" in change[1] else ENTITIES)


def test_ppo_that_is_asked_for_and_not_installed_is_said_to_be_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = product_from(PRODUCT + SCORED)
    product = product.model_copy(update={"online": product.online.model_copy(update={"ppo": True})})
    lake, registry = lake_in(tmp_path / "lake"), registry_in(tmp_path)
    service = EntityPolicyService(product, lake, registry, Panels(product, lake))
    monkeypatch.setattr(EntityPolicyService, "_log", lambda self: (1, NOW.date(), log(1)))
    monkeypatch.setattr(sequential, "find_spec", lambda name: None)
    found = service.learned()
    assert found.is_champion
    assert found.verdict.beside == LEFT_OUT
    (card,) = (tmp_path / "mlruns").rglob("card.md")
    assert LEFT_OUT in card.read_text()


def test_mlflow_loads_a_policy_that_gives_the_same_answers(tmp_path: Path) -> None:
    from mlflow import pyfunc

    leaves = (
        Leaf((("risk_score", False, 0.5),), "", 10, 0.0, 0.1),
        Leaf((("risk_score", True, 0.5), ("events_1m", False, 3.0)), "allow", 10, -0.2, 0.1),
        Leaf((("risk_score", True, 0.5), ("events_1m", True, 3.0)), "throttle", 10, 0.2, 0.1),
    )
    policy, registry = EntityPolicy(("events_1m", "risk_score"), leaves), registry_in(tmp_path)
    version = registry.registered(ENTITY_POLICY, policy, logged=LOGGED, tags={}).version
    registry.promoted(ENTITY_POLICY, version, actor="test", cause="test", reason="test")
    client_of(registry.uri)
    rows = pl.DataFrame({"risk_score": [0.5, 0.6, 0.6, 0.6, None], "events_1m": [9.0, 3.0, 3.5, None, 9.0]})
    found = pyfunc.load_model(f"models:/{ENTITY_POLICY}@champion").predict(rows.to_pandas())
    codes = policy.answers(rows.select("events_1m", "risk_score").to_numpy()).tolist()
    assert codes == [AS_BEFORE, 0, 1, 0, AS_BEFORE]
    assert [AS_BEFORE if np.isnan(each) else each for each in found] == codes
    other = FollowedChampion(registry, ["errors_1m"])
    assert other.present().learned is None, "it asks for what the windows do not have"
    assert FollowedChampion(registry, ["events_1m"]).present().learned == Learned(policy, version)


def decision(id_: str, day: float, *, answer: str = "allow", propensity: float = 0.9, score: float = 0.2) -> dict:
    return {
        "event_id": id_,
        "event_time": NOW + timedelta(days=day),
        "number": int(day * 10),
        "entity": f"u{id_}",
        "answer": answer,
        "propensity": propensity,
        "windows": json.dumps({"events_1m": None if id_ == "d" else 3.0}),
        "risk_score": score,
    }


def test_the_log_has_the_reward_once_the_days_are_over_and_the_chance_of_throttling() -> None:
    rows = [
        decision("a", -20),
        decision("b", -19, answer="throttle", propensity=0.1),
        decision("c", -18, answer="throttle", score=0.8),
        decision("d", -17, answer="allow", propensity=0.1, score=0.8),
        decision("young", -2),
    ]
    outcomes = pl.DataFrame(
        [
            {"decision_id": id_, "kind": "chargeback", "happened_at": NOW + timedelta(days=day)}
            for id_, day in (("a", -19), ("c", -17), ("d", -5), ("young", -1))
        ]
    )
    found = policy_log(pl.DataFrame(rows), outcomes, FIGURES, Outcomes(days=7), Entities(throttle_cost=0.05), as_of=NOW)
    assert found.users.tolist() == ["ua", "ub", "uc", "ud"]
    assert found.rewards == pytest.approx([-1, -0.05, -1.05, 0])
    assert found.chances == pytest.approx([0.1, 0.1, 0.9, 0.9])
    assert found.usual.tolist() == [False, False, True, True]
    assert found.throttled.tolist() == [False, True, True, False]
    assert str(found.contexts.tolist()) == "[[3.0, 0.2], [3.0, 0.2], [3.0, 0.8], [nan, 0.8]]"
