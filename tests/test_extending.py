"""docs/extending.md is true to the letter: its examples are applied to a copy of the code, and what they make works."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "extending.md"
PROGRAM = ROOT / "tests" / "programs" / "extended.py"
CODE = ("intelligence", "assets", "resources", "sensors", "pyproject.toml")
SECTION = re.compile(r"^## (.*?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(\w+) ?(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:9093"
DAY = datetime(2026, 5, 4, 8)


@dataclass(frozen=True)
class Example:
    """One section of the page: whole new files by their path, and edits of files that are there."""

    name: str
    files: Mapping[str, str]
    edits: tuple[str, ...]

    def apply(self, folder: Path) -> None:
        """Change the code in the folder as the section says."""
        for path, text in self.files.items():
            file = folder / path
            assert not file.exists(), (
                f"{PAGE.name}, {self.name}: {path} exists, so that it is no new file. Mend the page."
            )
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        for edit in self.edits:
            done = run("git", "apply", "--verbose", "-", cwd=folder, input=edit)
            if done.returncode:
                pytest.fail(
                    f"{PAGE.name}, {self.name}: this edit no longer fits the code. Mend the page.\n{done.stderr}\n{edit}"
                )


def examples() -> list[Example]:
    found = []
    for name, text in SECTION.findall(PAGE.read_text()):
        blocks = BLOCK.findall(text)
        files = {about: body for _, about, body in blocks if about}
        found.append(Example(name, files, tuple(body for kind, _, body in blocks if kind == "diff")))
    return found


EXAMPLES = examples()


def run(*command: str, cwd: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    # Git looks for no repository around the copy, in which it would apply nothing.
    environment = {
        **os.environ,
        "PYTHONPATH": str(cwd),
        "GIT_CEILING_DIRECTORIES": str(cwd.parent),
        **more.pop("env", {}),
    }
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, **more)


def copy_of_the_code(folder: Path) -> Path:
    for name in CODE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code with all examples applied, one after the other."""
    folder = copy_of_the_code(tmp_path_factory.mktemp("extended") / "code")
    for example in EXAMPLES:
        example.apply(folder)
    return folder


def said_by(folder: Path, *arguments: str, **environment: str) -> Any:
    done = run(sys.executable, str(PROGRAM), *arguments, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert Path(answer["code"]).parent == folder, "the code that ran is not the copy"
    return answer["said"]


def test_the_page_has_an_example_of_each_kind() -> None:
    assert [example.name for example in EXAMPLES] == ["A layer", "A target for actions", "A metric"]
    assert all(example.files and example.edits for example in EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_each_example_fits_the_code_by_itself(example: Example, tmp_path: Path) -> None:
    example.apply(copy_of_the_code(tmp_path / "code"))


def test_the_extended_code_keeps_the_contracts_and_the_style(extended: Path) -> None:
    programs = Path(sys.executable).parent
    for command in (
        [programs / "lint-imports", "--no-cache"],
        [programs / "ruff", "check", "--no-cache", "."],
        [programs / "ruff", "format", "--no-cache", "--check", "."],
    ):
        done = run(*map(str, command), cwd=extended)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def delivered_events(folder: Path) -> list[dict[str, Any]]:
    """Deliver two days of events of four visits each, and return them."""
    events = [
        {
            "event_id": f"{day}-{visit}-{number}",
            "event_time": DAY + timedelta(days=day, minutes=10 * visit + number),
            "user_id": f"u{visit % 3}",
            "session_id": f"s{visit}",
            "feature": ("quiz", "chat", "search")[(visit * number + visit + day) % 3],
            "event_type": "use",
            "platform": ("ios", "web")[visit % 2],
            "error_count": int((visit + number) % 5 == 0),
            "crashed": number == 3 and visit == 1,
        }
        for day in range(2)
        for visit in range(4)
        for number in range(5)
    ]
    file = folder / "exports" / "events.csv"
    file.parent.mkdir()
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, events[0])
        writer.writeheader()
        writer.writerows(events)
    # It was written an hour ago: nobody writes it any more.
    os.utime(file, (file.stat().st_mtime - 3_600,) * 2)
    return events


@pytest.mark.proof
def test_the_layer_and_the_metric_are_built_with_the_right_numbers(extended: Path) -> None:
    events = delivered_events(extended)
    said = said_by(extended, "build", "2026-05-06", "journeys.entry_points", "metrics.platform_day")
    assert said["stale"] == said["failed"] == []
    claimed = {"schema_is_as_defined", "keys_are_unique", "required_columns_are_filled", "rates_are_fractions"}
    assert set(said["checks"]["journeys.entry_points"]) == claimed
    assert set(said["checks"]["metrics.platform_day"]) == claimed | {"platforms_sum_to_all_events"}

    begins = Counter((str(e["event_time"].date()), e["feature"]) for e in events if e["event_id"].endswith("-0"))
    assert len(begins) > 2
    assert said["rows"]["journeys.entry_points"] == [
        [day, feature, visits, 4, visits / 4] for (day, feature), visits in sorted(begins.items())
    ]
    assert said["rows"]["metrics.platform_day"] == [
        row_of(events, n, name) for n in range(2) for name in ("ios", "web")
    ]


def row_of(events: list[dict[str, Any]], day: int, platform: str) -> list[Any]:
    date = (DAY + timedelta(days=day)).date()
    of_it = [each for each in events if each["event_time"].date() == date and each["platform"] == platform]
    failed = sum(bool(each["error_count"] or each["crashed"]) for each in of_it)
    users = len({each["user_id"] for each in of_it})
    assert 0 < failed < len(of_it)
    return [str(date), platform, len(of_it), users, failed, failed / len(of_it)]


@pytest.fixture
def service() -> Iterator[tuple[str, list[Any]]]:
    """An address on loopback at which alerts arrive, and what did."""
    taken: list[Any] = []

    class Alerts(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            taken.append((self.path, json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Alerts)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", taken
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.proof
def test_the_target_delivers_once_and_takes_back(
    extended: Path, service: tuple[str, list[Any]], tmp_path: Path
) -> None:
    address, taken = service
    product = tmp_path / "product.yaml"
    text = (extended / "product.yaml").read_text()
    assert ADDRESS in text
    product.write_text(text.replace(ADDRESS, address))
    where = {
        "INTELLIGENCE_PRODUCT": str(product),
        "INTELLIGENCE_DATA": str(tmp_path / "data"),
        "INTELLIGENCE_MODE": "auto",
    }
    assert said_by(extended, "deliver", **where) == ["confirmed", "confirmed", "undone"]
    assert [path for path, _ in taken] == ["/api/v2/alerts"] * 2
    (sent,), (resolved,) = (alerts for _, alerts in taken)
    assert sent["labels"] == resolved["labels"]
    assert sent["annotations"]["summary"] == "alert: quiz"
    assert resolved["endsAt"] < sent["endsAt"]
