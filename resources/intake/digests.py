"""A cache of the digests of delivered files, so that a run hashes only files that are new or changed.

The cache is a small file. If it is missing or damaged, every file is hashed again; nothing else depends on it.
"""

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path

# A file can change again without a new time stamp within the clock's resolution, so one changed just now is not cached.
SETTLED_NS = 2_000_000_000


class Digests:
    """The SHA-256 of files by path, valid as long as size, times and inode of a file stay the same.

    Args:
        memory: The cache file, which need not exist.
    """

    def __init__(self, memory: Path) -> None:
        """Read the cache; an unreadable one counts as empty."""
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
        """Write the digests that were requested since this object was made to the cache, without any others."""
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
