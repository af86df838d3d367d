"""Delivered files: which ones a product's sources name, what they are called in the lake and what bytes they hold."""

import csv
import glob
import gzip
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from intelligence.errors import SourceFileError
from intelligence.product import Product, Simulate, Source
from resources.faults import reach
from resources.settings import ROOT

HEADER_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file of a source; `batch_id` is the SHA-256 of its bytes, `name` how the lake calls it."""

    source: str
    path: Path
    name: str
    batch_id: str
    bytes: int


def deliveries(product: Product, landing: Path, *, progress: Callable[[str], None] = lambda _: None) -> list[Delivery]:
    """Return every file that the product's sources deliver, each content once, in the order of sources and names.

    A simulated source first writes what is missing of its files under `landing`.
    """
    found: dict[str, Delivery] = {}
    for source in product.sources:
        paths = (
            simulated_files(source.name, source.simulate, landing, progress)
            if source.simulate
            else matched_files(source)
        )
        for path in paths:
            delivery = Delivery(source.name, path, display_name(path), sha256(path), path.stat().st_size)
            found.setdefault(delivery.batch_id, delivery)
    return list(found.values())


def matched_files(source: Source) -> list[Path]:
    """Return the files that the source's globs match, sorted; relative globs start at the project's root."""
    matched = {Path(name) for pattern in source.files for name in glob.glob(str(ROOT / pattern), recursive=True)}
    return sorted(path for path in matched if path.is_file())


def display_name(path: Path) -> str:
    """Return the path as the lake stores it: relative to the project where it lies inside."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def sha256(path: Path) -> str:
    """Return the SHA-256 of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def simulation_folder(name: str, simulate: Simulate, landing: Path) -> Path:
    """Return where the files of this simulation lie; a longer simulation shares them, any other one does not."""
    same = simulate.model_copy(update={"days": 1})
    return landing / name / hashlib.sha256(same.model_dump_json().encode()).hexdigest()[:8]


def simulated_files(name: str, simulate: Simulate, landing: Path, progress: Callable[[str], None]) -> list[Path]:
    """Return the simulated files, one a day, after writing those that do not exist yet."""
    from intelligence.telemetry.simulation import simulated_day

    folder = simulation_folder(name, simulate, landing)
    folder.mkdir(parents=True, exist_ok=True)
    plan = simulate.plan()
    files = []
    for number in range(simulate.days):
        day = simulate.first_day + timedelta(days=number)
        path = folder / f"{day}.parquet"
        if not path.exists():
            progress(f"simulating {day}")
            half = path.with_suffix(".half")
            simulated_day(plan, day).write_parquet(half, compression="zstd", compression_level=1)
            reach("landing.half_written")
            os.replace(half, path)
        files.append(path)
    return files


def header(path: Path, *, delimiter: str) -> list[str]:
    """Return the column names in the first line of a CSV file.

    Raises SourceFileError where there is none, it is not UTF-8, or it names a column twice.
    """
    name = display_name(path)
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
            text = file.read(HEADER_BYTES).decode("utf-8-sig", errors="replace")
    except (OSError, EOFError) as error:
        raise SourceFileError(name, f"it cannot be opened: {error}.", hint="Deliver the file again.") from error
    columns = next(csv.reader(_lines(text), delimiter=delimiter), [])
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if not columns or "\ufffd" in "".join(columns):
        raise SourceFileError(name, "its first line holds no column names.", hint="Deliver it in UTF-8 with a header.")
    if repeated:
        raise SourceFileError(name, f"it names {', '.join(repeated)} more than once.", hint="Rename those columns.")
    return columns


def _lines(text: str) -> Iterator[str]:
    yield from text.splitlines(keepends=True)


def line_bytes(path: Path, position: int) -> str:
    """Return the line that begins at byte `position`, with bytes that are no UTF-8 written as `\\xNN`."""
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
        file.seek(position)
        return file.readline().rstrip(b"\r\n").decode("utf-8", errors="backslashreplace")
