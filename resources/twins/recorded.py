"""The messages that were recorded instead of sent, where no service is connected."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from resources.twins.store import TwinStore

FILE = "twins.db"


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """One message that a twin took; `thread` is the reference of the first message of its thread."""

    at: datetime
    service: str
    place: str
    thread: str | None
    key: str | None
    text: str


def twin_store(data: Path) -> TwinStore:
    """Return the store of the twins, a file in the data folder."""
    return TwinStore(data / FILE)


def recorded_messages(data: Path, *, service: str | None = None) -> list[RecordedMessage]:
    """Return the messages that were recorded instead of sent, the oldest first.

    Args:
        data: The data folder.
        service: The name of the service to read, such as `slack`; None: all.
    """
    store = twin_store(data)
    if not store.file.exists():
        return []
    return [
        RecordedMessage(each.at, each.service, each.place, each.thread, each.key, _text(each.body))
        for each in store.records(service)
    ]


def _text(body: Any) -> str:
    return str(body.get("text", ""))
