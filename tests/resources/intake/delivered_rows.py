"""Rows to deliver, and what a refused file leaves behind."""

from datetime import datetime
from typing import Any

from intelligence.core.errors import SourceFileError

HEADER = "event_id,event_time,user_id,feature,event_type"
ROW = "2026-05-04T10:00:00,u1,search,use"
NOW = datetime(2026, 7, 1, 12)


def refusal(report: Any) -> SourceFileError:
    ((_, error),) = report.refused
    for part in (error.culprit, error.problem, error.hint):
        assert part
        assert "Traceback" not in part
    return error


def assert_untouched(bench: Any) -> None:
    assert bench.counts() == []
    assert bench.rows("SELECT 1 FROM telemetry.raw_events") == []
    assert bench.rejected() == []


PROGRAM = """
import sys
from datetime import datetime
from pathlib import Path
from intelligence.catalog.product import Product, Source
from resources.intake.delivery import deliveries
from resources.intake.ingest import ingested
from resources.lake.door import Lake
folder = sys.argv[1]
product = Product(name="test", sources=(Source(name="app", files=(f"{folder}/in/*",)),))
lake = Lake(catalog=f"sqlite:{folder}/catalog.sqlite", store=f"{folder}/files")
files = deliveries(product, Path(folder))
print("ready", flush=True)
sys.stdin.readline()
ingested(lake, product, files, now=datetime(2026, 7, 1))
"""
