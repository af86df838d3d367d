"""The scorecard in docs/signals.md is what the detectors reach now, and none of them has become worse."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from intelligence.signals.scorecard import DETECTORS, as_markdown, first_shift, labelled, scorecard

DOCS = Path(__file__).resolve().parents[3] / "docs" / "signals.md"
# At least this precision and recall, at most this delay and these false alarms: a regression fails here.
FLOORS = {
    "residual z": {"precision": 0.78, "recall of bursts": 0.55},
    "isolation forest": {"precision": 0.74, "recall of bursts": 0.34},
    "level shift": {"precision": 0.6, "recall of shifts": 0.95},
    "combined points": {"recall of bursts": 0.5},
    "all together": {"precision": 0.78, "recall of bursts": 0.25, "recall of shifts": 0.9},
}
MOST_FALSE_ALARMS = {"residual z": 0.05, "isolation forest": 0.05, "level shift": 0.05, "all together": 0.05}
LONGEST_DELAYS = {"residual z": 0.5, "level shift": 5.0, "all together": 3.0}


@pytest.fixture(scope="module")
def card() -> pl.DataFrame:
    return scorecard()


@pytest.mark.proof
def test_no_detector_has_become_worse(card: pl.DataFrame) -> None:
    rows = {row["detector"]: row for row in card.iter_rows(named=True)}
    assert set(DETECTORS) < set(rows)
    short = [
        (name, what) for name, least in FLOORS.items() for what, value in least.items() if rows[name][what] < value
    ]
    assert not short, as_markdown(card)
    assert all(rows[name]["false alarms a month"] <= most for name, most in MOST_FALSE_ALARMS.items()), as_markdown(
        card
    )
    assert all(rows[name]["delay (days)"] <= most for name, most in LONGEST_DELAYS.items()), as_markdown(card)
    assert rows["residual z"]["recall of bursts"] > rows["weekday median (floor)"]["recall of bursts"]
    assert rows["all together"]["false alarms a month"] < rows["static 3-sigma (floor)"]["false alarms a month"] / 10


@pytest.mark.proof
def test_the_table_in_the_docs_is_what_the_detectors_reach_now(card: pl.DataFrame) -> None:
    text = DOCS.read_text(encoding="utf-8")
    written = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == card.width and cells[0] in card["detector"].to_list():
            written[cells[0]] = [float(cell) for cell in cells[1:]]
    assert list(written) == card["detector"].to_list(), as_markdown(card)
    for row in card.iter_rows():
        assert written[row[0]] == pytest.approx(row[1:], abs=0.06), as_markdown(card)


def test_labelled_series_say_where_their_incidents_are() -> None:
    known, clean = labelled(1, series=30, days=200), labelled(1, series=30, days=200, with_incidents=False)
    assert not clean.incidents
    assert {is_shift for *_, is_shift in known.incidents} == {True, False}
    assert all(0 <= first <= last < 200 for _, first, last, _ in known.incidents)
    assert np.isfinite(known.level).all()


def test_the_fall_of_the_nile_is_found_on_the_first_possible_year() -> None:
    """The flow at Aswan fell in 1899 (Cobb 1978), 28 years after the series begins: a week of years later it is a shift."""
    from statsmodels.datasets import nile

    flow = nile.load_pandas().data["volume"].to_numpy(float)
    assert first_shift(flow, limit=3.0) == 28 + 7
    assert first_shift(flow[28:], limit=3.0) is None, "after it the flow stayed as it was"
