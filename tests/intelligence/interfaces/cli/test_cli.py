"""The command line: what it says when all is well, and that mistakes get a sentence and an exit code, no traceback."""

import json
import os
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from intelligence.interfaces.cli import commands as cli
from resources.config.settings import settings
from resources.intake.delivery import deliveries
from resources.intake.ingest import ingested
from resources.intake.product_file import product_at
from resources.lake.door import Lake
from tests.intelligence.experiments.test_lake import Site, marked_events

ROOT = Path(__file__).resolve().parents[4]
SCRIPT = Path(sys.executable).with_name("intelligence")
PROGRAM = str(SCRIPT.relative_to(ROOT) if SCRIPT.is_relative_to(ROOT) else SCRIPT)
COMMANDS = (
    *(
        "demo",
        "ingest",
        "status",
        "check",
        "redrive",
        "up",
        "models",
        "promote",
        "revert",
        "train",
        "explain",
        "actions",
    ),
    *("approve", "reject", "undo", "settle", "pause", "resume", "release"),
)
HEADER = "event_time,user_id,feature,event_type,rating\n"
NOW = datetime(2026, 5, 6, 12)


@dataclass
class Said:
    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a product of one file, which the commands of this test work on."""
    for name in [name for name in os.environ if name.startswith("INTELLIGENCE_")]:
        monkeypatch.delenv(name)
    for name in ("PRODUCT", "DATA", "TRACEBACK", "SIMULATED_DAYS"):
        # The commands set these themselves; what is set here first is taken back after the test.
        monkeypatch.setenv(f"INTELLIGENCE_{name}", "")
        monkeypatch.delenv(f"INTELLIGENCE_{name}")
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    (tmp_path / "product.yaml").write_text(f"name: Tiny\nsources: [{{name: app, files: '{tmp_path}/in/*.csv'}}]\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text(HEADER + "2026-05-04 10:00:00,u1,quiz,use,5\n")
    return tmp_path


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command line in this process, on the product in `home`."""
    monkeypatch.setenv("COLUMNS", "200")

    def said(*arguments: str) -> Said:
        options = ["--product", str(home / "product.yaml"), "--data", str(home / "data")]
        monkeypatch.setattr(sys, "argv", ["intelligence", *options, *arguments])
        code: str | int | None = 0
        try:
            cli.main()
        except SystemExit as done:
            code = done.code
        shown = capsys.readouterr()
        assert isinstance(code, int)
        return Said(code, shown.out, shown.err)

    return said


@pytest.fixture
def lake(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    """Return the lake that the commands of this test use, closed at the end."""
    monkeypatch.setenv("INTELLIGENCE_PRODUCT", str(home / "product.yaml"))
    monkeypatch.setenv("INTELLIGENCE_DATA", str(home / "data"))
    lake = Lake.of(settings())
    yield lake
    lake.close()


def take_in(lake: Lake, home: Path) -> None:
    product = product_at(home / "product.yaml")
    ingested(lake, product, deliveries(product, home / "landing"), now=NOW)


def calling(home: Path) -> str:
    """Return how the program is called for the product in `home`, from the root of the project."""
    return f"{PROGRAM} --product {home}/product.yaml --data {home}/data"


def started(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "intelligence.interfaces.cli.commands", *arguments]
    return subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)


def test_help_names_every_command(run: Run) -> None:
    said = run("--help")
    assert said.code == 0
    assert [name for name in COMMANDS if f" {name} " not in said.out] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_own_help(run: Run, command: str) -> None:
    said = run(command, "--help")
    assert said.code == 0
    assert f"intelligence {command}" in said.out


def test_the_version_is_that_of_the_package(run: Run) -> None:
    said = run("--version")
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert (said.code, said.out) == (0, f"intelligence {declared}\n")


