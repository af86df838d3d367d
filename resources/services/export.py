"""Export: tables of the lake as files, and the files that scripts of other pipelines read, all of one snapshot."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl

from intelligence.catalog.artefacts import (
    QUERIES,
    baseline_stats,
    data_drift,
    feature_importance,
    metrics,
    run_report,
)
from intelligence.catalog.layers import TABLES
from intelligence.catalog.product import Product
from intelligence.catalog.summary import summary
from intelligence.core.csv_text import flat
from intelligence.core.errors import StoreError, UsageError
from intelligence.core.machine_readable import plain
from intelligence.core.tables import Table
from resources.lake.door import Lake

Form = Literal["parquet", "csv"]
ALL: Final = "all"


@dataclass(frozen=True, slots=True)
class ExportService:
    """Writes what the lake holds into a folder."""

    product: Product
    lake: Lake

    def artefacts(self, folder: Path) -> list[Path]:
        """Write the files that scripts of other pipelines read, and return their paths.

        Each is replaced as a whole: whoever reads it meanwhile sees the old one or the new one.

        Args:
            folder: Where they are written; it is made where it is missing.

        Raises:
            UsageError: The lake is empty.
            StoreError: A file cannot be written.
        """
        self._require_days()
        with self.lake.one_snapshot():
            snapshot, read = self.lake.read(QUERIES)
            report = run_report(summary(self.lake.frame, self.product))
        of = {"product": self.product.name, "snapshot": snapshot}
        documents = {
            "metrics.json": metrics(read),
            "baseline_stats.json": baseline_stats(read),
            "data_drift.json": data_drift(read),
            "run_report.json": report,
        }
        tables = {"feature_importance.csv": feature_importance(read), "feature_metrics.csv": read["feature_metrics"]}
        written = [put_whole(folder, name, _json_of({**of, **found})) for name, found in documents.items()]
        return [*written, *(put_whole(folder, name, _csv_of(rows)) for name, rows in tables.items())]

    def tables(self, folder: Path, names: Sequence[str], form: Form) -> Iterator[Path]:
        """Write tables, one file each, and yield the path of each as it is done.

        Args:
            folder: Where they are written; it is made where it is missing.
            names: Names such as `metrics.kpi_day`, or `all`.
            form: parquet or csv.

        Raises:
            UsageError: There is no such table, or the lake is empty.
            StoreError: A file cannot be written.
        """
        known = {table.path: table for table in TABLES}
        unknown = [name for name in names if name != ALL and name not in known]
        if unknown:
            raise UsageError(unknown[0], "is no table of the lake.", hint=f"There are {', '.join(known)}.")
        self._require_days()
        chosen: list[Table] = list(TABLES) if ALL in names else [known[name] for name in dict.fromkeys(names)]
        with self.lake.one_snapshot():
            for table in chosen:
                rows = self.lake.frame(f"FROM {table.path}")
                yield put_whole(folder, f"{table.path}.{form}", _csv_of(rows) if form == "csv" else rows.write_parquet)

    def _require_days(self) -> None:
        if not self.lake.exists() or self.lake.is_empty():
            raise UsageError("lake", "it holds no day.", hint="Run `intelligence ingest` first.")


def _json_of(found: Any) -> Callable[[Path], None]:
    text = json.dumps(plain(found), indent=2) + "\n"
    return lambda path: _put(path, text)


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _csv_of(rows: pl.DataFrame) -> Callable[[Path], None]:
    return flat(rows).write_csv


def put_whole(folder: Path, name: str, write: Callable[[Path], object]) -> Path:
    """Write a file beside its place and move it there, and return its path.

    Args:
        folder: Where it belongs; it is made where it is missing.
        name: Its name.
        write: Writes it to a path.

    Raises:
        StoreError: It cannot be written.
    """
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
        os.close(handle)
        try:
            write(Path(beside))
            Path(beside).chmod(0o644)
            Path(beside).replace(path)
        finally:
            Path(beside).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(str(path), f"cannot be written: {error.strerror}.", hint="Choose another folder.") from error
    return path
