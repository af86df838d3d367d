"""Evidently's pages as files: rendered without network access, written completely or not at all, next to an index page."""

import gc
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from intelligence.drift.page_head import PageHead, headed
from resources.config.settings import Settings

INDEX = "index.html"
SUMMED_UP = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftReports:
    """The folder of Evidently pages.

    Attributes:
        root: Path of the folder, which is created when the first page is written.
        ui: URL of the server that shows it.
    """

    root: str
    ui: str = "http://127.0.0.1:8090"

    @classmethod
    def of(cls, settings: Settings) -> "DriftReports":
        """Return the folder and its address as the settings name them."""
        return cls(root=str(settings.reports), ui=settings.reports_ui)

    def url(self, name: str) -> str:
        """Return the URL at which people open the page."""
        return f"{self.ui}/{name}"

    def drift_page(
        self, name: str, now: pl.DataFrame, baseline: pl.DataFrame, limits: Mapping[str, float], *, head: PageHead
    ) -> Path:
        """Write the page of drift distances with our limits and a summary of the first columns, and return its path.

        Evidently's own tests are left out: they compare the number of rows of a week with that of the training data and so fail
        on a steady day. The head of the page shows the distances and limits.

        Args:
            name: File name of the page.
            now: The present values, one row per feature and day, clipped to the range of the baseline's grid as in the verdict.
            baseline: The values of the training data, in the same columns.
            limits: By column, the Wasserstein distance above which it counts as drifted; the first SUMMED_UP are summarized.
            head: Title and text at the top of the page.
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
        """Write the page on the quality of the scores where the label is known, and return its path.

        Args:
            name: File name of the page.
            known: One row per scored row whose label is known, with the column `label` (0 or 1) and that of the scores.
            score: Name of the column of scores, which are probabilities in [0, 1].
            threshold: Probability from which on a row counts as predicted positive.
            head: Title and text at the top of the page.
        """
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
        """Write the content as a JSON file, and return its path.

        Args:
            name: File name.
            content: Values that can be written as JSON.
        """
        return self.text(name, json.dumps(content, indent=1))

    def text(self, name: str, text: str) -> Path:
        """Write the text as a file, which replaces a former one in one step, and return its path.

        Args:
            name: File name.
            text: The whole content, written in UTF-8.
        """
        path = self._path(name)
        partial = path.with_suffix(".partial")
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
        return path

    def prune(self, kept: Sequence[str]) -> None:
        """Delete the pages whose file names are not in `kept`, and partial files that a killed run left."""
        for path in Path(self.root).iterdir():
            if path.suffix in (".html", ".json", ".partial") and path.name not in (*kept, INDEX):
                path.unlink(missing_ok=True)

    def size(self, names: Sequence[str]) -> int:
        """Return the total size of the files in bytes."""
        return sum((Path(self.root) / name).stat().st_size for name in names)

    def holds(self, names: Sequence[str]) -> bool:
        """Return whether all these files exist."""
        return all((Path(self.root) / name).exists() for name in names)

    def _path(self, name: str) -> Path:
        Path(self.root).mkdir(parents=True, exist_ok=True)
        return Path(self.root) / name


def _evidently() -> Any:
    # `quiet_environment` has switched off its telemetry before.
    with warnings.catch_warnings():
        # Evidently 0.7.23 imports numpy.core, which numpy 2 has renamed.
        warnings.simplefilter("ignore", DeprecationWarning)
        # An import creates no garbage: the search for it takes a quarter of the three seconds that importing Evidently takes.
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
