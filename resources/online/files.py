"""Files for the lake, cut from the messages of the stream and taken in as any other delivered file."""

import os
from datetime import datetime, timedelta
from pathlib import Path

from intelligence.catalog.product import Product
from intelligence.core.errors import StoreError
from resources.config.faults import reach
from resources.intake.delivery import stream_folder
from resources.online.store import CutFile, OnlineStore


def written_files(
    product: Product, landing: Path, store: OnlineStore, *, now: datetime, all_rows: bool = False
) -> list[Path]:
    """Write the files that are due, and return them.

    Which rows a file holds is stored before it is written: after a crash the same file is written again, with the same content, and
    the intake knows it. So no message is lost, and none is in two files.

    Args:
        product: The product, of which the sources with topics are written.
        landing: Folder of what the stream and simulators deliver.
        store: The store of the stream.
        now: The current time, UTC with its time zone.
        all_rows: Whether all messages that wait are written, however few and new.

    Raises:
        StoreError: A file cannot be written; its rows stay in the store.
    """
    online = product.online
    older_than = now + timedelta(days=36_500) if all_rows else now - timedelta(seconds=online.file_seconds)
    for source in (each for each in product.sources if each.topics):
        while store.cut(source.name, at_least=online.file_events, older_than_ms=int(older_than.timestamp() * 1000)):
            reach("online.cut")
    return [_written(landing, store, file) for file in store.cut_files()]


def _written(landing: Path, store: OnlineStore, file: CutFile) -> Path:
    folder = stream_folder(file.source, landing)
    path = folder / f"{store.identity}-{file.number:09d}.jsonl"
    half = path.with_suffix(".half")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with half.open("w", encoding="utf-8", newline="\n") as out:
            out.writelines(f"{line}\n" for line in store.lines(file))
            out.flush()
            os.fsync(out.fileno())
        os.replace(half, path)
    except OSError as error:
        raise StoreError(
            str(path), f"it cannot be written ({error.strerror}).", hint="Its messages stay in the store of the stream."
        ) from error
    reach("online.file_written")
    store.forget_file(file)
    return path
