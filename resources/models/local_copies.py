"""Copies of champions on this machine: fetched once, put in place in one step, and checked by SHA-256 at every use."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from intelligence.core.errors import ModelError

ABOUT = "version.json"
LAST = "champion.json"
UNFINISHED = ".unfinished-"
CHECKSUM = "sha256."
NEXT_STEP = "Promote another version (`intelligence models` lists them), or train again."


@dataclass(frozen=True, slots=True)
class Copy:
    """The files of a version, which match the checksums in its tags.

    Attributes:
        version: Number of the version in MLflow.
        run_id: The MLflow run that made the version.
        tags: The version's tags.
        files: Content by file name.
    """

    version: str
    run_id: str
    tags: Mapping[str, str]
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class LocalCopies:
    """The local copies of one model.

    Attributes:
        name: Name of the registered model.
        folder: The model's own folder, with one folder per version.
    """

    name: str
    folder: Path

    @property
    def is_known(self) -> bool:
        """Return whether a champion is recorded on this machine."""
        return (self.folder / LAST).exists()

    def kept(self, version: str, run_id: str, tags: Mapping[str, str], fetched: Callable[[Path], Path]) -> Copy:
        """Return the copy of a version, fetched from MLflow if there is none or its checksums do not match.

        Args:
            version: Number of the version in MLflow.
            run_id: The MLflow run that made the version.
            tags: The version's tags, among them the SHA-256 of each file.
            fetched: Downloads the version into the given folder and returns the folder that then contains its files.

        Raises:
            ModelError: The version has no checksums, its files in MLflow do not match them, or the copy cannot be written.
        """
        expected = _checksums(tags)
        if not expected:
            raise ModelError(
                f"{self.name} version {version}",
                "it has no sha256 tags, so it was not registered by this platform.",
                hint=NEXT_STEP,
            )
        found = self._read(version)
        files = found.files if found and found.run_id == run_id else {}
        if _misfits(files, expected):
            with self._writing():
                files = self._fetched(version, run_id, tags, fetched)
        return Copy(version, run_id, tags, files)

    def valid_copy(self, version: str, run_id: str) -> Copy | None:
        """Return the local copy of a version if it exists and matches its run and its checksums; otherwise None.

        The number alone does not identify a model: a store that was deleted and created again starts from 1.

        Args:
            version: Number of the version in MLflow.
            run_id: The MLflow run that made the version.
        """
        found = self._read(version)
        if found is None or found.run_id != run_id or not _checksums(found.tags):
            return None
        return None if _misfits(found.files, _checksums(found.tags)) else found

    def last(self) -> tuple[Copy, datetime] | None:
        """Return the last champion and when MLflow last confirmed it (UTC), None if no champion is recorded on this machine.

        Raises ModelError if the copy is damaged or missing.
        """
        try:
            record = json.loads((self.folder / LAST).read_text())
        except (OSError, ValueError):
            return None
        found = self._read(record["version"])
        misfits = _misfits(found.files, _checksums(found.tags)) if found else [record["version"]]
        if found is None or misfits:
            raise ModelError(
                f"local copy {self.folder / record['version']}",
                f"{', '.join(misfits)} is damaged or gone, and MLflow cannot be asked for it.",
                hint="Make MLflow reachable; the copy is then fetched again.",
            )
        return found, datetime.fromisoformat(record["at"])

    def confirm(self, version: str, at: datetime) -> None:
        """Record that MLflow named this version as champion.

        Args:
            version: Number of the version in MLflow.
            at: When MLflow answered, a time with a time zone.
        """
        with self._writing():
            path = self.folder / f"{UNFINISHED}{LAST}"
            path.write_text(json.dumps({"version": version, "at": at.astimezone(UTC).isoformat()}))
            path.replace(self.folder / LAST)

    def forget(self) -> None:
        """Delete the record of the champion, since MLflow reports that there is none."""
        with suppress(FileNotFoundError):
            (self.folder / LAST).unlink()

    def _read(self, version: str) -> Copy | None:
        place = self.folder / version
        try:
            about = json.loads((place / ABOUT).read_text())
            files = {name: (place / name).read_bytes() for name in _checksums(about["tags"])}
            return Copy(version, about["run_id"], about["tags"], files)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _fetched(
        self, version: str, run_id: str, tags: Mapping[str, str], fetched: Callable[[Path], Path]
    ) -> dict[str, bytes]:
        expected = _checksums(tags)
        scratch = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=self.folder))
        try:
            source = fetched(scratch / "fetched")
            files = {name: (source / name).read_bytes() for name in expected if (source / name).is_file()}
            misfits = _misfits(files, expected)
            if misfits:
                raise ModelError(
                    f"{self.name} version {version}",
                    f"{', '.join(misfits)} in MLflow's artifacts is not what was registered (gone, or another SHA-256).",
                    hint=NEXT_STEP,
                )
            whole = scratch / "whole"
            whole.mkdir()
            for name, content in files.items():
                (whole / name).write_bytes(content)
            (whole / ABOUT).write_text(json.dumps({"run_id": run_id, "tags": dict(tags)}, indent=1))
            place = self.folder / version
            if place.exists():
                place.rename(scratch / "former")
            whole.rename(place)
            return files
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Admit one writer at a time, remove what a killed one left, and turn errors of the disk into a ModelError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / ".lock", timeout=120):
                for leftover in self.folder.glob(f"{UNFINISHED}*"):
                    shutil.rmtree(leftover, ignore_errors=True)
                yield
        except OSError as error:
            raise ModelError(
                f"local copies in {self.folder}",
                f"they cannot be written ({error.strerror or error}).",
                hint="Free space, or give this user the right to write there (INTELLIGENCE_DATA).",
            ) from error


def _checksums(tags: Mapping[str, str]) -> dict[str, str]:
    return {key.removeprefix(CHECKSUM): value for key, value in tags.items() if key.startswith(CHECKSUM)}


def _misfits(files: Mapping[str, bytes], expected: Mapping[str, str]) -> list[str]:
    return [
        name
        for name, checksum in expected.items()
        if name not in files or hashlib.sha256(files[name]).hexdigest() != checksum
    ]
