"""A PostgreSQL that hangs or is gone: decisions are answered as before, outcomes are refused or wait, and all is well afterwards."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from intelligence.core.errors import StateError
from intelligence.interfaces.online.app import app_of
from intelligence.online.outcomes import Outcome
from resources.online.asked import AskedDecisions
from resources.online.store import OnlineStore
from resources.services.feedback import FeedbackService, Settling
from resources.services.online_answers import OnlineAnswers
from resources.state import aside, bounded
from resources.state.guarded import GuardRecord
from resources.state.store import state_at
from tests.resources.online.streamed import NOW, Online, said
from tests.resources.services.test_feedback import by_topic, online_in
from tests.servers import Server, address_of, application_served, empty_database, postgres_started, state_url

LIMIT_S = 0.3
SAID = {"decision_id": "4711", "kind": "chargeback"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of these tests alone, which they freeze and kill."""
    with postgres_started() as started:
        yield started


@dataclass
class Served:
    server: Server
    online: Online
    feedback: FeedbackService
    client: httpx.Client

    def metrics(self) -> dict[str, float]:
        families = text_string_to_metric_families(self.client.get("/metrics").text)
        return {sample.name: sample.value for family in families for sample in family.samples}

    def assert_decides(self, name: str) -> None:
        """Ask for decisions and for whether it is ready, while many others ask for what the server does not answer."""
        others = [
            threading.Thread(target=self.client.post, args=("/v1/outcomes",), kwargs={"json": SAID}, daemon=True)
            for _ in range(12)
        ]
        for each in others:
            each.start()
        for place in range(20):
            began = time.perf_counter()
            answer = self.client.post("/v1/decide", json={"user_id": "u1", "id": f"{name}{place}"})
            statuses = [answer.status_code, *(self.client.get(path).status_code for path in ("/healthz", "/readyz"))]
            assert statuses == [200, 200, 200], answer.text
            assert time.perf_counter() - began < LIMIT_S
        for each in others:
            each.join()


