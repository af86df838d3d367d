"""Backup and restore: everything that the platform wrote is copied while it runs, and restored into empty places.

The order of copying makes the backup consistent, like the state after a power cut: the catalogue of the lake before its
files, MLflow's database before its artifacts, and last the store of actions together with the file of flags, so that it
contains every action that any other part refers to.
"""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from intelligence.core.errors import StoreError
from resources.config.settings import ROOT, Settings
from resources.config.store_failures import in_words, store_failures_reported
from resources.flags.file import FlagFile
from resources.lake.door import Lake
from resources.outbox.door import Outbox
from resources.state.store import state_at

MANIFEST = "backup.json"
DATABASES = (".db", ".sqlite")
# Files that are useless once their process has ended, or that are created again where they are missing.
LEFT_OUT = (".lock", "-wal", "-shm", "-journal", ".unfinished", ".half", ".new")
SCRATCH = ("scratch", ".unfinished-")


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup: its number of files and bytes, and which stores are elsewhere and need a backup of their own."""

    files: int
    bytes: int
    elsewhere: tuple[str, ...]


def backed_up(here: Settings, flags: FlagFile, folder: Path, *, at: datetime) -> Backup:
    """Return what was copied into `folder`.

    Processes that write to the lake wait in the meantime, and changes of flags wait at the end.

    Args:
        here: The settings of the platform, which name all its folders and stores.
        flags: The file of flags.
        folder: Where the backup is written; new or empty, and outside of all folders that are copied.
        at: The time to record in the backup, in UTC.

    Raises:
        StoreError: Where the folder is not suitable, or a file cannot be copied.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StoreError(str(folder), "it is not empty.", hint="Name a new folder for each backup.")
    if _inside(here, folder):
        raise StoreError(str(folder), "it lies in what is copied.", hint="Name a folder elsewhere.")
    state = _state_file(here)
    with store_failures_reported(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _no_writer(here):
            lake = here.data / "lake"
            first = [file for file in (_catalogue(here),) if file and file.is_relative_to(here.data)]
            _copied(here, folder, first)
            _copied(here, folder, [*_files(lake), *_files(_within(here.store))])
        places = _places(here)
        _copied(here, folder, [here.mlruns / "mlflow.db"])
        others = [file for place in places.values() for file in _files(place) if file not in (state, flags.path)]
        _copied(here, folder, [file for file in others if not file.is_relative_to(lake)])
        with flags.turn():
            _copied(here, folder, [file for file in (state, flags.path) if file])
        if here.product_file.exists():
            shutil.copy2(here.product_file, folder / "product.yaml")
        if flags.path.exists() and _inside(here, flags.path) is None:
            shutil.copy2(flags.path, folder / "flags")
        found = {str(file.relative_to(folder)): _sha256(file) for file in sorted(folder.rglob("*")) if file.is_file()}
        about = {"at": at.isoformat(), "data": str(here.data), "flags": str(flags.path), "files": found}
        (folder / MANIFEST).write_text(json.dumps(about, indent=1), encoding="utf-8")
    size = sum((folder / name).stat().st_size for name in found)
    return Backup(len(found), size, tuple(_elsewhere(here)))


def restored(here: Settings, folder: Path, *, actor: str) -> datetime:
    """Return when the restored backup was made.

    No existing file is overwritten. Actions that were sent after the backup are unknown, so everything is paused until
    a person resumes it.

    Args:
        here: The settings of the platform, whose folders must be empty.
        folder: A folder that `backed_up` wrote.
        actor: Who restores, as the pause shows it.

    Raises:
        StoreError: Where the backup is incomplete or damaged, or a folder is not empty.
    """
    about = _manifest(folder)
    for name, place in _places(here).items():
        if (folder / name).exists() and next(_files(place), None):
            raise StoreError(str(place), "something stands there.", hint="Move it away first; nothing was written.")
    with store_failures_reported(here.data):
        for name, place in _places(here).items():
            if (folder / name).exists():
                shutil.copytree(folder / name, place, dirs_exist_ok=True)
        for name, target in (("product.yaml", here.product_file), ("flags", Path(about["flags"]))):
            if (folder / name).exists() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(folder / name, target)
    at = datetime.fromisoformat(about["at"])
    reason = f"restored from a backup of {at:%Y-%m-%d %H:%M} UTC: what was sent since is not known"
    Outbox(state_at(here.state)).paused("everything", actor=actor, reason=reason)
    return at


def _manifest(folder: Path) -> dict[str, str]:
    try:
        about = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = dict(about["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "Name a folder that `intelligence backup` made to its end."
        raise StoreError(str(folder), f"it is no whole backup: {MANIFEST} is missing or broken.", hint=hint) from error
    for name, digest in files.items():
        if not (folder / name).is_file() or _sha256(folder / name) != digest:
            raise StoreError(str(folder / name), "it is gone or damaged.", hint="Take another backup.")
    found: dict[str, str] = about
    return found


def _places(here: Settings) -> dict[str, Path]:
    """Return the folders that are copied, by their names in the backup; a folder inside of the data folder is part of it."""
    dagster = ROOT / ".dagster" if here.data == ROOT / "data" else here.data / "dagster"
    places = {"data": here.data, "mlruns": here.mlruns, "reports": here.reports, "dagster": dagster}
    return {name: place for name, place in places.items() if name == "data" or not place.is_relative_to(here.data)}


def _inside(here: Settings, file: Path) -> Path | None:
    """Return the path of the file in a backup; None where it is in none of the folders that are copied."""
    for name, place in _places(here).items():
        if file.is_relative_to(place):
            return Path(name) / file.relative_to(place)
    return None


def _copied(here: Settings, folder: Path, files: list[Path]) -> None:
    for file in files:
        inside = _inside(here, file)
        if inside is None or not file.exists() or (folder / inside).exists():
            continue
        target = folder / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix in DATABASES:
            _copied_database(file, target)
        else:
            try:
                shutil.copy2(file, target)
            except FileNotFoundError:
                target.unlink(missing_ok=True)  # its process has ended in the meantime and removed it


def _copied_database(file: Path, target: Path) -> None:
    """Copy an SQLite database at one moment, even while other processes write to it."""
    try:
        with (
            closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=60)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
    except sqlite3.Error as error:
        problem = in_words(error) or f"it cannot be copied ({error})"
        raise StoreError(str(file), f"{problem}.", hint="The backup was not made. Mend this first.") from error


def _files(place: Path | None) -> Iterator[Path]:
    if place is None or not place.is_dir():
        return
    for file in sorted(place.rglob("*")):
        parts = file.relative_to(place).parts
        is_scratch = any(part == SCRATCH[0] or part.startswith(SCRATCH[1]) for part in parts)
        if file.is_file() and not is_scratch and not file.name.endswith(LEFT_OUT) and file.name != ".gitkeep":
            yield file


def _within(store: str) -> Path | None:
    return None if store.startswith("s3://") else Path(store)


def _catalogue(here: Settings) -> Path | None:
    return Path(here.catalog.removeprefix("sqlite:")) if here.catalog.startswith("sqlite:") else None


def _state_file(here: Settings) -> Path | None:
    return Path(here.state.removeprefix("sqlite:///")) if here.state.startswith("sqlite:///") else None


@contextmanager
def _no_writer(here: Settings) -> Iterator[None]:
    lake = Lake.of(here)
    if not lake.exists():
        yield
        return
    with lake.no_writer():
        yield


def _elsewhere(here: Settings) -> Iterator[str]:
    for name, file in (("INTELLIGENCE_LAKE_CATALOG", _catalogue(here)), ("INTELLIGENCE_STATE", _state_file(here))):
        if file is None or _inside(here, file) is None:
            yield name
    store = _within(here.store)
    if store is None or _inside(here, store) is None:
        yield "INTELLIGENCE_LAKE_STORE"
    if here.mlflow_uri:
        yield "INTELLIGENCE_MLFLOW_URI"


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
