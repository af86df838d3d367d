"""A model of entities learns from decisions of the stream and from what became true later, and then scores on the stream."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from intelligence.decisions.tables import ENTITY_TRAINING, ENTITY_VERDICT
from intelligence.online.entity_panel import entity_panel
from intelligence.online.outcomes import Outcome
from intelligence.online.settings import Outcomes
from intelligence.risk import candidates
from intelligence.risk.candidates import LEFT_OUT
from resources.models.registry import Registry
from resources.online.champion import ENTITY_RISK, FollowedChampion
from resources.online.processor import Processor
from resources.services.entity_decisions import EntityDecisionService
from resources.services.models import ModelService
from resources.services.panels import Panels
from resources.state.feedback import OutcomeRecord
from resources.state.store import state_at
from tests.networks import drawn_network, needs
from tests.programs.models import registry_in
from tests.resources.online.scored import champion
from tests.resources.online.streamed import NOW, Online, said

DAYS, ENTITIES = 40, 60
AS_OF = NOW + timedelta(days=1)
FIGURES = ("events_1m", "errors_1m")


def decision(
    id_: str, day: int, hour: int = 0, *, entity: str = "u1", answer: str = "allow", level: str = "auto"
) -> dict:
    return {
        "event_id": id_,
        "event_time": NOW.replace(hour=hour) + timedelta(days=day),
        "entity": entity,
        "answer": answer,
        "level": level,
        "windows": json.dumps({"events_1m": float(hour), "errors_1m": None, "other": 1}),
    }


def outcome(id_: str, name: str = "chargeback", *, days: float) -> dict:
    return {"decision_id": id_, "kind": name, "happened_at": NOW + timedelta(days=days)}


def panel(decisions: list[dict], outcomes: list[dict], *, days: int = 7, as_of: datetime = AS_OF) -> pl.DataFrame:
    known = pl.DataFrame(
        outcomes, schema={"decision_id": pl.String, "kind": pl.String, "happened_at": pl.Datetime("us")}
    )
    return entity_panel(pl.DataFrame(decisions), known, FIGURES, Outcomes(days=days), as_of=as_of)


def labels(*args: list[dict], **more: object) -> dict[str, bool | None]:
    found = panel(*args, **more)
    return dict(zip(found["entity"].to_list(), found["label"].to_list(), strict=True))


def test_a_label_waits_until_its_days_are_over_also_where_harm_is_known_before() -> None:
    decisions = [
        decision("old", -20, entity="sound"),
        decision("new", -2, entity="waits"),
        decision("bad", -2, entity="harmed"),
        decision("later", -20, entity="too late"),
        decision("freed", -20, entity="freed"),
    ]
    outcomes = [
        outcome("bad", days=-1),
        outcome("later", days=5),
        outcome("freed", days=-18),
        outcome("freed", "false_alarm", days=-17),
    ]
    assert labels(decisions, outcomes) == {
        "sound": False,
        "waits": None,
        "harmed": None,
        "too late": False,
        "freed": False,
    }
    later = labels(decisions, outcomes, as_of=NOW + timedelta(days=6))
    assert later == {"sound": False, "waits": False, "harmed": True, "too late": False, "freed": False}


def test_one_event_of_an_entity_and_day_stands_for_what_followed_on_that_day() -> None:
    decisions = [decision(f"e{hour}", -20, hour) for hour in range(24)]
    for harmful in range(24):
        found = panel(decisions, [outcome(f"e{harmful}", days=-15)])
        assert found.height == 1
        assert found["label"].item() == (harmful >= found["events_1m"].item())
    assert found["errors_1m"].null_count() == 1
    assert found["velocity"].item() == found["events_1m"].item()


def test_who_was_blocked_is_not_learned_from() -> None:
    blocked = [decision("a", -20, answer="block"), decision("b", -20, entity="shadow", answer="block", level="shadow")]
    assert labels(blocked, []) == {"shadow": False}


def test_the_isolation_forest_knows_no_later_day() -> None:
    draw = random.Random(5)
    rows = [
        decision(f"{n}-{day}", day - 40, draw.randrange(12), entity=f"u{n}") for n in range(30) for day in range(30)
    ]
    odd = [decision("odd", -10, 23, entity="odd")]
    found = panel([*rows, *odd], [])
    before = panel([each for each in [*rows, *odd] if each["event_time"].date() <= odd[0]["event_time"].date()], [])
    day = pl.col("event_date") == odd[0]["event_time"].date()
    assert found.filter(day).equals(before.filter(day))
    assert found.filter(day).sort("isolation")["entity"][-1] == "odd"
    assert found.filter(pl.col("event_date") == pl.col("event_date").min())["isolation"].null_count() == 30


def lived(online: Online, folder: Path) -> tuple[ModelService, Registry]:
    """Return the models of a stream on which errors do harm, and what is unusual does none."""
    draw, outcomes = random.Random(3), []
    for day in range(DAYS):
        events = []
        for entity in range(ENTITIES):
            # What is unusual does no harm: worth varies wildly, and errors are common.
            errors, value = draw.random() < 0.4, draw.lognormvariate(2, 2)
            name = f"e{day}-{entity}"
            start = (day - DAYS) * 86_400 + entity * 60
            events.append(said(start, event_id=name, user_id=f"u{entity}", error_count=int(errors), value=value))
            if draw.random() < (0.6 if errors else 0.03):
                at = NOW.replace(tzinfo=UTC) + timedelta(days=day - DAYS + 2)
                outcomes.append(Outcome(name, "chargeback", at))
        online.processor.process([online.feed.message(each, at_ms=None) for each in events], now=NOW)
        EntityDecisionService(online.lake, online.folder).landed()
    state = f"sqlite:///{folder}/state.db"
    OutcomeRecord(state_at(state), lambda: NOW.replace(tzinfo=UTC)).add(outcomes, {})
    registry: Registry = registry_in(folder / "models")
    return ModelService(online.product, online.lake, registry, Panels(online.product, online.lake, state)), registry


@pytest.mark.proof
def test_from_decisions_and_outcomes_to_a_champion_that_scores_the_stream(online: Online, tmp_path: Path) -> None:
    models, registry = lived(online, tmp_path)
    trained = models.trained(ENTITY_TRAINING, say=print)
    assert trained.why_not is None
    verdict = models.evaluated(ENTITY_VERDICT, say=print)
    assert verdict.found.decision == "promote", verdict.reason
    champion = registry.champion(ENTITY_RISK)
    assert champion
    assert max(trained.training.importance, key=trained.training.importance.get).startswith("errors_")
    followed = FollowedChampion(registry, online.product.online.predictors)
    online.processor = Processor(online.product, online.lake, online.store, champion=followed)
    online.process(
        said(60, event_id="calm", user_id="new1"), said(61, event_id="broken", user_id="new2", error_count=3)
    )
    calm, broken = (json.loads(online.store.decision(each).trace) for each in ("calm", "broken"))
    assert calm["model_version"] == broken["model_version"] == champion.version
    assert calm["risk_score"] < 0.2
    assert broken["risk_score"] > 0.4


@pytest.mark.proof
@pytest.mark.parametrize("is_installed", [True, False])
def test_a_network_that_is_asked_for_takes_part_or_is_said_to_be_left_out(
    online: Online, tmp_path: Path, is_installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_installed:
        needs("torch", "deep")
    else:
        monkeypatch.setattr(candidates, "find_spec", lambda name: None)
    risk = online.product.risk.model_copy(update={"neural_network": True})
    online.product = online.product.model_copy(update={"risk": risk})
    models, _ = lived(online, tmp_path)
    sentences: list[str] = []
    found = models.trained(ENTITY_TRAINING, say=sentences.append)
    assert (LEFT_OUT in sentences) != is_installed
    text = found.logged.files["card.md"].decode()
    assert (f"- {LEFT_OUT}" in text) != is_installed
    assert "**What each adds** over the strongest floor:" in text
    assert ("- Neural network ranks" in text) == is_installed
    assert "isolation_forest (floor)" in text
    kept = online.lake.frame("SELECT neural_network FROM decisions.entity_training")
    assert kept["neural_network"].null_count() == (0 if is_installed else kept.height)
    assert ("neural_network" in {each.name for each in found.logged.candidates}) == is_installed


def test_a_network_scores_the_stream_as_champion(online: Online, tmp_path: Path) -> None:
    registry = registry_in(tmp_path / "models")
    model = drawn_network(("errors_5m", "events_1m"), gaps=())
    version = champion(registry, model)
    followed = FollowedChampion(registry, online.product.online.predictors)
    online.processor = Processor(online.product, online.lake, online.store, champion=followed)
    online.process(said(0, event_id="calm"), said(1, event_id="broken", error_count=3))
    traces = [json.loads(online.store.decision(each).trace) for each in ("calm", "broken")]
    expected = model.probabilities(pl.DataFrame({"errors_5m": [0.0, 1.0], "events_1m": [1.0, 2.0]}))
    assert {trace["model_version"] for trace in traces} == {version}
    assert [trace["risk_score"] for trace in traces] == pytest.approx(expected, abs=1e-6)
    assert traces[0]["risk_score"] != pytest.approx(traces[1]["risk_score"], abs=1e-3)