@pytest.fixture
def served(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(aside, "ANSWERS_WITHIN_S", LIMIT_S)
    monkeypatch.setattr(bounded, "STATEMENT_S", 2.0)
    monkeypatch.setattr(bounded, "CONNECT_S", 2)
    with empty_database(address_of(server)) as database:
        url = state_url(database)
        online, feedback = online_in(tmp_path, url)
        online.process(said(0, event_id="4711"))
        record = GuardRecord(state_at(url), lambda: NOW)
        answers = OnlineAnswers(
            online.product,
            OnlineStore(tmp_path / "online.db"),
            AskedDecisions(tmp_path / "asked.db"),
            feedback=feedback,
            guarded=lambda: [] if record.decisions() == [] else pytest.fail("there are none"),
        )
        # One loop for all requests: work that blocks it would hold all of them up.
        with application_served(app_of(answers)) as address, httpx.Client(base_url=address, timeout=30) as client:
            yield Served(server, online, feedback, client)
        state_at(url).close()


@pytest.mark.parametrize("how", ["frozen", "gone"])
def test_decisions_do_not_wait_for_a_server_that_does_not_answer(served: Served, how: str) -> None:
    client = served.client
    assert client.post("/v1/outcomes", json=SAID).json()["is_new"]
    before = served.metrics()
    assert (before["intelligence_state_answers"], before["intelligence_outcomes_total"]) == (1, 1)
    if how == "frozen":
        served.server.freeze()
    else:
        served.server.kill()
    try:
        served.assert_decides("x")
        refused = client.post("/v1/outcomes", json={**SAID, "kind": "complaint"})
        assert (refused.status_code, "INTELLIGENCE_STATE" in refused.json()["hint"]) == (503, True)
        assert client.get("/v1/guard").status_code == 503
        story = client.get("/v1/decisions/4711")
        assert (story.status_code, story.json()["answer"], story.json()["outcomes"]) == (200, "allow", None)
        meanwhile = served.metrics()
        assert (meanwhile["intelligence_state_answers"], meanwhile["intelligence_outcomes_total"]) == (0, 1)
    finally:
        if how == "frozen":
            served.server.thaw()
        else:
            served.server.start()
    until = time.monotonic() + 20
    while (answer := client.post("/v1/outcomes", json={**SAID, "kind": "complaint"})).status_code != 200:
        assert time.monotonic() < until, answer.text
        time.sleep(0.05)
    assert {each["kind"] for each in client.get("/v1/decisions/4711").json()["outcomes"]} == {"chargeback", "complaint"}
    assert served.metrics()["intelligence_state_answers"] == 1
    assert served.feedback.counts() == {"chargeback": 1, "complaint": 1}
    assert client.get("/v1/guard").json()["decisions"] == []


@pytest.mark.parametrize("how", ["frozen", "gone"])
def test_outcomes_of_topics_wait_and_do_not_hold_the_stream_up_and_then_arrive_once(served: Served, how: str) -> None:
    settling, online = Settling(served.feedback, served.online.store), served.online
    assert served.feedback.counts() == {}
    if how == "frozen":
        served.server.freeze()
    else:
        served.server.kill()
    try:
        by_topic(online, b'{"decision_id":"4711","kind":"complaint"}')
        until, turns = time.monotonic() + 3.5, 0
        while time.monotonic() < until:
            began = time.monotonic()
            assert settling() == 0
            assert len(online.process(said(turns, event_id=f"n{turns}"))) == 1
            assert time.monotonic() - began < LIMIT_S
            turns += 1
        by_topic(online, b'[{"decision_id":"n0","kind":"abuse"},{"decision_id":"4711","kind":"complaint"}]', first=1)
        assert len(online.store.outcomes()) == 2
    finally:
        if how == "frozen":
            served.server.thaw()
        else:
            served.server.start()
    until, recorded = time.monotonic() + 30, 0
    while online.store.outcomes():
        recorded += settling()
        assert time.monotonic() < until, "outcomes still wait although the server answers again"
        time.sleep(0.01)
    assert served.feedback.counts() == {"abuse": 1, "complaint": 1}
    assert served.feedback.of("n0")[0].decision is not None


def test_a_statement_ends_in_time_whether_the_server_works_or_hangs(served: Served) -> None:
    state = state_at(served.feedback.announcer.state)
    for how in ("slow", "frozen"):
        began = time.monotonic()
        if how == "frozen":
            served.server.freeze()
        try:
            with pytest.raises(StateError, match=r"timeout|has not answered"), state.reading() as connection:
                connection.exec_driver_sql("SELECT pg_sleep(30)")
        finally:
            served.server.thaw()
        assert time.monotonic() - began < 6
        with state.reading() as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1


def test_a_turn_is_waited_for_longer_than_a_statement_and_not_for_ever(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, entered = state_at(served.feedback.announcer.state), threading.Event()

    def held() -> None:
        with state.turn("test"):
            entered.set()
            time.sleep(3)

    holder = threading.Thread(target=held)
    holder.start()
    assert entered.wait(10)
    monkeypatch.setattr("resources.state.store.TURN_PATIENCE_S", 0.2)
    with pytest.raises(StateError, match="another process has held it"), state.turn("test"):
        pytest.fail("two have the same turn")
    monkeypatch.setattr("resources.state.store.TURN_PATIENCE_S", 30)
    with state.turn("test"):
        holder.join(1)
        assert not holder.is_alive()


def test_more_than_a_few_requests_do_not_pile_up() -> None:
    threads, goes_on = aside.Aside(), threading.Event()
    begun = [threads.begun(goes_on.wait) for _ in range(aside.MOST_WAITING)]
    until = time.monotonic() + 10
    while len(threads._waiting) > aside.MOST_WAITING - aside.THREADS:
        assert time.monotonic() < until
    begun += [threads.begun(goes_on.wait) for _ in range(aside.THREADS)]
    with pytest.raises(StateError, match="wait for it already"):
        threads.begun(goes_on.wait)
    goes_on.set()
    assert all(each.result(10) for each in begun)
    assert threads.begun(lambda: 3).result(10) == 3


def test_an_outcome_that_cannot_be_is_refused_while_the_server_is_frozen(served: Served) -> None:
    assert served.feedback.taken([Outcome("4711", "chargeback")], lambda _: None)
    served.server.freeze()
    try:
        answer = served.client.post("/v1/outcomes", json={**SAID, "kind": "regret"})
    finally:
        served.server.thaw()
    assert (answer.status_code, "not one of" in answer.json()["problem"]) == (422, True)
