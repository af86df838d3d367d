"""The files for servers name only what is there: metrics, labels, commands, variables, files. They are not started here."""

import asyncio
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from intelligence.interfaces.online.app import app_of
from intelligence.interfaces.online.metrics import OnlineMetrics
from resources.config.settings import ROOT
from resources.online.asked import AskedDecisions
from resources.online.store import OnlineStore
from resources.services.feedback import FeedbackService
from resources.services.guard import done_of
from resources.services.online_answers import OnlineAnswers
from resources.state.aside import Aside
from tests.resources.online.guarded import RELEASED
from tests.resources.online.test_guard import guarded_in

DEPLOY = ROOT / "deploy"
# What Prometheus itself says of everything that it reads.
OF_PROMETHEUS = {"up": {"job", "instance"}}
FUNCTIONS = ("rate", "increase", "sum", "by", "le", "histogram_quantile")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The labels of each metric that a stream with all kinds of messages and decisions has."""
    folder = tmp_path_factory.mktemp("metrics")
    guarded = guarded_in(folder)
    guarded.run(range(RELEASED + 3))
    feedback = FeedbackService(guarded.platform.product, guarded.platform.announcer)
    answers = OnlineAnswers(
        guarded.platform.product, OnlineStore(folder / "online.db"), AskedDecisions(folder / "asked.db"),
        guarded=lambda: done_of(guarded.platform.decisions), feedback=feedback,
    )  # fmt: skip
    answers.feedback.record.add([outcome()], {})  # type: ignore[union-attr]
    assert app_of(answers)
    found: dict[str, set[str]] = {}
    text = metrics_of(answers)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    assert sum(len(family.samples) for family in text_string_to_metric_families(text)) < 100
    return {**found, **OF_PROMETHEUS}


def metrics_of(answers: OnlineAnswers) -> str:
    found = OnlineMetrics(answers)
    asyncio.run(found.look(Aside()))
    return found.text().decode()


def outcome() -> Any:
    from intelligence.online.outcomes import Outcome

    return Outcome("4711", "chargeback")


def alerts() -> list[dict[str, Any]]:
    return [rule for group in read(DEPLOY / "alerts.yml")["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return json.loads((DEPLOY / "grafana" / "stream.json").read_text(encoding="utf-8"))["panels"]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in alerts())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])


def test_alerts_and_panels_ask_for_metrics_and_labels_that_there_are(metrics: dict[str, set[str]]) -> None:
    for expression in expressions():
        names = set(re.findall(r"[a-z_]{2,}", re.sub(r'"[^"]*"|\{[^}]*\}|by \([^)]*\)', " ", expression))) - set(
            FUNCTIONS
        )
        assert names, expression
        assert names <= set(metrics), f"{expression} asks for {names - set(metrics)}"
        labels = set(re.findall(r"(\w+)=", expression)) | {
            each.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for each in group.split(",")
        }
        assert labels <= set.union(*(metrics[name] for name in names)), f"{expression} asks for labels {labels}"
        legend = [
            target["legendFormat"] for panel in panels() for target in panel["targets"] if target["expr"] == expression
        ]
        shown = {each for text in legend for each in re.findall(r"\{\{(\w+)\}\}", text)}
        assert shown <= labels


def test_every_metric_of_the_stream_is_on_a_panel(metrics: dict[str, set[str]]) -> None:
    shown = " ".join(expressions())
    own = {name for name in metrics if name.startswith("intelligence_")}
    own = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in own}
    own = {name for name in own if (name + "_total") not in metrics}
    assert [name for name in sorted(own) if name not in shown] == []


def test_alerts_say_what_is_wrong_and_the_next_step() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(set(names)) == len(names) >= 8
    for rule in alerts():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert all(rule["annotations"][name].strip() for name in ("summary", "next"))
        for command in re.findall(r"`intelligence ([a-z ]+)`", rule["annotations"]["next"]):
            assert_is_a_command(shlex.split(command))


def test_panels_do_not_overlap_and_read_the_source_that_is_set_up() -> None:
    source = read(DEPLOY / "grafana" / "datasource.yaml")["datasources"][0]
    taken: set[tuple[int, int]] = set()
    assert len({panel["id"] for panel in panels()}) == len(panels())
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
        assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}


def assert_is_a_command(words: list[str]) -> None:
    command = [sys.executable, "-m", "intelligence.interfaces.cli.commands", *words, "--help"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0, words


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return read(ROOT / "compose.yaml")


def test_compose_satisfies_the_schema_of_compose(compose: dict[str, Any]) -> None:
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text(encoding="utf-8"))
    jsonschema.validate(compose, schema)


def test_compose_mounts_files_that_there_are_and_names_only_what_it_defines(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services), name
        assert service.get("network_mode", "service:serve").removeprefix("service:") in services
        for volume in service.get("volumes", []):
            source, _, rest = volume.rpartition("}:") if volume.startswith("${") else volume.partition(":")
            if source.startswith("./"):
                assert (ROOT / source).exists(), volume
            elif not source.startswith("${"):
                assert source in compose["volumes"], volume
            assert rest
    rules = read(DEPLOY / "prometheus.yml")["rule_files"]
    assert all((DEPLOY / each).exists() for each in rules)


def test_compose_runs_commands_and_reads_variables_that_tests_run_and_read(compose: dict[str, Any]) -> None:
    own = {name: each for name, each in compose["services"].items() if each.get("image") == "product-intelligence"}
    assert {tuple(each["command"]) for each in own.values()} == {("online", "run"), ("online", "serve"), ("up",)}
    for service in own.values():
        assert_is_a_command(service["command"])
    tested = (ROOT / "tests/intelligence/interfaces/online/test_online_command.py").read_text(encoding="utf-8")
    assert 'command(tmp_path, "run"' in tested
    assert '"online", "serve"' in tested
    named = {name for service in own.values() for name in service["environment"]}
    settings = (ROOT / "resources/config/settings.py").read_text(encoding="utf-8")
    assert [name for name in named if name.startswith("INTELLIGENCE_") and name not in settings] == []
    for variable, place in (
        ("KAFKA", r"(kafka):9092"),
        ("REDIS", r"redis://(redis):6379/0"),
        ("STATE", r".*@(postgres)/.*"),
    ):
        (address,) = {service["environment"][f"INTELLIGENCE_{variable}"] for service in own.values()}
        named_server = re.fullmatch(place, address)
        assert named_server, address
        assert named_server[1] in compose["services"]
        assert named_server[1] in own["stream"]["depends_on"]
    (target,) = read(DEPLOY / "prometheus.yml")["scrape_configs"][0]["static_configs"][0]["targets"]
    assert target == "127.0.0.1:8503"


def test_the_image_is_made_by_the_command_of_ci_and_runs_as_nobody_in_particular() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    _, made, last = re.split(r"^FROM ", text, flags=re.MULTILINE)
    assert "RUN make setup\n" in made
    assert (ROOT / ".ci/run").read_text(encoding="utf-8").rstrip().endswith("make check")
    assert re.search(r"^USER intelligence$", last, re.MULTILINE)
    assert "apt-get" not in last
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {".git", ".venv", "data"} <= set(ignored)


def test_series_whose_increase_alerts_are_there_with_zero_before_the_first_decision(tmp_path: Path) -> None:
    guarded = guarded_in(tmp_path)
    answers = OnlineAnswers(
        guarded.platform.product, OnlineStore(tmp_path / "online.db"), AskedDecisions(tmp_path / "asked.db")
    )
    samples = [sample for family in text_string_to_metric_families(metrics_of(answers)) for sample in family.samples]
    increases = [found for rule in alerts() for found in re.findall(r"increase\((\w+)\{([^}]*)\}", str(rule["expr"]))]
    assert increases
    for name, chosen in increases:
        labels = dict(re.findall(r'(\w+)="([^"]*)"', chosen)).items()
        values = [each.value for each in samples if each.name == name and labels <= each.labels.items()]
        assert values, f"{name} with {chosen} is born at its first decision"
        assert not any(values)
