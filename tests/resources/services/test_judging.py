"""A judge is asked with care, kept within its budget, and shown only where it agrees with people; without a server nothing is sent."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from intelligence.answers.judge import GOOD, Calibration, calibration
from intelligence.catalog.product import product_from
from intelligence.core.errors import ProductFileError, UsageError
from intelligence.core.sql import sql
from intelligence.core.tables import Days
from intelligence.warehouse.tables import FACT_ANSWERS
from resources.intake.delivery import deliveries
from resources.intake.ingest import ingested
from resources.lake.door import Lake
from resources.services.judging import JudgeService
from tests.resources.language.stub import Stub, chat_stub, completion, sent

DAY = date(2026, 7, 1)
ANSWERS = 12


def service(folder: Path, judge: str, *, texts: str = "keep") -> JudgeService:
    product = product_from(
        f"name: D\nsources: [{{name: app, files: nothing.csv}}]\nanswers: {{texts: {texts}}}\njudge: {judge}\n"
        f"answer_sources: [{{name: answers, files: '{folder}/*.jsonl'}}]"
    )
    rows = [
        {"answer_id": f"a{n}", "event_time": f"{DAY}T10:00:00", "user_id": f"u{n}", "feature": "tutor",
         "rating": 5 if n % 2 else 1, "question": "How many?", "context": "12 apples.",
         "answer": f"Sound answer {n}." if n % 2 else f"Wrong answer {n}."}
        for n in range(ANSWERS)
    ]  # fmt: skip
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    lake = Lake(catalog=f"sqlite:{folder}/catalog.sqlite", store=f"{folder}/files")
    ingested(lake, product, deliveries(product, folder), now=datetime(2026, 7, 20))
    days = Days(DAY, DAY + timedelta(days=1))
    lake.replace(FACT_ANSWERS, days, sql("warehouse/fact_answers.sql"), product.answers.parameters())
    return JudgeService(product, lake, f"sqlite:///{folder}/state.db", lambda: datetime(2026, 7, 20, tzinfo=UTC))


def judges(says_good: Callable[[str], bool], *, applicable: bool = True, blind: bool = False) -> Callable[..., str]:
    def reply(asked: Mapping[str, Any]) -> str:
        task, data = (message["content"] for message in asked["messages"][:2])
        if "applicable" in task:
            return json.dumps({"applicable": applicable})
        good_first = task.index(GOOD) < task.index(" B: ")
        is_good = says_good(json.loads(data)["answer"])
        return json.dumps({"choice": "A" if blind or is_good == good_first else "B"})

    return reply


def url(stub: Stub, more: str = "") -> str:
    return f"{{url: '{stub.url}', least_rated: 10{more}}}"


def test_a_judge_that_agrees_with_people_is_shown_with_its_calibration(tmp_path: Path) -> None:
    with chat_stub() as stub:
        stub.says = judges(lambda answer: answer.startswith("Sound"))
        asked = service(tmp_path, url(stub))
        report = asked.run()
        assert (report.verdicts, report.failures, report.stopped) == ({"good": 6, "bad": 6}, [], None)
        assert len(stub.asked) == 3 * ANSWERS
        assert asked.calibration() == Calibration(both_good=6, both_bad=6)
        assert asked.sentences()[-1] == "tutor: it finds 6 of 12 answers bad."
        assert asked.run().verdicts == {}, "no answer is judged twice"


def test_a_judge_that_finds_everything_good_is_measured_and_not_shown(tmp_path: Path) -> None:
    with chat_stub() as stub:
        stub.says = judges(lambda _: True)
        asked = service(tmp_path, url(stub))
        asked.run()
        said = asked.sentences()
    assert asked.calibration().bias == 0.5
    assert "+50 points more good" in said[-1]
    assert "not shown" in said[-1]


def test_a_judge_that_looks_at_the_order_only_says_nothing(tmp_path: Path) -> None:
    with chat_stub() as stub:
        stub.says = judges(lambda _: True, blind=True)
        asked = service(tmp_path, url(stub))
        assert asked.run().verdicts == {"undecided": ANSWERS}
    assert asked.sentences()[-1].startswith("Its numbers are not shown: people rated 0 of them")


def test_what_cannot_be_judged_is_not_applicable_and_asked_once(tmp_path: Path) -> None:
    with chat_stub() as stub:
        stub.says = judges(lambda _: True, applicable=False)
        asked = service(tmp_path, url(stub))
        assert asked.run().verdicts == {"not applicable": ANSWERS}
        assert len(stub.asked) == ANSWERS
    assert "100% not applicable" in asked.sentences()[0]


def test_the_budget_of_the_day_holds(tmp_path: Path) -> None:
    with chat_stub() as stub:
        stub.says = judges(lambda _: True)
        asked = service(tmp_path, url(stub, ", calls_per_day: 7"))
        report = asked.run()
        assert report.stopped == "the budget of 7 calls a day is spent"
        assert len(stub.asked) == 7
        assert report.verdicts.total() == 2


def test_a_broken_server_is_left_alone_after_three_answers(tmp_path: Path) -> None:
    with chat_stub() as stub:
        stub.next = [lambda handler: sent(handler, 200, completion("no JSON at all"))] * 100
        report = service(tmp_path, url(stub)).run()
        assert len(stub.asked) == 3 * 2
    assert report.stopped == "3 answers one after the other got no verdict"
    assert "apples" not in " ".join(report.failures)


def test_without_a_server_or_texts_nothing_is_asked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names no server"):
        service(tmp_path, "{}").run()
    with pytest.raises(UsageError, match="`texts` is hash"):
        service(tmp_path, "{url: 'http://127.0.0.1:9/v1'}", texts="hash").run()
    with pytest.raises(ProductFileError, match="write an address that begins with"):
        service(tmp_path, "{url: localhost}")


def test_agreement_by_chance_has_a_kappa_of_nothing() -> None:
    pairs = [(judged, people) for judged in ("good", "bad") for people in (True, False)] * 25
    found = calibration(pairs)
    assert (found.agreement, found.kappa, found.bias) == (0.5, 0.0, 0.0)
    assert found.kappa_error() == pytest.approx(0.1)
    assert calibration([]).kappa is None


def test_of_a_reply_only_what_it_decides_is_kept(tmp_path: Path) -> None:
    sound = judges(lambda answer: answer.startswith("Sound"))

    def talkative(asked: Mapping[str, Any]) -> str:
        quoted = asked["messages"][1]["content"]
        return json.dumps({**json.loads(sound(asked)), "reason": f"because of {quoted}"})

    with chat_stub() as stub:
        stub.says = talkative
        judge = service(tmp_path, url(stub))
        assert sum(judge.run().verdicts.values()) == ANSWERS
    held = b"".join(each.read_bytes() for each in tmp_path.glob("state.db*"))
    assert b"applicable" in held
    assert b"answer 3." not in held
    assert b"12 apples" not in held


def test_an_address_with_a_password_is_refused_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ProductFileError, match="bears no password") as refused:
        service(tmp_path, "{url: 'http://user:secretpw@127.0.0.1:9/v1'}")
    assert "secretpw" not in str(refused.value)
