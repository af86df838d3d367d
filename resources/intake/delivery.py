"""Delivered files: which files a product's sources match, their names in the lake and their content."""

import csv
import glob
import gzip
import hashlib
import io
import json
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO, Literal

import polars as pl
from filelock import FileLock

from intelligence.catalog.product import AnswerSource, FileSource, Product, Simulate, SimulateAnswers, Source
from intelligence.core.errors import SourceFileError
from intelligence.simulation.withheld import shown_events
from intelligence.telemetry.reading import RESERVED, Compression, compression_of, folder_values
from resources.config.faults import reach
from resources.config.settings import ROOT
from resources.flags.file import FlagFile
from resources.flags.honoured import hidden_from
from resources.intake.digests import Digests, sha256
from resources.intake.settling import STILL_WRITTEN, marks, why_left

HEADER_BYTES = 1_048_576
BYTES_AT_ONCE = 4_194_304
REMEMBERED_DIGESTS = ".digests.json"
BROKEN_FILE = (OSError, EOFError, zlib.error)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file of a source.

    Attributes:
        source: Name of the source.
        path: Where to read the content, which may be a copy.
        name: The file's name in the lake.
        batch_id: SHA-256 of its bytes and of the column values that its folders' names contain.
        bytes: Size of the file.
        fault: The problem of a file that cannot be opened, else None.
        left: Why the file must not be read now, else None.
        marks: Properties that change with the file at `original`; empty if no other process can write it.
        original: Where the file was found; None if no other process can write it.
        also: Names of other files of the source with the same content.
    """

    source: str
    path: Path
    name: str
    batch_id: str
    bytes: int
    fault: SourceFileError | None = None
    left: str | None = None
    marks: tuple[int, ...] = ()
    original: Path | None = None
    also: tuple[str, ...] = ()

    def has_changed(self) -> bool:
        """Return whether the file has changed since it was found."""
        try:
            return self.original is not None and marks(self.original) != self.marks
        except OSError:
            return True


def deliveries(
    product: Product,
    landing: Path,
    *,
    flags: FlagFile | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Delivery]:
    """Return every file that the product's sources deliver, each content once per source, in the order of sources and names.

    A file that matches two sources belongs to the first of them. Files that another process still writes are included with `left`
    set and are not read. A simulated source first writes its missing files.

    Args:
        product: The product, which names the sources.
        landing: Folder of simulated files and of remembered digests.
        flags: The file of flags that a simulated product obeys: hidden features get no events in days made now; None for none.
        progress: Receives a message for each day that is simulated.
    """
    found: dict[tuple[str, str], Delivery] = {}
    taken: set[Path] = set()
    digests = Digests(landing / REMEMBERED_DIGESTS)
    shown = partial(_shown, product, flags) if flags else None
    with ThreadPoolExecutor() as threads:
        for source in product.all_sources:
            paths = _files_of(source, landing, progress, shown)
            own = [path for path in paths if path not in taken]
            taken.update(own)
            for delivery in threads.map(partial(found_file, source, digest_of=digests.sha256), own):
                same = found.setdefault((source.name, delivery.batch_id), delivery)
                if same is not delivery:
                    found[source.name, delivery.batch_id] = replace(same, also=(*same.also, delivery.name))
    digests.remember()
    return list(found.values())


def _files_of(
    source: FileSource,
    landing: Path,
    progress: Callable[[str], None],
    shown: Callable[[pl.DataFrame], pl.DataFrame] | None,
) -> list[Path]:
    if isinstance(source, Source) and source.simulate:
        return simulated_files(source.name, source.simulate, landing, progress, shown=shown)
    if isinstance(source, AnswerSource) and source.simulate:
        return simulated_answer_files(source.name, source.simulate, landing, progress)
    if isinstance(source, Source) and source.topics:
        return sorted(stream_folder(source.name, landing).glob("*.jsonl"))
    return matched_files(source)


def stream_folder(name: str, landing: Path) -> Path:
    """Return the folder of the files that the stream writes, one for each batch of messages.

    Args:
        name: Name of the source, which reads topics.
        landing: Folder of simulated files and of those of the stream.
    """
    return landing / name / "stream"


def delivered_file(source: str, path: Path, *, digest_of: Callable[[Path], str] = sha256) -> Delivery:
    """Return the file as a delivery of the source; one that cannot be opened is returned with its fault.

    Args:
        source: Name of the source.
        path: The file.
        digest_of: Returns the SHA-256 of a file's bytes.
    """
    name = display_name(path)
    try:
        str(path).encode()
        return Delivery(source, path, name, digest_of(path), path.stat().st_size)
    except OSError as error:
        fault = unopened(name, error)
    except UnicodeEncodeError:
        fault = SourceFileError(name, "its name is not UTF-8.", hint="Rename the file.")
    return Delivery(source, path, name, f"unopened:{name}", 0, fault)


def _with_folders(delivery: Delivery, source: FileSource) -> Delivery:
    """Return the delivery with a batch id that includes the column values that its folders' names contain."""
    values = folder_values(delivery.name, named=source.columns, mapping=source.mapping)
    if not values or delivery.fault or delivery.left:
        return delivery
    said = json.dumps([delivery.batch_id, *sorted(values.items())])
    return replace(delivery, batch_id=hashlib.sha256(said.encode()).hexdigest())


