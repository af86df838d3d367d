"""Evidently's pages as files: made offline, written whole or not at all, with an index beside them."""

import gc
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from intelligence.drift.page_head import PageHead, headed
from resources.config.fixed import Fixed
from resources.config.settings import Settings

INDEX = "index.html"
SUMMED_UP = 3


class DriftReports(Fixed, dg.ConfigurableResource["DriftReports"]):
    """The folder of Evidently pages."""

    root: str
    ui: str = "http://127.0.0.1:8090"

    @classmethod
    def of(cls, settings: Settings) -> "DriftReports":
        """Return the reports that the settings name."""
        return cls(root=str(settings.reports), ui=settings.reports_ui)

    def url(self, name: str) -> str:
        """Return where people open the page."""
        return f"{self.ui}/{name}"

    def drift_page(
        self, name: str, now: pl.DataFrame, baseline: pl.DataFrame, limits: Mapping[str, float], *, head: PageHead
    ) -> Path:
        """Return the page of distances with our limits, and a summary of the first columns of `limits`.

        The columns are drawn in to the range of the baseline's grid, as the verdict has them. Evidently's own tests
        are left out: they ask whether a week has as many rows as the training, and fail on a steady day; the head has the
        distances and limits.
        """
        evidently = _evidently()
        from evidently.presets import DataDriftPreset, DataSummaryPreset

        columns = list(limits)
        definition = evidently.DataDefinition(numerical_columns=columns)
        drift = DataDriftPreset(
            columns=columns, num_method="wasserstein", per_column_threshold=dict(limits), drift_share=1 / len(columns)
        )
        # Evidently draws each column of a summary seven times and shows one of them.
        summary = DataSummaryPreset(columns=columns[:SUMMED_UP])
        report = evidently.Report([drift, summary], include_tests=False)
        return self._written(
            name, report, _dataset(now, columns, definition), _dataset(baseline, columns, definition), head
        )

    def quality_page(self, name: str, known: pl.DataFrame, *, score: str, threshold: float, head: PageHead) -> Path:
        """Return the page on how the scores fared where `label` is known."""
        evidently = _evidently()
        from evidently.presets import ClassificationPreset

        rows = known.select(pl.col("label").cast(pl.Int64), pl.col(score).alias("score"))
        definition = evidently.DataDefinition(
            numerical_columns=["score"],
            classification=[evidently.BinaryClassification(target="label", prediction_probas="score", pos_label=1)],
        )
        report = evidently.Report([ClassificationPreset(probas_threshold=threshold)], include_tests=False)
        return self._written(name, report, _dataset(rows, rows.columns, definition), None, head)

    def _written(self, name: str, report: Any, now: Any, baseline: Any, head: PageHead) -> Path:
        with warnings.catch_warnings():
            # Evidently 0.7.23 divides by the size of bins that may be empty, and uses names that numpy 2 has renamed.
            warnings.simplefilter("ignore")
            page = report.run(now, baseline, name=head.title).get_html_str(as_iframe=False)
        return self.text(name, headed(page, head, index=INDEX))

    def report(self, name: str, content: Mapping[str, Any]) -> Path:
        """Return the file that holds the content as JSON."""
        return self.text(name, json.dumps(content, indent=1))

    def text(self, name: str, text: str) -> Path:
        """Return the file that holds the text."""
        path = self._path(name)
        partial = path.with_suffix(".partial")
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
        return path

    def prune(self, kept: Sequence[str]) -> None:
        """Delete the pages that are not among the file names in `kept`, and what a killed run left half-written."""
        for path in Path(self.root).iterdir():
            if path.suffix in (".html", ".json", ".partial") and path.name not in (*kept, INDEX):
                path.unlink(missing_ok=True)

    def size(self, names: Sequence[str]) -> int:
        """Return the bytes that the files take together."""
        return sum((Path(self.root) / name).stat().st_size for name in names)

    def holds(self, names: Sequence[str]) -> bool:
        """Return whether all these files are there."""
        return all((Path(self.root) / name).exists() for name in names)

    def _path(self, name: str) -> Path:
        Path(self.root).mkdir(parents=True, exist_ok=True)
        return Path(self.root) / name


def _evidently() -> Any:
    # `quiet_environment` has told it before not to report to its makers.
    with warnings.catch_warnings():
        # Evidently 0.7.23 imports numpy.core, which numpy 2 has renamed.
        warnings.simplefilter("ignore", DeprecationWarning)
        # Nothing of what an import makes is garbage: looking for it there takes a quarter of Evidently's three seconds.
        gc.disable()
        try:
            import evidently
            import evidently.presets
        finally:
            gc.enable()
    return evidently


def _dataset(rows: pl.DataFrame, columns: Sequence[str], definition: Any) -> Any:
    from evidently import Dataset

    return Dataset.from_pandas(rows.select(columns).to_pandas(), data_definition=definition)
