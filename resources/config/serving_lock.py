"""Allows one `up` per data folder: a lock that the system releases when the process ends, and a note of which process holds it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from intelligence.core.errors import PlatformError
from resources.config.process_identity import this_process

LOCK, NOTE = "up.lock", "up.json"


@contextmanager
def serving(data: Path, addresses: Mapping[str, str]) -> Iterator[None]:
    """Hold the folder's lock for this process while the context is open.

    Args:
        data: The data folder, which is created if it is missing.
        addresses: The URL of each server that this process starts, by the server's name.

    Raises:
        PlatformError: Another process serves the folder already; the error names it.
    """
    data.mkdir(parents=True, exist_ok=True)
    lock = FileLock(data / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise PlatformError(str(data), f"{_holder(data)}.", hint=_way_out(data)) from None
    try:
        _note(data, addresses)
        yield
    finally:
        lock.release()


def served_addresses(data: Path) -> dict[str, str]:
    """Return the URLs under which this folder is served, or was last served, by the server's name; empty if never."""
    return {str(name): str(url) for name, url in _noted(data).get("addresses", {}).items()}


def _note(data: Path, addresses: Mapping[str, str]) -> None:
    unfinished = data / f".{NOTE}.new"
    unfinished.write_text(json.dumps({"process": this_process().number, "addresses": dict(addresses)}))
    unfinished.replace(data / NOTE)


def _noted(data: Path) -> dict[str, dict[str, str]]:
    """Return the content of the note; empty if it cannot be read, since only links and messages depend on it."""
    try:
        noted = json.loads((data / NOTE).read_text())
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) and isinstance(noted.get("addresses"), dict) else {}


def _holder(data: Path) -> str:
    noted = _noted(data)
    at = next(iter(served_addresses(data).values()), "an address that it has not announced yet")
    return f"it is being served already, by process {noted.get('process', 'unknown')} at {at}"


def _way_out(data: Path) -> str:
    return f"Use that one, or end it with Ctrl-C or `kill {_noted(data).get('process', '<number>')}` and start again."