def found_file(source: FileSource, path: Path, *, digest_of: Callable[[Path], str]) -> Delivery:
    """Return the file as a delivery of the source, with a batch id that includes the values that its folders' names contain.

    Args:
        source: The source.
        path: The file.
        digest_of: Returns the SHA-256 of a file's bytes.
    """
    look = _found_file if source.files else delivered_file
    found = look(source.name, path, digest_of=digest_of)
    if isinstance(source, Source) and source.topics and not found.fault:
        # Two batches of a stream may hold the same messages, each of which the ledger counts.
        said = json.dumps([found.batch_id, path.name])
        return replace(found, batch_id=hashlib.sha256(said.encode()).hexdigest())
    return _with_folders(found, source)


def _found_file(source: str, path: Path, *, digest_of: Callable[[Path], str]) -> Delivery:
    """Return a delivery for a file that other processes write: left if it is unfinished or changes while it is read."""
    name = display_name(path)
    try:
        left, before = why_left(path), marks(path)
    except OSError:
        return delivered_file(source, path)
    found = None if left else delivered_file(source, path, digest_of=digest_of)
    if found:
        found = replace(found, marks=before, original=path)
        if not found.has_changed():
            return found
    return Delivery(source, path, name, f"left:{name}", before[0], left=left or STILL_WRITTEN)


def matched_files(source: FileSource) -> list[Path]:
    """Return the files that the source's globs match, sorted.

    Globs of a product.yaml are relative to its folder (`product_at` makes them absolute), all others to the project's root.
    """
    matched = {Path(name) for pattern in source.files for name in glob.glob(str(ROOT / pattern), recursive=True)}
    return sorted(path for path in matched if path.is_file())


def own_files(product: Product, source: FileSource) -> list[Path]:
    """Return the source's files without those that an earlier source of the product matches.

    Args:
        product: The product, which orders the sources.
        source: One of its sources.
    """
    earlier = takewhile(lambda each: each.name != source.name, product.all_sources)
    taken = {path for each in earlier for path in matched_files(each)}
    return [path for path in matched_files(source) if path not in taken]


def display_name(path: Path) -> str:
    """Return the path as the lake stores it: relative to the project's root if it is inside, else as it is."""
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    return os.fsencode(shown).decode(errors="backslashreplace")


def simulation_folder(name: str, simulate: Simulate | SimulateAnswers, landing: Path) -> Path:
    """Return the folder of a simulation's files, which simulations share if only their number of days differs.

    Args:
        name: Name of the source.
        simulate: What is simulated.
        landing: Folder of all simulated files.
    """
    same = simulate.model_copy(update={"days": 1})
    return landing / name / hashlib.sha256(same.model_dump_json().encode()).hexdigest()[:8]


def simulated_files(
    name: str,
    simulate: Simulate,
    landing: Path,
    progress: Callable[[str], None],
    *,
    shown: Callable[[pl.DataFrame], pl.DataFrame] | None = None,
) -> list[Path]:
    """Return the simulated files, one per day, after writing those that do not exist yet; the others stay as they are.

    Args:
        name: Name of the source.
        simulate: What is simulated.
        landing: Folder of all simulated files.
        progress: Receives a message for each day that is simulated.
        shown: Removes the events of features that users were not shown, from a day that is made now; None keeps all.
    """
    from intelligence.simulation.stream import simulated_day

    folder = simulation_folder(name, simulate, landing)
    folder.mkdir(parents=True, exist_ok=True)
    plan = simulate.plan()
    files = []
    for number in range(simulate.days):
        day = simulate.first_day + timedelta(days=number)
        path = folder / f"{day}.parquet"
        if not path.exists():
            progress(f"simulating {day} ({number + 1} of {simulate.days})")
            with FileLock(folder / ".lock"):
                _deliver_day(path, partial(simulated_day, plan, day), shown)
        files.append(path)
    return files


