"""What the page on operation says of backup and restore, followed: copy while it runs, lose everything, put it back."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from intelligence.actions.action import Kind
from intelligence.actions.settings import Actions
from intelligence.catalog.product import Product, Source
from intelligence.core.errors import StoreError
from resources.config.settings import Settings, settings
from resources.flags.target import Flags
from resources.intake.delivery import deliveries
from resources.intake.ingest import ingested
from resources.lake.door import Lake
from resources.messages.connected import flags_of
from resources.outbox.deliverer import delivered
from resources.outbox.door import Outbox
from resources.services.backup import MANIFEST, Backup, backed_up, restored
from tests.resources.actions.conftest import action
from tests.resources.test_broken_stores import rows

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
WANTED = Actions(targets=("flags",))


@dataclass
class Installation:
    here: Settings
    backup: Path

    @property
    def lake(self) -> Lake:
        return Lake(catalog=self.here.catalog, store=self.here.store)

    @property
    def outbox(self) -> Outbox:
        return Outbox.of(self.here.state, WANTED)

    @property
    def flags(self) -> Flags:
        return flags_of(WANTED, self.here.data, self.outbox)

    def ingest(self, day: int) -> None:
        (self.here.data / "in").mkdir(exist_ok=True)
        (self.here.data / "in" / f"{day}.csv").write_text(rows(day))
        product = Product(name="test", sources=(Source(name="app", files=(f"{self.here.data}/in/*",)),))
        ingested(self.lake, product, deliveries(product, self.here.data), now=AT.replace(tzinfo=None))

    def roll_back(self, flag: str) -> list[str]:
        """Return the actions that were confirmed now: the policy asks for the same one every day."""
        asked = action(f"d-{flag}", Kind.ROLLBACK, "flags", feature=flag, episode=flag, payload={"flag": flag})
        self.outbox.planned([asked], actor="policy", reason="it burns", approved=True)
        return delivered(self.outbox, [self.flags]).ids("confirmed")

    def back_up(self) -> Backup:
        return backed_up(self.here, self.flags.file, self.backup, at=AT)

    def closed(self) -> None:
        self.lake.close()
        self.outbox.state.close()

    def lose(self) -> None:
        self.closed()
        shutil.rmtree(self.here.data)

    def seen(self) -> dict[str, Any]:
        """Return what a person would look at: tables, actions, flags, and a row of another database."""
        with sqlite3.connect(self.here.mlruns / "mlflow.db") as models:
            versions = models.execute("SELECT version FROM versions").fetchall()
        return {
            "events": self.lake.frame("FROM telemetry.raw_events ORDER BY event_id").rows(),
            "batches": self.lake.frame("FROM telemetry.batches ORDER BY source_file").rows(),
            "actions": [(entry.id, entry.standing) for entry in self.outbox.entries()],
            "flags": self.flags.file.document(),
            "versions": versions,
            "product": self.here.product_file.read_text(),
            "report": (self.here.reports / "page.html").read_text(),
        }


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    data = tmp_path / "my data"
    (data / "mlruns").mkdir(parents=True)
    (data / "evidently_reports").mkdir()
    (data / "evidently_reports" / "page.html").write_text("<p>drift</p>")
    (data / "scratch").mkdir()
    (data / "scratch" / "spilt.tmp").write_text("x")
    (tmp_path / "product.yaml").write_text("name: test\n")
    with sqlite3.connect(data / "mlruns" / "mlflow.db") as models:
        models.execute("PRAGMA journal_mode = WAL")
        models.execute("CREATE TABLE versions (version)")
        models.execute("INSERT INTO versions VALUES (1)")
    here = replace(
        settings(),
        product_file=tmp_path / "product.yaml",
        data=data,
        catalog=f"sqlite:{data}/lake/catalog.sqlite",
        store=f"{data}/lake/files",
        state=f"sqlite:///{data}/state.db",
        mlruns=data / "mlruns",
        reports=data / "evidently_reports",
        mlflow_uri=None,
    )
    made = Installation(here, tmp_path / "backup")
    made.ingest(1)
    made.flags.file.declared(["checkout", "search"])
    assert made.roll_back("checkout")
    yield made
    made.closed()


def test_what_was_lost_whole_is_as_it_was_and_nothing_is_sent_twice(site: Installation) -> None:
    before = site.seen()
    site.lake.get_connection()
    made = site.back_up()
    assert made.files == len([file for file in site.backup.rglob("*") if file.is_file()]) - 1
    assert made.elsewhere == ()
    assert not list(site.backup.rglob("spilt.tmp"))
    site.lose()
    site.here.product_file.unlink()
    assert restored(site.here, site.backup, actor="ann") == AT
    assert site.seen() == before
    (pause,) = site.outbox.pauses()
    assert "restored from a backup of 2026-07-01 12:00 UTC" in pause.reason
    assert site.roll_back("search") == [], "nothing is done until a person lets it go on"
    site.outbox.resumed("everything", actor="ann", reason="looked at")
    assert len(site.roll_back("checkout")) == 1, "what waited, and not what was done before"
    assert [standing for _, standing in site.seen()["actions"]] == ["confirmed", "confirmed"]
    assert site.flags.file.served("checkout", "on")[0] == 0.0
    site.ingest(2)
    assert len(site.seen()["events"]) == 600


def test_a_backup_is_of_one_moment_while_others_write(site: Installation) -> None:
    with sqlite3.connect(site.here.mlruns / "mlflow.db") as writer:
        writer.execute("INSERT INTO versions VALUES (2)")
        site.back_up()
    site.lose()
    restored(site.here, site.backup, actor="ann")
    assert site.seen()["versions"] == [(1,)], "what was not committed is not in it"


def test_nothing_is_written_over(site: Installation) -> None:
    site.back_up()
    before = site.seen()
    with pytest.raises(StoreError, match="something stands there"):
        restored(site.here, site.backup, actor="ann")
    assert site.seen() == before
    with pytest.raises(StoreError, match="it is not empty"):
        site.back_up()
    with pytest.raises(StoreError, match="lies in what is copied"):
        backed_up(site.here, site.flags.file, site.here.data / "backup", at=AT)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no manifest": lambda folder: (folder / MANIFEST).unlink(),
    "a cut manifest": lambda folder: os.truncate(folder / MANIFEST, 40),
    "a manifest of something else": lambda folder: (folder / MANIFEST).write_text("[]"),
    "no folder": shutil.rmtree,
    "an empty folder": lambda folder: (shutil.rmtree(folder), folder.mkdir()),
    "a missing store of actions": lambda folder: (folder / "data/state.db").unlink(),
    "a cut catalogue": lambda folder: os.truncate(folder / "data/lake/catalog.sqlite", 4096),
    "a missing Parquet file": lambda folder: next(folder.rglob("*.parquet")).unlink(),
    "a cut Parquet file": lambda folder: os.truncate(next(folder.rglob("*.parquet")), 10),
    "other flags": lambda folder: (folder / "data/flags.flagd.json").write_text(json.dumps({"flags": {}})),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup as `backed_up` leaves it, made by hand: names, digests and content."""
    import hashlib

    folder = tmp_path_factory.mktemp("whole") / "backup"
    names = ("state.db", "lake/catalog.sqlite", "lake/files/t/a.parquet", "flags.flagd.json")
    digests = {}
    for name in names:
        file = folder / "data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode() * 500)
        digests[f"data/{name}"] = hashlib.sha256(file.read_bytes()).hexdigest()
    about = {"at": AT.isoformat(), "data": "/d", "flags": "/d/flags.flagd.json", "files": digests}
    (folder / MANIFEST).write_text(json.dumps(about))
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_backup_is_refused_whole(whole: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "backup"
    shutil.copytree(whole, folder)
    DAMAGES[damage](folder)
    here = replace(settings(), data=tmp_path / "data", mlruns=tmp_path / "data/m", reports=tmp_path / "data/r")
    with pytest.raises(StoreError, match=str(folder)):
        restored(here, folder, actor="ann")
    assert not (tmp_path / "data").exists()
