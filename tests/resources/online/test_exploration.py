"""The stream and the API draw the same lot for the same event, and the probability is kept wherever the decision is."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from intelligence.catalog.product import product_from
from intelligence.decisions.tables import ENTITY_DECISIONS
from intelligence.online.outcomes import Outcome
from resources.online.asked import AskedDecisions
from resources.online.champion import FollowedChampion
from resources.online.processor import Processor
from resources.online.store import OnlineStore
from resources.services.entity_decisions import EntityDecisionService
from resources.services.online_answers import OnlineAnswers, Question
from resources.state.feedback import OutcomeRecord
from resources.state.store import state_at
from tests.lakes import lake_in
from tests.programs.models import registry_in
from tests.resources.online.scored import SCORED, by_errors, champion
from tests.resources.online.streamed import NOW, NOW_MS, PRODUCT, Online, said

EXPLORED = PRODUCT + SCORED.replace("fallback: allow", "fallback: allow, exploration: {share: 0.1}")
EVENTS = [said(n, event_id=f"e{n}", user_id=f"u{n}" if n % 9 else "thief", error_count=n % 2) for n in range(300)]


@pytest.fixture
def followed(tmp_path: Path) -> FollowedChampion:
    registry = registry_in(tmp_path / "models")
    champion(registry, by_errors(2.5))
    return FollowedChampion(registry, product_from(EXPLORED).online.predictors)


@pytest.fixture
def online(tmp_path: Path, followed: FollowedChampion) -> Iterator[Online]:
    product, lake, store = product_from(EXPLORED), lake_in(tmp_path / "lake"), OnlineStore(tmp_path / "online.db")
    yield Online(tmp_path, product, lake, store, Processor(product, lake, store, champion=followed))
    lake.close()


def test_a_question_with_the_id_of_an_event_draws_the_lot_that_the_stream_draws(
    online: Online, followed: FollowedChampion
) -> None:
    answers = OnlineAnswers(
        online.product,
        OnlineStore(online.folder / "online.db"),
        AskedDecisions(online.folder / "online_asked.db"),
        champion=followed,
    )
    questions = [
        Question(each["user_id"], each["event_id"], NOW_MS + n * 1000, errors=bool(each["error_count"]))
        for n, each in enumerate(EVENTS)
        if each["user_id"] != "thief"
    ]
    before = {each["id"]: each for each in answers.decided(questions, now_ms=NOW_MS)}
    online.process(*EVENTS)
    after = {id_: online.store.trace(id_) for id_ in before}
    names = ("answer", "reason", "propensity", "is_drawn", "per_minute")
    for id_, each in before.items():
        assert {name: each[name] for name in names} == {name: after[id_][name] for name in names}
    seen = Counter((each["answer"], each["propensity"]) for each in after.values())
    assert set(seen) == {("allow", 0.9), ("throttle", 0.1), ("throttle", 0.9), ("allow", 0.1)}


def test_the_probability_of_an_answer_comes_into_the_lake_and_to_what_became_true(online: Online) -> None:
    online.process(*EVENTS)
    EntityDecisionService(online.lake, online.folder).landed()
    columns = "event_id, answer, propensity, is_drawn, status, lowered_by, len(rules) > 0"
    rows = online.lake.frame(f"SELECT {columns} FROM {ENTITY_DECISIONS.path} ORDER BY number").rows()
    assert [row[2:4] for row in rows if row[6]] == [(1.0, False)] * sum(each["user_id"] == "thief" for each in EVENTS)
    assert {row[2:4] for row in rows if not row[6]} == {(0.9, False), (0.1, True)}
    assert {(row[4], tuple(row[5])) for row in rows} == {("counted", ())}
    for claim in ENTITY_DECISIONS.claims:
        broken = claim.contradictions.replace("$start", "'2026-01-01'").replace("$end", "'2027-01-01'")
        assert online.lake.frame(broken).is_empty(), claim.name
    drawn = next(row[0] for row in rows if row[3])
    record = OutcomeRecord(state_at(f"sqlite:///{online.folder}/state.db"), lambda: NOW)
    record.add([Outcome(drawn, "chargeback", NOW)], {drawn: online.store.trace(drawn)})
    assert record.known(decision_id=drawn)[0].decision["propensity"] == 0.1
