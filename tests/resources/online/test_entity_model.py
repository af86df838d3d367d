"""A model of entities learns from decisions of the stream and from what became true later, and then scores on the stream."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from intelligence.core.errors import OnlineError, StateError
from intelligence.decisions.tables import ENTITY_TRAINING, ENTITY_VERDICT
from intelligence.online.outcomes import Outcome, entity_panel, outcomes_of
from intelligence.online.settings import Outcomes
from resources.models.registry import Registry
from resources.online.champion import ENTITY_RISK, FollowedChampion
from resources.online.outcomes import OutcomeStore
from resources.online.processor import Processor
from resources.services.entity_decisions import EntityDecisionService
from resources.services.models import ModelService
from resources.services.panels import Panels
from tests.programs.models import registry_in
from tests.resources.online.streamed import NOW, Feed, Online, said

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
    return {"event_id": id_, "outcome": name, "at": NOW + timedelta(days=days)}


def panel(decisions: list[dict], outcomes: list[dict], *, days: int = 7, as_of: datetime = AS_OF) -> pl.DataFrame:
    known = pl.DataFrame(outcomes, schema={"event_id": pl.String, "outcome": pl.String, "at": pl.Datetime("us")})
    return entity_panel(pl.DataFrame(decisions), known, FIGURES, Outcomes(days=days), as_of=as_of)


def labels(*args: list[dict], **more: object) -> dict[str, bool | None]:
    found = panel(*args, **more)
    return dict(zip(found["entity"].to_list(), found["label"].to_list(), strict=True))


def test_a_label_waits_until_its_days_are_over_also_where_harm_is_known_before() -> None:
    decisions = [
        decision("old", -20, entity="sound"),
        decision("new", -2, entity="waits"),
        decision("bad", -2, entity="harmed"),
        decision("later", -20, entity="not yet"),
        decision("freed", -20, entity="freed"),
    ]
    outcomes = [
        outcome("bad", days=-1),
        outcome("later", days=5),
        outcome("freed", days=-9),
        outcome("freed", "refuted", days=-8),
    ]
    assert labels(decisions, outcomes) == {
        "sound": False,
        "waits": None,
        "harmed": None,
        "not yet": False,
        "freed": False,
    }
    later = labels(decisions, outcomes, as_of=NOW + timedelta(days=6))
    assert later == {"sound": False, "waits": False, "harmed": True, "not yet": True, "freed": False}


def test_one_event_of_an_entity_and_day_stands_for_what_followed_on_that_day() -> None:
    decisions = [decision(f"e{hour}", -20, hour) for hour in range(24)]
    for harmful in range(24):
        found = panel(decisions, [outcome(f"e{harmful}", days=-10)])
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


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "no outcome and no list"),
        (b"[]", "no outcome and no list"),
        (b'{"id": "1", "outcome": "chargback"}', "is 'chargback', which is not known"),
        (b'{"id": "1", "outcome": "chargeback", "at": "2100-01-01T00:00:00Z"}', "lies in the future"),
        (b'{"id": "1", "outcome": "chargeback", "more": 1}', "no outcome and no list"),
        (b'{"id": "a\\u0000", "outcome": "chargeback"}', "no outcome and no list"),
        (b'{"id": "1", "outcome": "chargeback", "value": 1e300}', "no outcome and no list"),
        (b"[" * 100_000, "no outcome and no list"),
        (b"\xff", "no outcome and no list"),
    ],
)
def test_what_is_no_outcome_is_refused(text: bytes, problem: str) -> None:
    with pytest.raises(OnlineError, match=problem):
        outcomes_of(text, Outcomes(), now=NOW.replace(tzinfo=UTC))


def test_an_outcome_is_stored_once(tmp_path: Path) -> None:
    store, now = OutcomeStore(f"sqlite:///{tmp_path}/state.db"), NOW.replace(tzinfo=UTC)
    found = outcomes_of(b'[{"id": "1", "outcome": "abuse"}, {"id": "2", "outcome": "abuse"}]', Outcomes(), now=now)
    assert store.add(found, now=now) == 2
    assert store.add([*found, Outcome("1", "refuted", now)], now=now) == 1
    assert [each["outcome"] for each in store.of("1")] == ["abuse", "refuted"]
    assert store.frame().height == 3


@pytest.mark.proof
def test_from_decisions_and_outcomes_to_a_champion_that_scores_the_stream(online: Online, tmp_path: Path) -> None:
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
    state = f"sqlite:///{tmp_path}/state.db"
    assert OutcomeStore(state).add(outcomes, now=NOW.replace(tzinfo=UTC)) == len(outcomes)
    registry: Registry = registry_in(tmp_path / "models")
    models = ModelService(online.product, online.lake, registry, Panels(online.product, online.lake, state))
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


def test_outcomes_of_a_topic_are_stored_and_broken_ones_are_dead_letters(online: Online, tmp_path: Path) -> None:
    settings = Outcomes(topics=("outcomes",))
    product = online.product.model_copy(
        update={"online": online.product.online.model_copy(update={"outcomes": settings})}
    )
    outcomes = OutcomeStore(f"sqlite:///{tmp_path}/state.db")
    processor = Processor(product, online.lake, online.store, outcomes=outcomes)
    assert processor.topics == ("events", "outcomes")
    feed = Feed("outcomes")
    messages = feed.messages({"id": "e1", "outcome": "abuse"}, b"[", None, {"id": "e2", "outcome": "unheard_of"})
    for _ in range(2):
        processor.process([*messages, *online.feed.messages(said(1, event_id="e1"))], now=NOW)
    assert outcomes.frame()["event_id"].to_list() == ["e1"]
    letters = online.store.dead_letters()
    assert [(each.topic, each.offset) for each in letters] == [("outcomes", 1), ("outcomes", 2), ("outcomes", 3)]
    assert "'unheard_of', which is not known" in letters[2].reason
    assert online.store.offsets()["outcomes", 0].next_offset == 4
    again = Processor(product, online.lake, online.store, outcomes=outcomes)
    again.process(messages, now=NOW)
    assert len(online.store.dead_letters()) == 3


def test_a_store_of_outcomes_that_is_away_loses_nothing(online: Online, tmp_path: Path) -> None:
    product = online.product.model_copy(
        update={"online": online.product.online.model_copy(update={"outcomes": Outcomes(topics=("outcomes",))})}
    )
    away = OutcomeStore("postgresql+psycopg://nobody@127.0.0.1:9/none")
    processor = Processor(product, online.lake, online.store, outcomes=away)
    messages = [
        *Feed("outcomes").messages({"id": "e1", "outcome": "abuse"}),
        *online.feed.messages(said(1, event_id="e1")),
    ]
    with pytest.raises(StateError):
        processor.process(messages, now=NOW)
    assert online.store.offsets() == {}
    assert online.store.decisions() == []
    back = OutcomeStore(f"sqlite:///{tmp_path}/state.db")
    processor._outcomes = back
    assert len(processor.process(messages, now=NOW)) == 1
    assert back.frame().height == 1
