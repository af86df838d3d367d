"""What delivered files hashed to last time, so that a run hashes only those that are new or changed.

The memory is a small file. Without it, or where it is broken, every file is hashed again; nothing else depends on it.
"""

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path

# A file may change again within the tick of its time stamps, so one touched just now is not remembered.
SETTLED_NS = 2_000_000_000


class Digests:
    """The SHA-256 of files by path, remembered in `memory` as long as size, times and inode stay as they are."""

    def __init__(self, memory: Path) -> None:
        """Read what is remembered; anything unreadable counts as nothing."""
        self._memory = memory
        self._known: dict[str, list[object]] = {}
        self._seen: dict[str, list[object]] = {}
        with suppress(OSError, ValueError):
            found = json.loads(memory.read_text(encoding="utf-8"))
            self._known = found if isinstance(found, dict) else {}

    def sha256(self, path: Path) -> str:
        """Return the SHA-256 of the file's bytes."""
        state = path.stat()
        marks = [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]
        known = self._known.get(str(path))
        is_known = isinstance(known, list) and known[:-1] == marks and os.access(path, os.R_OK)
        digest = str(known[-1]) if known and is_known else sha256(path)
        if time.time_ns() - max(state.st_mtime_ns, state.st_ctime_ns) > SETTLED_NS:
            self._seen[str(path)] = [*marks, digest]
        return digest

    def remember(self) -> None:
        """Write down what was seen since this object was made, and forget all else."""
        if self._seen == self._known:
            return
        half = self._memory.with_name(f"{self._memory.name}.{os.getpid()}")
        with suppress(OSError):
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            half.write_text(json.dumps(self._seen), encoding="utf-8")
            os.replace(half, self._memory)


def sha256(path: Path) -> str:
    """Return the SHA-256 of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
