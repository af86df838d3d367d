"""Retention and funnels at a terminal, from a lake that was built by hand."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from intelligence.core.tables import Days
from intelligence.interfaces.cli import commands
from tests.intelligence.hand_made_lake import day
from tests.intelligence.metrics.test_usage import some_events
from tests.intelligence.metrics.usage_house import House

FUNNELS = """
funnels:
  - name: practice
    steps: [{event_type: view}, {event_type: use, feature: quiz}, {event_type: complete}]
    days: 2
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("usage-home")
    (folder / "product.yaml").write_text(f"name: Tiny\nsources: [{{name: app, files: 'in/*.csv'}}]\n{FUNNELS}")
    house = House(folder / "data" / "lake")
    days = Days(day(0), day(75))
    house.put(some_events(1, users=40), days)
    house.build(days)
    house.lake.close()
    return folder


def said(home: Path, *arguments: str) -> str:
    options = ["--product", str(home / "product.yaml"), "--data", str(home / "data")]
    done = CliRunner().invoke(commands.app, [*options, *arguments])
    return done.stdout + str(done.exception or "")


def test_cohorts_are_listed_by_day_by_week_and_by_feature(home: Path) -> None:
    assert "Retention of all users by day of first use" in said(home, "retention")
    weekly = said(home, "retention", "--weekly", "--definition", "rolling")
    assert "week 1+" in weekly
    assert "may have used the product before the data begin" in weekly
    of_feature = json.loads(said(home, "retention", "--feature", "quiz", "--json"))
    assert {(row["grain"], row["dimension"], row["value"]) for row in of_feature} == {("week", "feature", "quiz")}
    of_segment = said(home, "retention", "--segment", "student", "--definition", "bracket")
    assert "of the segment student" in of_segment
    assert "day 31-45" in of_segment


def test_a_part_that_there_is_not_is_refused_with_those_that_there_are(home: Path) -> None:
    assert "quizz: is no feature with users. There are quiz" in said(home, "retention", "--feature", "quizz")
    assert "two different parts" in said(home, "retention", "--feature", "quiz", "--segment", "student")


def test_a_funnel_is_listed_with_its_parts_and_open_entries(home: Path) -> None:
    text = said(home, "funnel", "practice")
    assert "3 complete" in text
    assert "platform ios" in text
    rows = json.loads(said(home, "funnel", "--json"))
    assert {row["funnel"] for row in rows} == {"practice"}
    assert "sales: is no funnel of product.yaml. There are practice" in said(home, "funnel", "sales")
