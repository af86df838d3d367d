"""Evidently's own pages with our head: what it draws stays, and a steady day shows no alarm."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from resources.reports.drift import DriftReports
from tests.intelligence.drift.test_page_head import head


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> DriftReports:
    return DriftReports(root=str(tmp_path_factory.mktemp("pages")))


def rows(count: int) -> pl.DataFrame:
    random = np.random.default_rng(3)
    return pl.DataFrame({"usage_7d": random.normal(0, 1, count), "rating_7d": random.normal(0, 1, count)})


def widgets(page: str) -> list[dict[str, Any]]:
    """Return what Evidently put on the page, tab by tab."""
    start = page.index("{", page.index("var metric_"))
    dashboard, _ = json.JSONDecoder().raw_decode(page[start:])
    return list(dashboard["widgets"])


@pytest.mark.proof
def test_a_page_shows_no_alarm_of_evidentlys_own_and_what_it_drew(reports: DriftReports) -> None:
    limits = {"usage_7d": 0.5, "rating_7d": 0.5}
    page = reports.drift_page("drift.html", rows(300), rows(3000), limits, head=head()).read_text()
    assert "<title>Drift of Feature risk version 3, week to 2026-08-09: steady · Classroom</title>" in page
    assert "test_suite" not in {widget["type"] for widget in widgets(page)}
    assert "Dataset Drift is NOT detected" in page
    assert "#ed0400" not in page.lower()
    assert "#ed0500" not in page.lower()
    assert [path.name for path in Path(reports.root).iterdir()] == ["drift.html"]


def test_the_page_of_the_scores_has_the_same_head(reports: DriftReports) -> None:
    random = np.random.default_rng(3)
    known = pl.DataFrame({"risk score": random.uniform(0, 1, 200), "label": random.uniform(0, 1, 200) < 0.3})
    title = head(about="Quality of the scores")
    page = reports.quality_page("quality.html", known, score="risk score", threshold=0.5, head=title).read_text()
    assert "<title>Quality of the scores of Feature risk version 3" in page
    assert 'href="index.html"' in page
    assert "#ed0400" not in page.lower()