def simulated_answer_files(
    name: str, simulate: SimulateAnswers, landing: Path, progress: Callable[[str], None]
) -> list[Path]:
    """Return the simulated files of answers, one per day, after writing those that do not exist yet.

    Args:
        name: Name of the source.
        simulate: What is simulated.
        landing: Folder of all simulated files.
        progress: Receives a message for each day that is simulated.
    """
    from intelligence.simulation.answers import delivered_answers

    folder = simulation_folder(name, simulate, landing)
    folder.mkdir(parents=True, exist_ok=True)
    plan = simulate.plan()
    files = []
    for number in range(simulate.days):
        day = simulate.first_day + timedelta(days=number)
        path = folder / f"{day}.parquet"
        if not path.exists():
            progress(f"simulating answers of {day} ({number + 1} of {simulate.days})")
            with FileLock(folder / ".lock"):
                _deliver_day(path, partial(delivered_answers, plan, day), None)
        files.append(path)
    return files


def are_simulated(product: Product, landing: Path) -> bool:
    """Return whether every simulated source has written its files.

    Args:
        product: The product, which names the simulated sources.
        landing: Folder of all simulated files.
    """
    return all(
        (
            simulation_folder(each.name, each.simulate, landing)
            / f"{each.simulate.first_day + timedelta(days=day)}.parquet"
        ).exists()
        for each in product.sources
        if each.simulate
        for day in range(each.simulate.days)
    )


def days_made(product: Product, landing: Path) -> dict[date, datetime]:
    """Return when each simulated day under `landing` was made, UTC.

    Args:
        product: The product, which names the simulated sources.
        landing: Folder of all simulated files.
    """
    folders = [simulation_folder(each.name, each.simulate, landing) for each in product.sources if each.simulate]
    files = [(path.stat().st_mtime, path.stem) for folder in folders for path in folder.glob("*.parquet")]
    # Of two files of a day the older one comes last, and stays.
    return {date.fromisoformat(day): datetime.fromtimestamp(at, UTC) for at, day in sorted(files, reverse=True)}


def _shown(product: Product, flags: FlagFile, events: pl.DataFrame) -> pl.DataFrame:
    keys = {feature: product.flag_of(feature) for feature in sorted(events["feature"].unique())}
    return shown_events(events, hidden_from(flags, {feature: key for feature, key in keys.items() if key}, events))


def _deliver_day(
    path: Path, events: Callable[[], pl.DataFrame], shown: Callable[[pl.DataFrame], pl.DataFrame] | None
) -> None:
    """Write the day's file completely or not at all, unless another process has written it meanwhile."""
    if path.exists():
        return
    half = path.with_suffix(".half")
    made = events()
    (shown(made) if shown else made).write_parquet(half, compression="zstd", compression_level=1)
    reach("landing.half_written")
    os.replace(half, path)


def header(path: Path, *, delimiter: str) -> list[str]:
    """Return the column names in the first line of a CSV file; a column without a name is named by its position.

    Args:
        path: The file, which may be compressed with gzip.
        delimiter: The character between two values.

    Raises:
        SourceFileError: The first line contains no names, is not UTF-8, or contains a name twice, or the file cannot be read (see
            `unopened`).
    """
    name = display_name(path)
    try:
        with opened(path) as file:
            text = file.read(HEADER_BYTES).decode("utf-8-sig", errors="replace")
        columns = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    except BROKEN_FILE as error:
        raise unopened(name, error) from error
    except csv.Error as error:
        raise SourceFileError(
            name, f"its first line holds no column names ({error}).", hint="Deliver it with a header."
        ) from error
    if not "".join(columns).strip() or "\ufffd" in "".join(columns):
        raise SourceFileError(name, "its first line holds no column names.", hint="Deliver it in UTF-8 with a header.")
    columns = [column or f"column_{place}" for place, column in enumerate(columns, start=1)]
    check_names(name, columns)
    return columns


