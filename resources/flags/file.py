"""The file of feature flags: read, replaced as a whole or not at all, and read back as an application would do it."""

import errno
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from intelligence.actions.flags import VERSION, Document, first_document, flag_in
from intelligence.actions.lost_flags import loss
from intelligence.core.errors import ActionError
from resources.config.faults import reach

TURN_PATIENCE_S = 10.0
PROBES = 2_000
_users = tuple(f"probe-{number}" for number in range(PROBES))


@dataclass(frozen=True, slots=True)
class FlagFile:
    """One file in flagd's format.

    With a `record` the file is compared with what is known of it. A file that is missing, empty, older than the
    platform's last change or without it counts as lost; only a person's command makes a new one.
    """

    path: Path
    # A FlagRecord. Its module is not imported where a file is only read, such as when the code location loads.
    record: Any = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Let one process of the platform at a time change the file; raises TimeoutError where another holds it for too long."""
        try:
            with FileLock(self.path.with_name(f".{self.path.name}.lock"), timeout=TURN_PATIENCE_S):
                yield
        except Timeout as error:
            raise TimeoutError("another process of the platform is changing the flags") from error
        except OSError as error:
            raise self._unusable("written", error) from error

    def text(self) -> str:
        """Return the content of the file; raises ActionError where it cannot be read or was lost."""
        text = self._read()
        if text is None:
            self._demand_whole(None)
            raise ActionError(str(self.path), "it is not there.", hint="Name the file in `actions: flag_file`.")
        if not text.strip():
            self._demand_whole(None)
        return text

    def document(self) -> dict[str, Any]:
        """Return the file as a document; raises ActionError where it has another format or was lost."""
        return self.document_in(self.text())

    def document_in(self, text: str) -> dict[str, Any]:
        """Return a text of this file as a document; raises ActionError like `document`."""
        document = document_in(text, self.path)
        self._demand_whole(document)
        return document

    def trouble(self) -> str | None:
        """Return what is wrong with the file and what to do; None where it is whole, or never existed."""
        try:
            text = self._read()
            if text is None or not text.strip():
                self._demand_whole(None)
            else:
                self.document()
        except ActionError as error:
            return str(error)
        return None

    def write(self, document: Document, *, instead_of: str) -> bool:
        """Return whether the file contains the document now.

        Args:
            document: What the file is to contain.
            instead_of: The text that was read before; where the file contains another one, it is not written.
        """
        # Where the path is a link, the file that it leads to is replaced, and not the link.
        path = self.path.resolve()
        for left_behind in path.parent.glob(f".{path.name}.*.new"):
            left_behind.unlink()
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            reach("flag.half_written")
            file.flush()
            os.fsync(file.fileno())
        present = self._read()
        if present is not None:
            shutil.copymode(path, temporary)
        if (present or "") != instead_of:
            temporary.unlink()
            return False
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._keep(text)
        return True

    def declared(self, flags: Iterable[str]) -> list[str]:
        """Return the missing flags, which are in the file now and on for everybody; other flags are not changed.

        Raises ActionError where the file is broken, was lost, or cannot be written.
        """
        if self._read() is None:
            # The folder may only be unmounted, so no new one is made.
            self._demand_whole(None)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.turn():
                return self._added(flags)
        except OSError as error:
            raise self._unusable("written", error) from error

    def restored(self, *, actor: str, reason: str) -> str:
        """Return when the restored copy was seen, such as `2026-01-31 12:00 UTC`.

        The file is written again as it was seen last. A broken file in its place is kept next to it under another name.

        Args:
            actor: Who does it, as the history shows it: a person, or a component such as `read-back`.
            reason: Why, in one sentence; it is recorded.

        Raises:
            ActionError: Where nothing was lost, no copy is known, or a folder or a link is in the place of the file.
        """
        record, trouble = self._demand_record(), self.trouble()
        kept = record.kept()
        if trouble is None:
            raise ActionError(str(self.path), "nothing was lost of it.", hint="It is left as it is.")
        if kept is None:
            hint = "Bring the file back from a backup, then `intelligence flags accept`."
            raise ActionError(str(self.path), "no copy of it is known.", hint=hint)
        if self.path.is_symlink() or self.path.is_dir():
            raise ActionError(str(self.path), "it is a folder or a link.", hint="Move it away, then restore again.")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.turn():
            if self.path.exists():
                self.path.replace(self.path.with_name(f"{self.path.name}.broken-{record.clock():%Y%m%dT%H%M%S}"))
            self.write(json.loads(kept.text), instead_of="")
            record.note("restored", str(self.path), actor=actor, reason=reason)
        return f"{kept.at:%Y-%m-%d %H:%M} UTC"

    def accepted(self, *, actor: str, reason: str) -> None:
        """Accept the file as it is, or its absence: earlier content is not missed any more.

        Args:
            actor: Who does it, as the history shows it: a person, or a component such as `read-back`.
            reason: Why, in one sentence; it is recorded.

        Raises:
            ActionError: Where the file exists and has another format.
        """
        record, text = self._demand_record(), self._read()
        if text and text.strip():
            document_in(text, self.path)
        for flag in record.least_versions():
            record.released(flag, actor=actor, reason=reason)
        if text and text.strip():
            record.keep(text, str(self.path))
        else:
            record.forget()
        record.note("accepted", str(self.path), actor=actor, reason=reason)

    def keep(self) -> None:
        """Keep a copy of the file as it is, unless another process of the platform changes it in this moment."""
        with suppress(ActionError, TimeoutError), self.turn():
            self._keep(self.text())

    def served(self, flag: str, variant: str) -> tuple[float, int | None]:
        """Return the share of probing users who get the variant, and the flag's version, both read through OpenFeature.

        Args:
            flag: The key of the flag.
            variant: The name of the variant to count.

        Returns:
            The share, a fraction in [0, 1], and the version; None where the flag has no version.
        """
        from resources.flags.provider import flag_client, served_variant

        value = next(iter(flag_in(self.document(), flag)["variants"].values()))
        client = flag_client(self.path)
        answers = [served_variant(client, flag, value, user) for user in _users]
        return sum(served == variant for served, _ in answers) / PROBES, answers[0][1].get(VERSION)

    def _added(self, flags: Iterable[str]) -> list[str]:
        text = self._read() or ""
        is_there = bool(text.strip())
        document = document_in(text, self.path) if is_there else first_document([])
        self._demand_whole(document if is_there else None)
        missing = [flag for flag in dict.fromkeys(flags) if flag not in document["flags"]]
        if missing or not is_there:
            added = {**document["flags"], **first_document(missing)["flags"]}
            self.write({**document, "flags": added}, instead_of=text)
        else:
            self._keep(text)
        return missing

    def _read(self) -> str | None:
        """Return the content of the file, None where there is no file; raises ActionError where it cannot be read."""
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            if self.path.is_symlink():
                problem = f"it is a link to {os.readlink(self.path)}, which is not there."
                raise ActionError(str(self.path), problem, hint="Mount or mend what it leads to.") from error
            return None
        except UnicodeDecodeError as error:
            raise ActionError(str(self.path), "it is no text in UTF-8.", hint=_MEND) from error
        except OSError as error:
            raise self._unusable("read", error) from error

    def _demand_whole(self, document: Document | None) -> None:
        if self.record is None:
            return
        kept = self.record.kept()
        known = json.loads(kept.text) if kept else None
        lost = loss(document, known=known, least=self.record.least_versions(), actions=self.record.actions())
        if lost:
            raise ActionError(str(self.path), f"it {lost}.", hint=_LOST)

    def _keep(self, text: str) -> None:
        if self.record:
            self.record.keep(text, str(self.path))

    def _demand_record(self) -> Any:
        if self.record is None:
            raise ActionError(str(self.path), "nothing is on record of it.", hint=_MEND)
        return self.record

    def _unusable(self, how: str, error: OSError) -> ActionError:
        problem = f"it cannot be {how} ({os.strerror(error.errno or errno.EIO)})."
        return ActionError(str(self.path), problem, hint="Mend it, or name another file in `actions: flag_file`.")


_MEND = "Mend it; nothing was changed."
_LOST = (
    "Nothing was changed. `intelligence flags restore` brings back what was seen last, `intelligence flags accept` takes"
    " the file as it is for right."
)


def document_in(text: str, path: Path) -> dict[str, Any]:
    """Return the text as a document.

    Args:
        text: The content of a file of flags.
        path: The file that the error names.

    Raises:
        ActionError: Where the text is not JSON, or has no object `flags`.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ActionError(str(path), f"it is no JSON ({error}).", hint=_MEND) from error
    if not isinstance(document, dict) or not isinstance(document.get("flags"), dict):
        raise ActionError(str(path), "it has no object `flags`.", hint="Write it in flagd's format.")
    return document
