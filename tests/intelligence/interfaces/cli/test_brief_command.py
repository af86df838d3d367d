"""The commands of briefs at a terminal: what is printed, and with which code they end."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from intelligence.interfaces.cli import commands as cli
from tests.intelligence.interfaces.dashboard.lakes import FIRST, filled, product_in
from tests.resources.language.stub import chat_stub

Run = Callable[..., tuple[int, str, str]]


def runner(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    for name in ("PRODUCT", "DATA", "TRACEBACK"):
        monkeypatch.setenv(f"INTELLIGENCE_{name}", "")
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    options = ["--product", str(folder / "product.yaml"), "--data", str(folder / "data")]

    def ran(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["intelligence", *options, *words])
        code: object = 0
        try:
            cli.main()
        except SystemExit as done:
            code = done.code
        shown = capsys.readouterr()
        return int(str(code or 0)), shown.out, shown.err

    return ran


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("told"), days=40, features=["quiz", "chat"])


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(folder, monkeypatch, capsys)


def test_a_brief_is_the_same_in_every_form(run: Run) -> None:
    code, out, _ = run("brief", "--json")
    assert code == 0
    record = json.loads(out)
    sentences = [each for told in record["told"].values() for each in told]
    _, text, _ = run("brief")
    _, page, _ = run("brief", "--as", "html", "--facts")
    # A console that is narrower than a sentence breaks its lines.
    unbroken = " ".join(text.split())
    assert [each for each in sentences if " ".join(each.split()) not in unbroken] == []
    assert page.startswith("<!doctype html>")
    assert all(f"<td>{fact['fact']}</td>" in page for fact in record["facts"] if fact["fact"].isascii())
    _, marked, _ = run("brief", "week", "--as", "markdown")
    assert marked.startswith("# Brief of the week to ")
    assert {fact["lake_snapshot"] for fact in record["facts"]} == {record["snapshot"]}


def test_facts_are_listed_with_where_they_come_from(run: Run) -> None:
    _, out, _ = run("brief", "--facts")
    assert "Facts of lake snapshot" in out
    assert "metrics.kpi_day" in out


def test_status_ends_with_the_brief_of_the_day(run: Run) -> None:
    _, told, _ = run("brief")
    _, status, _ = run("status")
    assert status.rstrip().endswith(told.rstrip())


def test_a_brief_that_is_not_there_is_said(run: Run) -> None:
    code, _, err = run("brief", "month")
    assert (code, "Ask for one of day, week" in err) == (1, True)
    assert run("brief", "--day", str(FIRST))[0] == 1
    code, _, err = run("draft", "review", "quiz", "--send")
    assert (code, "Only a ticket can be sent" in err) == (1, True)


def test_an_answer_shows_its_plan_and_a_refusal_ends_with_1(run: Run) -> None:
    code, out, _ = run("ask", "How many users do we have?", "--facts")
    assert code == 0
    assert "How: metric(metric=dau" in out
    code, out, _ = run("ask", "What do competitors charge?")
    assert code == 1
    assert 'I do not understand "competitors", "charge".' in out


def test_rewriting_without_a_server_is_the_brief_and_says_why(run: Run) -> None:
    code, out, err = run("brief", "--rewrite")
    assert code == 0
    assert "Brief of " in out
    assert "product.yaml names no rewriter_url" in err


def test_a_rewritten_brief_keeps_its_headings_and_its_facts_in_every_form(folder: Path, run: Run) -> None:
    before = json.loads(run("brief", "--json")[1])
    sentences = [before["title"], *(each for told in before["told"].values() for each in told)]

    def says(asked: Mapping[str, Any]) -> str:
        given = json.loads(asked["messages"][1]["content"])["sentences"]
        return json.dumps({"sentences": [*(f"In short: {each}" for each in given[:-1]), "All is well."]})

    with chat_stub() as stub:
        stub.says = says
        named = f"\nbriefs: {{rewriter_url: '{stub.url}', rewriter_model: stub-1}}\n"
        (folder / "rewriting.yaml").write_text((folder / "product.yaml").read_text() + named)
        product = ("--product", str(folder / "rewriting.yaml"))
        code, out, err = run(*product, "brief", "--rewrite", "--json")
        record = json.loads(out)
        assert (code, "1 of" in err) == (0, True)
        assert list(record["told"]) == list(before["told"]), "the headings"
        told = [record["title"], *(each for told in record["told"].values() for each in told)]
        assert told == [*(f"In short: {each}" for each in sentences[:-1]), sentences[-1]]
        assert record["facts"] == before["facts"]
        assert list(record["refused"]) == [str(len(sentences) - 1)]
        _, marked, _ = run(*product, "brief", "--rewrite", "--as", "markdown", "--facts")
        assert marked.startswith("# In short: ")
        assert all(f"## {heading}" in marked for heading in (*before["told"], "Facts"))
        _, text, _ = run(*product, "brief", "--rewrite", "--facts")
        assert all(f"\n{heading}\n" in text for heading in before["told"])
        assert "Facts of lake snapshot" in text


def test_an_empty_lake_has_no_brief(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    product_in(tmp_path)
    run = runner(tmp_path, monkeypatch, capsys)
    for words in (("brief",), ("draft", "review"), ("ask", "How many users?")):
        code, out, err = run(*words)
        assert code == 1
        assert "lake" in f"{out}{err}"
