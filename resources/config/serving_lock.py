"""Allows one `up` and one rehearsal per data folder: a lock that the system releases when the process ends, and a note of who holds it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from intelligence.core.errors import PlatformError
from resources.config.process_identity import this_process

UP, REHEARSAL = "up", "rehearsal"


@contextmanager
def serving(data: Path, addresses: Mapping[str, str], *, what: str = UP) -> Iterator[None]:
    """Hold the folder's lock for this process while the context is open.

    Args:
        data: The data folder, which is created if it is missing.
        addresses: The URL of each server that this process starts, by the server's name.
        what: What is served there, UP or REHEARSAL: each is there once.

    Raises:
        PlatformError: Another process serves the folder already; the error names it.
    """
    data.mkdir(parents=True, exist_ok=True)
    lock = FileLock(data / f"{what}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        culprit = str(data if what == UP else data / what)
        raise PlatformError(culprit, f"{_holder(data, what)}.", hint=_way_out(data, what)) from None
    try:
        _note(data, what, addresses)
        yield
    finally:
        lock.release()


def served_addresses(data: Path) -> dict[str, str]:
    """Return the URLs under which this folder is served, or was last served, by the server's name; empty if never."""
    return {str(name): str(url) for name, url in _noted(data, UP).get("addresses", {}).items()}


def _note(data: Path, what: str, addresses: Mapping[str, str]) -> None:
    unfinished = data / f".{what}.json.new"
    unfinished.write_text(json.dumps({"process": this_process().number, "addresses": dict(addresses)}))
    unfinished.replace(data / f"{what}.json")


def _noted(data: Path, what: str) -> dict[str, dict[str, str]]:
    """Return the content of the note; empty if it cannot be read, since only links and messages depend on it."""
    try:
        noted = json.loads((data / f"{what}.json").read_text())
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) and isinstance(noted.get("addresses"), dict) else {}


def _holder(data: Path, what: str) -> str:
    noted = _noted(data, what)
    at = next(iter(noted.get("addresses", {}).values()), "an address that it has not announced yet")
    return f"it is being served already, by process {noted.get('process', 'unknown')} at {at}"


def _way_out(data: Path, what: str) -> str:
    return f"Use that one, or end it with Ctrl-C or `kill {_noted(data, what).get('process', '<number>')}` and start again."
