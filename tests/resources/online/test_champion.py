"""The stream and the API score with the version that is champion in the registry, follow it, and say why where none scores."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from intelligence.catalog.product import Product, product_from
from intelligence.core.errors import ModelError
from intelligence.online.deciding import NO_MODEL
from resources.models.registry import Registry
from resources.online.asked import AskedDecisions
from resources.online.champion import ENTITY_RISK, LOOK_EVERY_S, FollowedChampion
from resources.online.processor import Processor
from resources.online.store import OnlineStore
from resources.services.online_answers import OnlineAnswers, Question
from tests.lakes import lake_in
from tests.programs.models import registry_in
from tests.resources.online.scored import SCORED, by_errors, champion
from tests.resources.online.streamed import NOW_MS, PRODUCT, Online, said


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return registry_in(tmp_path / "models")


@pytest.fixture
def product() -> Product:
    return product_from(PRODUCT + SCORED)


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def followed(registry: Registry, product: Product, now: list[float]) -> FollowedChampion:
    return FollowedChampion(registry, product.online.predictors, clock=lambda: now[0])


@pytest.fixture
def online(tmp_path: Path, product: Product, followed: FollowedChampion) -> Iterator[Online]:
    lake, store = lake_in(tmp_path / "lake"), OnlineStore(tmp_path / "online.db")
    yield Online(tmp_path, product, lake, store, Processor(product, lake, store, champion=followed))
    lake.close()


def trace(online: Online, id_: str) -> dict:
    found = online.store.decision(id_)
    assert found
    return json.loads(found.trace)


def test_the_champion_scores_and_a_new_one_takes_over_without_a_restart(
    online: Online, registry: Registry, followed: FollowedChampion, now: list[float]
) -> None:
    events = [said(n, event_id=f"e{n}", error_count=1) for n in range(6)]
    online.process(events[0])
    assert trace(online, "e0")["reason"] == f"{NO_MODEL}: the fallback holds"
    first = champion(registry, by_errors(1.0))
    followed.look()
    online.process(events[1], events[2])
    why = trace(online, "e2")
    assert (why["answer"], why["model_version"], why["reason"]) == ("throttle", first, "a risk of 0.73")
    assert why["risk_low"] < why["risk_score"] < why["risk_high"]
    assert why["per_minute"] == online.product.online.throttled_per_minute
    second = champion(registry, by_errors(0.0))
    online.process(events[3])
    assert trace(online, "e3")["model_version"] == first, "the last answer is not old yet"
    now[0] += LOOK_EVERY_S
    online.process(events[4])
    end = time.monotonic() + 30
    while followed.present().scorer is None or followed.present().scorer.version != second:
        assert time.monotonic() < end
        time.sleep(0.01)
    online.process(events[5])
    assert (trace(online, "e5")["model_version"], trace(online, "e5")["answer"]) == (second, "allow")


def test_a_score_alone_blocks_nobody_while_nobody_measures_whether_its_model_drifts(
    online: Online, registry: Registry, followed: FollowedChampion
) -> None:
    champion(registry, by_errors(5.0))
    followed.look()
    online.process(said(0, event_id="e", error_count=1))
    why = trace(online, "e")
    assert why["risk_score"] > 0.9
    assert (why["answer"], why["lowered_by"]) == ("throttle", ["block_needs_certainty"])


def test_rules_stand_above_every_score(online: Online, registry: Registry, followed: FollowedChampion) -> None:
    champion(registry, by_errors(0.0))
    followed.look()
    online.process(said(0, event_id="e", user_id="thief"))
    assert (trace(online, "e")["answer"], trace(online, "e")["rules"]) == ("block", ["banned"])


def test_a_question_gets_the_score_that_the_stream_gives(
    online: Online, registry: Registry, followed: FollowedChampion
) -> None:
    champion(registry, by_errors(0.7))
    followed.look()
    answers = OnlineAnswers(
        online.product,
        OnlineStore(online.folder / "online.db"),
        AskedDecisions(online.folder / "asked.db"),
        champion=followed,
    )
    for n in range(12):
        event = said(n, event_id=f"e{n}", user_id=f"u{n % 2}", error_count=n % 3 == 0, value=n)
        question = Question(event["user_id"], at_ms=NOW_MS + n * 1000, value=float(n), errors=n % 3 == 0)
        answers._looked_at = float("-inf")
        (before,) = answers.decided([question], now_ms=NOW_MS)
        online.process(event)
        after = trace(online, f"e{n}")
        names = ("answer", "risk_score", "risk_low", "risk_high", "model_version", "reason", "lowered_by", "per_minute")
        assert {name: before[name] for name in names} == {name: after[name] for name in names}
        assert after["risk_score"] is not None


def test_a_champion_that_asks_for_other_windows_is_said_and_nothing_stops(
    online: Online, registry: Registry, followed: FollowedChampion
) -> None:
    champion(registry, by_errors(0.7, predictor="errors_3m"))
    followed.look()
    online.process(said(0, event_id="e"))
    why = trace(online, "e")
    assert why["is_fallback"]
    assert why["reason"].startswith("the champion cannot score: it asks for errors_3m")


def test_a_score_that_is_no_number_and_a_scorer_that_fails_lead_to_the_fallback(
    online: Online, registry: Registry, followed: FollowedChampion, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion(registry, by_errors(float(np.finfo(np.float64).max)))
    followed.look()
    scorer = followed.present().scorer
    assert scorer
    monkeypatch.setattr(scorer, "logits", lambda windows: np.full(len(windows), np.nan))
    online.process(said(0, event_id="odd"))
    assert trace(online, "odd")["reason"] == "the score nan is no probability: the fallback holds"
    monkeypatch.setattr(scorer, "logits", lambda _: 1 / 0)
    online.process(said(1, event_id="fails"))
    assert trace(online, "fails")["reason"] == "ZeroDivisionError while scoring: the fallback holds"


def test_a_registry_that_does_not_answer_leaves_the_last_champion(
    registry: Registry, product: Product, followed: FollowedChampion, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = champion(registry, by_errors(0.7))
    followed.look()
    unreachable = replace(registry, tracking_uri="http://127.0.0.1:9")
    monkeypatch.setattr(followed, "_registry", unreachable)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    followed.look()
    scorer = followed.present().scorer
    assert scorer
    assert scorer.version == version


def test_a_champion_that_was_damaged_scores_nobody(
    registry: Registry, product: Product, followed: FollowedChampion
) -> None:
    version = champion(registry, by_errors(0.7))
    followed.look()
    for file in (Path(registry.cache) / ENTITY_RISK / version).glob("model.json"):
        file.write_text("{}")
    for file in Path(registry.root).rglob("model.json"):
        file.write_text("{}")
    fresh = FollowedChampion(registry, product.online.predictors)
    assert fresh.present().scorer is None
    assert "the champion cannot score: " in fresh.present().why_none
    with pytest.raises(ModelError):
        registry.champion(ENTITY_RISK)
