"""The Evidently pages of a day: which are due, what they show, and which old ones are kept."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl

from intelligence.catalog.product import Product
from intelligence.core.sql import sql
from intelligence.core.tables import ALWAYS, Days
from intelligence.drift.page_head import PageHead, assessed_columns
from intelligence.drift.tables import DRIFT_PAGES, MODEL_WATCH
from resources.lake.door import Lake
from resources.reports.drift import INDEX, DriftReports
from resources.services.drift import WATCHED_BY_MODEL, DriftService, Watch
from resources.services.panels import Panels

BASELINE_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class DriftPageService:
    """Makes the Evidently pages of the newest verdicts."""

    product: Product
    lake: Lake
    reports: DriftReports
    panels: Panels
    drift: DriftService

    def written(self, *, say: Callable[[str], None]) -> pl.DataFrame:
        """Return the rows of drift.drift_pages, after new pages were made and expired ones were deleted."""
        kept = self._made_pages(say)
        self.lake.replace(DRIFT_PAGES, ALWAYS, "FROM kept", frames={"kept": kept})
        files = kept.select("drift_page", "quality_page", "report").unpivot()["value"].drop_nulls()
        self.reports.prune(files.to_list())
        return kept

    def _made_pages(self, say: Callable[[str], None]) -> pl.DataFrame:
        from intelligence.drift.pages import index_page, pages_kept

        newest = self.lake.frame(
            f"FROM {MODEL_WATCH.path} WHERE event_date = (SELECT max(event_date) FROM {MODEL_WATCH.path})"
        )
        pages = self.lake.frame(f"FROM {DRIFT_PAGES.path}")
        for verdict in newest.filter(pl.col("rows") > 0).iter_rows(named=True):
            say(f"page of {verdict['model']} for {verdict['event_date']}")
            made = self._made(verdict, pages)
            if made:
                same = pl.all_horizontal(pl.col(name) == made[name] for name in DRIFT_PAGES.key)
                pages = pl.concat([pages.filter(~same), pl.DataFrame([made], schema=pages.schema)])
        if newest.height:
            pages = pages_kept(pages, newest_day=newest["event_date"][0], keep_days=self.product.drift.keep_pages_days)
        pages = self._with_files(pages)
        self.reports.text(INDEX, index_page(pages.to_dicts(), product=self.product.name))
        return pages

    def _with_files(self, pages: pl.DataFrame) -> pl.DataFrame:
        """Return the rows whose files exist: a page that somebody deleted is not listed."""
        whole = [row for row in pages.iter_rows(named=True) if self.reports.holds([row["drift_page"], row["report"]])]
        for row in whole:
            row["quality_page"] = row["quality_page"] if self.reports.holds([row["quality_page"] or ""]) else None
        return pl.DataFrame(whole, schema=pages.schema)

    def _made(self, verdict: dict[str, Any], pages: pl.DataFrame) -> dict[str, Any] | None:
        from intelligence.drift.baseline import SCORE
        from intelligence.drift.pages import page_kind, page_name, shown_predictors
        from intelligence.drift.watch import run_report

        model, day = verdict["model"], verdict["event_date"]
        drift, days = WATCHED_BY_MODEL[model], Days(day, day + timedelta(days=1))
        watch = self.drift.watch_of(drift, days)
        if isinstance(watch, str) or int(watch.champion.version) != verdict["model_version"]:
            return None
        windows, spec = self.drift.windows_of(watch, drift, day), self.panels.model_spec_of(drift)
        query = f"FROM {drift.path} WHERE event_date = $day AND model_version = $version"
        moved = self.lake.frame(query, {"day": day, "version": verdict["model_version"]})
        version, parts = verdict["model_version"], ("-drift.html", "-quality.html", ".json")
        names = {part: page_name(day, model, version, part) for part in parts}
        known = windows.known
        quality = known.height > 0 and known["label"].n_unique() > 1
        links = (
            [("Drift", names["-drift.html"])]
            + [("Quality", names["-quality.html"])] * quality
            + [("JSON", names[".json"])]
        )
        common = {"product": self.product.name, "model": spec.title, "version": version, "day": day, "beside": links}
        common |= {"state": verdict["state"], "reason": verdict["reason"]}
        head = PageHead(about="Drift", judged=assessed_columns(moved, shown_predictors(moved)), **common)
        self._drift_page(watch, windows, moved, name=names["-drift.html"], head=head)
        if quality:
            head = PageHead(about="Quality of the scores", **common)
            self.reports.quality_page(
                names["-quality.html"], known, score=SCORE, threshold=spec.rules.threshold, head=head
            )
        self.reports.report(names[".json"], run_report(verdict, moved, watch.baseline))
        files = [names["-drift.html"], names[".json"], *([names["-quality.html"]] if quality else [])]
        return {
            "event_date": day,
            "model": model,
            "model_version": verdict["model_version"],
            "kind": page_kind(day, verdict["state"], is_shown=self._is_shown(verdict, pages)),
            "state": verdict["state"],
            "reason": verdict["reason"],
            "drift_page": names["-drift.html"],
            "quality_page": names["-quality.html"] if quality else None,
            "report": names[".json"],
            "bytes": self.reports.size(files),
        }

    def _drift_page(self, watch: Watch, windows: Any, moved: pl.DataFrame, *, name: str, head: PageHead) -> None:
        from intelligence.drift.baseline import with_scores
        from intelligence.drift.pages import clipped_columns, page_without_evidence, shown_predictors

        shown = shown_predictors(moved)
        if not shown:
            self.reports.text(name, page_without_evidence(head))
            return
        drift = WATCHED_BY_MODEL[watch.champion.name]
        first, last = watch.baseline["first_day"][0], watch.baseline["last_day"][0]
        past = self.panels.past_panel(drift, Days(first, last + timedelta(days=1))).rows
        past = with_scores(past.sample(min(past.height, BASELINE_ROWS), seed=1), watch.champion.model)
        limits = dict(moved.filter(pl.col("predictor").is_in(shown)).select("predictor", "limit").iter_rows())
        ranges = {
            row["predictor"]: (row["grid"][0], row["grid"][-1])
            for row in watch.baseline.iter_rows(named=True)
            if row["grid"]
        }
        now, past = (
            clipped_columns(rows, {column: ranges[column] for column in shown}) for rows in (windows.now, past)
        )
        self.reports.drift_page(name, now, past, {column: limits[column] for column in shown}, head=head)

    def _is_shown(self, verdict: dict[str, Any], pages: pl.DataFrame) -> bool:
        """Return whether an alarm's page already shows the verdict's stretch of days, which begins after the last steady day."""
        query = sql("drift/last_steady_day.sql")
        since = self.lake.frame(query, {name: verdict[name] for name in DRIFT_PAGES.key}).item()
        same = pages.filter(kind="alarm", model=verdict["model"], model_version=verdict["model_version"])
        return same.filter(pl.col("event_date") > since, pl.col("event_date") < verdict["event_date"]).height > 0
