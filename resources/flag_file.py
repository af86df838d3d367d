"""The file of feature flags: read, written as a whole or not at all, and read back as an application would."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from intelligence.actions.flags import VERSION, Document, first_document, flag_in
from intelligence.errors import ActionError
from resources.faults import reach

TURN_PATIENCE_S = 10.0
PROBES = 2_000
_users = tuple(f"probe-{number}" for number in range(PROBES))


@dataclass(frozen=True, slots=True)
class FlagFile:
    """One file in flagd's format."""

    path: Path

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Let one process of the platform at a time change the file; raises TimeoutError where one hangs."""
        try:
            with FileLock(self.path.with_name(f".{self.path.name}.lock"), timeout=TURN_PATIENCE_S):
                yield
        except Timeout as error:
            raise TimeoutError("another process of the platform is changing the flags") from error

    def text(self) -> str:
        """Return what stands in the file; raises ActionError where it cannot be read."""
        try:
            return self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problem = f"it cannot be read ({type(error).__name__})."
            raise ActionError(str(self.path), problem, hint="Name the file in `actions: flag_file`.") from error

    def document(self) -> dict[str, Any]:
        """Return the file as a document; raises ActionError where it is none."""
        return document_in(self.text(), self.path)

    def write(self, document: Document, *, instead_of: str) -> bool:
        """Return whether the document stands in the file now; False where it is not `instead_of` any more."""
        for left_behind in self.path.parent.glob(f".{self.path.name}.*.new"):
            left_behind.unlink()
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.new")
        with temporary.open("w", encoding="utf-8") as file:
            file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
            reach("flag.half_written")
            file.flush()
            os.fsync(file.fileno())
        if self.path.exists():
            shutil.copymode(self.path, temporary)
        if self.path.exists() and self.text() != instead_of:
            temporary.unlink()
            return False
        temporary.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return True

    def declared(self, flags: Iterable[str]) -> list[str]:
        """Return the flags that were missing and are in the file now, on for everybody; others are not touched.

        Raises ActionError where the file is broken or cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.turn():
                return self._added(flags)
        except OSError as error:
            problem = f"it cannot be written ({type(error).__name__})."
            raise ActionError(str(self.path), problem, hint="Name the file in `actions: flag_file`.") from error

    def _added(self, flags: Iterable[str]) -> list[str]:
        text = self.text() if self.path.exists() else ""
        document = document_in(text, self.path) if text else first_document([])
        missing = [flag for flag in dict.fromkeys(flags) if flag not in document["flags"]]
        if missing or not text:
            added = {**document["flags"], **first_document(missing)["flags"]}
            self.write({**document, "flags": added}, instead_of=text)
        return missing

    def served(self, flag: str, variant: str) -> tuple[float, int | None]:
        """Return the share of probing users who get the variant, and the version, both asked through OpenFeature."""
        from resources.flag_provider import flag_client, served_variant

        value = next(iter(flag_in(self.document(), flag)["variants"].values()))
        client = flag_client(self.path)
        answers = [served_variant(client, flag, value, user) for user in _users]
        return sum(served == variant for served, _ in answers) / PROBES, answers[0][1].get(VERSION)


def document_in(text: str, path: Path) -> dict[str, Any]:
    """Return the text as a document; raises ActionError where it is none."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ActionError(str(path), f"it is no JSON ({error}).", hint="Mend it; nothing was changed.") from error
    if not isinstance(document, dict) or not isinstance(document.get("flags"), dict):
        raise ActionError(str(path), "it has no object `flags`.", hint="Write it in flagd's format.")
    return document