def first_lines(path: Path, most: int) -> list[str]:
    """Return the file's first lines without their line ends; an empty list if it cannot be read.

    Args:
        path: The file, which may be compressed with gzip.
        most: The largest number of lines to return.
    """
    try:
        with opened(path) as file:
            return file.read(HEADER_BYTES).decode("utf-8-sig", errors="replace").splitlines()[:most]
    except BROKEN_FILE:
        return []


def check_names(file: str, columns: Sequence[str]) -> None:
    """Raise SourceFileError if two column names differ only in case, or if the platform uses one of them itself.

    Args:
        file: The file's name, for the error.
        columns: The names of its columns.
    """
    lower = [column.lower() for column in columns]
    repeated = sorted({column for column in columns if lower.count(column.lower()) > 1})
    if repeated:
        raise SourceFileError(file, f"it names {', '.join(repeated)} more than once.", hint="Rename those columns.")
    reserved = sorted(set(lower) & set(RESERVED))
    if reserved:
        raise SourceFileError(
            file, f"its column {', '.join(reserved)} bears a name that the platform uses itself.", hint="Rename it."
        )


def content_bytes(path: Path) -> int:
    """Return the size of the file's content in bytes, decompressed if it is a gzip.

    Raises SourceFileError (see `unopened`) if it is empty, truncated or damaged: DuckDB would silently read the intact part of a gzip.
    """
    try:
        with opened(path) as file:
            if compression_at(path) == "none":
                size = path.stat().st_size
            else:
                size = sum(len(part) for part in iter(lambda: file.read(BYTES_AT_ONCE), b""))
    except BROKEN_FILE as error:
        raise unopened(display_name(path), error) from error
    if not size:
        raise SourceFileError(display_name(path), "it is empty.", hint="Deliver it again, or remove it.")
    return size


def records(path: Path, places: Sequence[tuple[int, int | None]]) -> Iterator[bytes]:
    """Yield the bytes at each place in the file, without line ends.

    Args:
        path: The file, which may be compressed with gzip.
        places: Position and length of each record in the decompressed content, in bytes; a length of None means to the line's end.
    """
    with opened(path) as file:
        for position, length in places:
            file.seek(position)
            if length is None:
                # Blank lines may precede the record at this position.
                yield next((line for line in file if line.strip(b"\r\n")), b"").strip(b"\r\n")
            else:
                yield file.read(length).strip(b"\r\n")


def blank_lines(path: Path, end: int) -> list[int]:
    """Return the positions of blank lines outside of quotes, in bytes.

    Args:
        path: The file, which may be compressed with gzip.
        end: Position at which the search ends, in bytes of the decompressed content.
    """
    with opened(path) as file:
        text = file.read(end)
    if not any(blank in text for blank in (b"\n\n", b"\n\r\n", b"\r\r")):
        return []
    found, quotes, seen = [], 0, 0
    for match in re.finditer(rb"(?<=\n)\r?\n|(?<=\r)\r", text):
        quotes += text.count(b'"', seen, match.start())
        seen = match.start()
        if quotes % 2 == 0:
            found.append(match.start())
    return found


def opened(path: Path, mode: Literal["rb", "wb"] = "rb") -> BinaryIO | gzip.GzipFile:
    """Open a file, with decompression or compression if it is a gzip.

    Args:
        path: The file.
        mode: `rb` recognizes a gzip by its first bytes, `wb` by its suffix.
    """
    packed = compression_at(path) if mode == "rb" else compression_of(path.name)
    return gzip.open(path, mode) if packed == "gzip" else path.open(mode)


def compression_at(path: Path) -> Compression:
    """Return the file's compression according to its first bytes, whatever its suffix is."""
    with path.open("rb") as file:
        return "gzip" if file.read(2) == b"\x1f\x8b" else "none"


def unopened(name: str, error: Exception) -> SourceFileError:
    """Return the error for a file that cannot be read to its end.

    Args:
        name: The file's name in the lake.
        error: The error of the operating system or of the decompression.
    """
    why = getattr(error, "strerror", None) or error
    return SourceFileError(
        name, f"it cannot be read to its end: {why}.", hint="Deliver the file again; nothing of it was written."
    )


def unreadable(name: str, error: Exception) -> SourceFileError:
    """Return the error for a file that DuckDB or the operating system cannot read.

    Args:
        name: The file's name in the lake.
        error: What was raised while it was read; the first line of its message is used.
    """
    first = str(error).splitlines()[0][:300]
    return SourceFileError(
        name, f"it cannot be read: {first}", hint="Deliver the file again; nothing of it was written."
    )
