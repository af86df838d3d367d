"""The read model: pages of one snapshot, with the numbers of the tables, on lakes written by hand."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from intelligence.metrics.tables import KPI_DAY
from resources.lake.door import Lake
from resources.services.reading import ReadService
from tests.intelligence.interfaces.dashboard.lakes import FIRST, filled, lake_at, product_in, put, scored
from tests.platforms import platform_in

LAST = FIRST + timedelta(days=39)
PAGES: dict[str, dict[str, Any]] = {
    "today": {},
    "features": {},
    "compared": {"names": ("quiz", "chat")},
    "feature": {"name": "quiz"},
    "people": {"segment": "student"},
    "experiments": {},
    "causes": {},
    "coming": {},
    "scenario": {"change": "dau -5 %"},
    "plan": {"metric": "conversion_rate"},
    "uplift": {},
    "decisions": {"feature": "quiz"},
    "health": {},
}


def service(folder: Path) -> ReadService:
    lake = lake_at(folder)
    return platform_in(folder / "data", product_file=folder / "product.yaml", lake=lake).reading


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadService]:
    folder = filled(tmp_path_factory.mktemp("read"), days=40, features=["quiz", "chat"])
    scored(folder, ["chat"], LAST)
    found = service(folder)
    yield found
    found.lake.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_names_its_snapshot_and_begins_with_a_sentence(reading: ReadService, name: str) -> None:
    page = getattr(reading, name)(**PAGES[name])
    assert page.as_of.snapshot == reading.snapshot_id()
    assert page.as_of.day == LAST
    assert page.sentences
    assert all(each.strip() for each in page.sentences)
    assert all(part.finding for part in page.parts.values())
    shown = [part for part in page.parts.values() if not part.is_empty]
    assert all(part.source for part in shown)


@pytest.mark.parametrize("name", PAGES)
def test_a_lake_that_is_not_there_is_empty_and_stays_so(tmp_path: Path, name: str) -> None:
    product_in(tmp_path)
    found = service(tmp_path)
    page = getattr(found, name)(**PAGES[name])
    assert page.as_of.snapshot is None
    assert page.sentences[0].startswith("The lake is empty.")
    assert page.is_empty
    assert not (tmp_path / "data" / "lake").exists()


def test_a_page_is_of_one_snapshot_whatever_is_written_meanwhile(
    reading: ReadService, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, read, written = reading.snapshot_id(), Lake.read, []

    def read_and_write(lake: Lake, *given: Any, **more: Any) -> Any:
        found = read(lake, *given, **more)
        if not written:
            written.append(True)
            rows = [{"event_date": LAST, "segment": segment, "dau": 7} for segment in ("all", "student")]
            put(Lake(catalog=lake.catalog, store=lake.store), KPI_DAY, rows)
        return found

    monkeypatch.setattr(Lake, "read", read_and_write)
    page = reading.today()
    assert written
    assert page.as_of.snapshot == before
    assert page.facts["dau"] != 7
    monkeypatch.undo()
    assert reading.snapshot_id() != before
    assert reading.today().facts["dau"] == 7


def test_numbers_are_those_of_the_tables(reading: ReadService) -> None:
    ranking = reading.features()["ranking"].rows
    assert ranking["feature"].to_list() == ["chat", "quiz"]
    table = reading.lake.frame("SELECT feature, impact_score, impact_low, impact_high FROM risk.feature_risk")
    assert ranking.filter(feature="chat").select(table.columns).equals(table)
    errors = reading.feature("quiz")["errors"].rows.filter(pl.col("event_date") == LAST).row(0, named=True)
    assert (errors["bad"], errors["total"], errors["rate"], errors["promised"]) == (30, 100, 0.3, 0.02)
    # 30 users with one failed event each, of 50 with two: Wilson's interval from less than 100 independent events.
    assert 0.2 < errors["low"] < 0.3 < errors["high"] < 0.41


def test_days_and_segment_limit_what_is_read(reading: ReadService) -> None:
    people = reading.people(segment="student", days=28)
    assert people["kpis"].rows.height == 28
    assert people["kpis"].rows["segment"].unique().to_list() == ["student"]
    assert people["kpis"].period == f"{LAST - timedelta(days=27)} to {LAST}"
    assert reading.feature("quiz", days=7)["users"].rows.height == 7


def test_a_name_is_only_ever_a_value(reading: ReadService) -> None:
    name = "'; DROP TABLE metrics.kpi_day; -- $days"
    assert "was seen" in reading.feature(name).sentences[0]
    assert reading.causes(name).sentences
    assert reading.coming("dau", segment=name).sentences
    assert reading.people(segment=name).sentences[0].startswith("No user was seen")
    assert reading.lake.frame("SELECT count(*) FROM metrics.kpi_day").item() > 0


def test_the_policy_is_that_of_the_product(reading: ReadService) -> None:
    rules = reading.product.decisions.at_level("auto")
    bold = replace(reading, product=reading.product.model_copy(update={"decisions": rules}))
    assert set(bold.policy()["level"]) == {"auto"}
    assert "Nothing acts without a person." in reading.decisions()["policy"].finding
    assert "May act by itself" in bold.decisions()["policy"].finding