def test_without_a_command_the_help_is_shown() -> None:
    done = started()
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["bogus"], "bogus"),
        (["--bogus", "status"], "--bogus"),
        (["status", "--bogus"], "--bogus"),
        (["demo", "--days", "many"], "--days"),
        (["--example", "nowhere", "status"], "nowhere"),
        (["status", "superfluous"], "superfluous"),
    ],
)
def test_a_wrong_command_line_is_told_with_the_word_that_is_wrong(run: Run, arguments: list[str], named: str) -> None:
    said = run(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert named in said.err
    assert "Usage: " in said.err
    assert "Traceback" not in said.err


def test_an_experiment_is_planned_from_the_history_of_the_lake(run: Run, lake: Lake) -> None:
    Site(lake, marked_events(), ())
    said = run("experiment", "plan", "events_per_unit", "--effect", "20", "--share", "40", "--days", "14", "--json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    assert (record["metric"], record["relative"], record["share"]) == ("events_per_unit", 0.2, 0.4)
    assert all(each["units"] > 0 for each in record["plans"])
    said = run("experiment", "plan", "events_per_unit", "--effect", "20", "--share", "40", "--days", "14")
    assert f"{record['plans'][0]['units']:,}" in said.out


def test_a_plan_that_cannot_be_made_says_why(run: Run, lake: Lake) -> None:
    assert lake.is_empty()
    for arguments, words in (
        (("nosuch",), "nosuch: is no metric of the registry"),
        (("median_duration_s",), "is a quantile"),
        (("events_per_unit",), "lake: it holds no day"),
    ):
        said = run("experiment", "plan", *arguments)
        assert said.code == 1
        assert words in said.err
        assert "Traceback" not in said.err


def test_without_experiments_the_list_says_how_they_are_seen(run: Run) -> None:
    assert "No experiment was seen yet" in run("experiment", "list").out
    assert json.loads(run("experiment", "list", "--json").out) == []


def test_check_says_what_a_good_product_holds(run: Run) -> None:
    said = run("check")
    assert (said.code, said.err) == (0, "")
    assert "✓ product.yaml: Tiny, 1 source(s), 0 feature(s) declared" in said.out
    assert "✓ app: 1 file(s)" in said.out


def test_check_writes_nothing_into_the_products_own_lake(run: Run, home: Path) -> None:
    run("check")
    assert not (home / "data").exists()


def test_check_names_a_mistake_in_the_product_file_and_shows_no_traceback(run: Run, home: Path) -> None:
    (home / "product.yaml").write_text("nmae: Tiny\nsources: [{name: app, files: x}]\n")
    said = run("check")
    assert said.code == 1
    assert "product.yaml" in said.err
    assert "did you mean `name`?" in said.err
    assert f"`{calling(home)} check` tells when all is well" in said.err
    assert "Traceback" not in said.err + said.out


def test_check_fails_when_a_source_finds_no_file(run: Run, home: Path) -> None:
    (home / "in" / "a.csv").unlink()
    said = run("check")
    assert said.code == 1
    assert "✗ app: no file matches" in said.out


def test_check_fails_when_a_file_lacks_a_required_column(run: Run, home: Path) -> None:
    (home / "in" / "a.csv").write_text("event_time,user,feature,event_type\n2026-05-04 10:00:00,u1,quiz,use\n")
    said = run("check")
    assert said.code == 1
    assert "user_id" in said.out


def test_check_tells_which_rows_would_go_to_quarantine_and_still_succeeds(run: Run, home: Path) -> None:
    with (home / "in" / "a.csv").open("a") as file:
        file.write("2026-05-04 10:00:00,u2,quiz,rate,[/bad]\n")
    said = run("check")
    assert said.code == 0
    assert "1 rows would go to quarantine" in said.out
    assert "[/bad]" in said.out


@pytest.mark.proof
@pytest.mark.parametrize("command", ["status", "ingest", "redrive"])
@pytest.mark.parametrize("folder", ["data", "data/lake"])
def test_data_that_is_a_file_is_no_empty_lake(home: Path, folder: str, command: str) -> None:
    (home / "data").write_text("a file")
    done = started("--product", str(home / "product.yaml"), "--data", str(home / folder), command)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{home}/{folder}: " in done.stderr
    assert "is a file" in done.stderr
    assert "--data" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["check", "status", "redrive"])
def test_a_product_file_that_is_not_there_is_one_sentence(run: Run, home: Path, command: str) -> None:
    (home / "product.yaml").unlink()
    said = run(command)
    assert said.code == 1
    assert "cannot be read" in said.err
    assert "Name a product file with --product." in said.err
    assert "INTELLIGENCE_PRODUCT" not in said.err


@pytest.mark.proof
def test_the_traceback_is_shown_to_those_who_ask_for_it(home: Path) -> None:
    (home / "product.yaml").write_text("name: Tiny")
    plain = started("--product", str(home / "product.yaml"), "check")
    traced = started("--product", str(home / "product.yaml"), "--traceback", "check")
    assert plain.returncode == traced.returncode == 1
    assert "`sources` is missing" in plain.stderr
    assert "Traceback" not in plain.stderr
    assert "Traceback (most recent call last)" in traced.stderr
    assert "ProductFileError" in traced.stderr


def test_the_status_of_an_empty_lake_is_a_sentence_and_makes_no_lake(run: Run, home: Path) -> None:
    said = run("status")
    assert (said.code, said.err) == (0, "")
    assert "The lake is empty." in said.out
    assert f"`{calling(home)} ingest`" in said.out
    assert not (home / "data").exists()


@pytest.mark.proof
def test_an_ingest_warns_of_a_glob_that_matches_no_file_and_takes_the_others(home: Path) -> None:
    sources = f"[{{name: app, files: ['{home}/in/*.csv', '{home}/old/*.csv']}}, {{name: web, files: '{home}/*.jsonl'}}]"
    (home / "product.yaml").write_text(f"name: Tiny\nsources: {sources}\n")
    done = started("--product", str(home / "product.yaml"), "--data", str(home / "data"), "ingest")
    assert done.returncode == 0
    said = " ".join(done.stdout.split())
    assert f"app: no file matches {home}/old/*.csv. Put files there, or mend the glob in {home}/product.yaml." in said
    assert f"web: no file matches {home}/*.jsonl." in said
    assert f"{home}/in/*.csv" not in said
    assert "Telemetry files rows in accepted duplicates rejected 1 1 1 0 0" in said
    assert "No feature could be judged on 2026-05-04: 1 with too few events." in said


@pytest.mark.proof
def test_an_ingest_that_finds_nothing_at_all_says_what_to_do(home: Path) -> None:
    (home / "in" / "a.csv").unlink()
    done = started("--product", str(home / "product.yaml"), "--data", str(home / "data"), "ingest")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert f"app: no file matches {home}/in/*.csv." in done.stdout
    assert "Nothing has been taken in yet" in done.stdout
    assert f"`{calling(home)} check` says what each source finds" in done.stdout
    assert "Telemetry" not in done.stdout


@pytest.mark.proof
@pytest.mark.parametrize(
    ("options", "repeated"),
    [
        ([], " --data {data}"),
        (["--example", "classroom"], " --data {data}"),
        (["--example", "small"], " --example small --data {data}"),
        (["--example", "small", "--product", "{data}/own.yaml"], " --product {data}/own.yaml --data {data}"),
        (["--traceback", "--product", "examples/small/product.yaml"], " --example small --data {data}"),
    ],
)
def test_a_hint_repeats_the_product_and_the_data_that_are_meant(
    tmp_path: Path, options: list[str], repeated: str
) -> None:
    data = tmp_path / "a lake"
    data.mkdir()
    (data / "own.yaml").write_text("name: Tiny\nsources: [{name: app, files: x}]\n")
    done = started(*(option.format(data=data) for option in options), "--data", str(data), "status")
    words = [word.format(data=data) for word in repeated.split()]
    assert f"`{shlex.join([PROGRAM, *words])} ingest`" in done.stdout.splitlines()[0]


def test_from_another_folder_a_hint_gives_the_whole_path(home: Path) -> None:
    program = [str(SCRIPT), "--product", "product.yaml", "--data", "data", "status"]
    done = subprocess.run(program, cwd=home, capture_output=True, text=True, check=False)
    assert f"`{SCRIPT} --product product.yaml --data data ingest`" in done.stdout


@pytest.mark.proof
@pytest.mark.parametrize("command", [["status"], ["actions"], ["models"], ["check"]])
def test_what_machines_read_is_one_line_of_json(run: Run, home: Path, lake: Lake, command: list[str]) -> None:
    (home / "in" / "b.csv").write_text(HEADER + "2026-05-04 11:00:00,u1,quiz,rate,\x1b[2J\n")
    take_in(lake, home)
    said = run(*command, "--json")
    assert said.code == 0
    assert said.out.count("\n") == 1
    assert json.loads(said.out)
    assert "\x1b" not in said.out


def test_a_stop_by_the_person_says_how_to_go_on(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("assets.graph.runner.brought_up_to_date", stopped)
    said = run("ingest")
    assert said.code == 130
    assert f"`{calling(home)} ingest` goes on from there" in said.err
    assert "Traceback" not in said.err


def test_help_is_grouped_and_each_command_shows_an_example(run: Run) -> None:
    said = run("--help").out
    assert said.index("Every day") < said.index(" ingest ") < said.index("Models") < said.index(" promote ")
    for command in COMMANDS:
        assert f"Example: intelligence {command}" in " ".join(run(command, "--help").out.split()) or command == "check"


def test_the_status_before_the_first_whole_day_says_so(run: Run, home: Path, lake: Lake) -> None:
    take_in(lake, home)
    said = run("status")
    assert said.code == 0
    assert "No day is complete yet" in said.out


def test_the_status_shows_what_waits_in_quarantine_as_it_was_delivered(run: Run, home: Path, lake: Lake) -> None:
    (home / "in" / "b.csv").write_text(HEADER + "2026-05-04 11:00:00,u1,quiz,rate,[/bad]\n")
    take_in(lake, home)
    said = run("status")
    assert said.code == 0
    assert "In quarantine" in said.out
    assert "[/bad]" in said.out
    assert f"`{calling(home)} redrive` takes these rows again" in said.out


def test_a_redrive_with_nothing_in_quarantine_does_nothing(run: Run, home: Path, lake: Lake) -> None:
    take_in(lake, home)
    before = lake.snapshot_id()
    said = run("redrive")
    assert said.code == 0
    assert "0 rows taken again: 0 accepted" in said.out
    assert lake.snapshot_id() == before


def test_a_glob_begins_beside_the_product_file(run: Run, home: Path) -> None:
    (home / "product.yaml").write_text("name: Tiny\nsources: [{name: app, files: 'in/*.csv'}]\n")
    assert "✓ app: 1 file(s)" in run("check").out


def test_an_error_names_the_setting_as_it_was_given(home: Path) -> None:
    (home / "data").write_text("a file")
    done = subprocess.run(
        [sys.executable, "-m", "intelligence.interfaces.cli.commands", "status"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "INTELLIGENCE_PRODUCT": str(home / "product.yaml"), "INTELLIGENCE_DATA": str(home / "data")},
    )  # fmt: skip
    assert "Name a folder with INTELLIGENCE_DATA." in done.stderr


def test_without_any_action_the_commands_about_actions_say_so(run: Run, home: Path) -> None:
    assert "No action was ever asked for." in run("actions").out
    for command in (("approve", "abc"), ("reject", "abc"), ("undo", "abc"), ("settle", "abc", "--happened")):
        said = run(*command)
        assert said.code == 1
        assert "action abc: there is none" in said.out + said.err
    said = run("explain", "quiz")
    assert said.code == 1
    assert "there is no such decision or feature" in said.out + said.err
    assert not list(home.rglob("catalog.sqlite")), "nothing was made by asking"


def test_a_pause_is_listed_until_it_is_ended(run: Run) -> None:
    said = run("pause", "feature:quiz", "--why", "a demo").out
    assert "is paused" in said
    assert "No feature quiz was seen yet" in said
    assert "feature:quiz paused by" in run("actions").out
    assert "is paused already" in run("pause", "feature:quiz").out
    assert "goes on" in run("resume", "feature:quiz").out
    assert "was not paused" in run("resume", "feature:quiz").out
    assert run("pause", "the-weather").code == 1


def test_a_rollout_is_started_shown_and_stopped_and_mistakes_get_a_sentence(run: Run, home: Path) -> None:
    product = home / "product.yaml"
    product.write_text(product.read_text() + "\nfeatures: {quiz: {flag_key: quiz}, chat: {flag_key: chat}}\n")
    product_at.cache_clear()
    file = home / "data" / "flags.flagd.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    flag = {
        "state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off",
        "targeting": {"fractional": [["on", 5], ["off", 95]]},
    }  # fmt: skip
    file.write_text(json.dumps({"flags": {"quiz": flag, "chat": {**flag, "targeting": {"if": [True, "on"]}}}}))
    assert "No rollout is running" in run("rollout", "status").out
    for wrong, says in (
        (("quiz", "--steps", "50,25,100"), "50, 25, 100: each has to be larger than the one before"),
        (("quiz", "--steps", "a few"), "`a few` is no list of steps"),
        (("quiz", "--steps", "10,100"), "0.05 of all users, which is none of 10, 100"),
        (("chat",), "more than a `fractional` rule"),
        (("nothing",), "no feature has it as `flag_key`"),
    ):
        said = run("rollout", "start", *wrong)
        assert (said.code, says in " ".join(said.err.split())) == (1, True), said
    assert "5 %, 25 %, 100 % of all users" in run("rollout", "start", "quiz", "--steps", "5,25,100").out
    (row,) = json.loads(run("rollout", "status", "--json").out)
    assert (row["flag"], row["steps"], row["step"], row["exposure"]) == ("quiz", [5.0, 25.0, 100.0], 0.05, 0.05)
    assert "quiz" in run("rollout", "status").out
    assert "stays on for 0.05 of all users" in run("rollout", "stop", "quiz").out
    assert run("rollout", "stop", "quiz").code == 1


def test_people_are_shown_by_payments_segments_and_groups(run: Run, home: Path, lake: Lake) -> None:
    assert "it holds no day. Run `" in run("people").err
    take_in(lake, home)
    day = {"event_date": date(2026, 5, 4)}
    payers = {
        "cohort": "all",
        "unpaid_users": 40,
        "new_payers": 2,
        "value": 18.0,
        "recovered_value": 0.0,
        "stopped_value": 0.0,
    }
    counts = dict.fromkeys(("active_users", "repeat_payers", "recovered_payers", "stopped_payers", "new_value"), 0)
    differs = {"segment": "[red]", "metric": "value_per_unit", "value": 3.0, "other_value": 1.0, "difference": 2.0}
    differs |= {"low": 1.5, "high": 2.5, "q": 0.001, "direction": "increase", "users": 60, "other_users": 90}
    rows = {
        "metrics.payer_day": {**day, **counts, **payers},
        "metrics.segment_differences": {**day, **differs},
        "metrics.behaviour_segments": {**day, "segment": "many ratings", "users": 70, "share": 0.5, "stability": 0.9},
    }

    def insert(connection: Any) -> None:
        for path, row in rows.items():
            connection.register("given_row", pl.DataFrame([row]))
            connection.execute(f"INSERT INTO {path} BY NAME FROM given_row")
            connection.unregister("given_row")

    lake.commit(insert)
    said = run("people")
    assert said.code == 0
    assert "Of 40 user-days of those who had not paid, 2 brought a first payment (5.00%)." in said.out
    assert "[red]: value_per_unit 3, others 1: +2 (95 % interval +1.5 to +2.5)." in said.out
    assert "many ratings: 70 users (50%)" in said.out
    assert json.loads(run("people", "--json").out)["payers"][0]["new_payers"] == 2
