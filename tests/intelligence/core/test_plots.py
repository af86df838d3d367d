"""The pictures of the Dagster UI are drawn whatever the data: none, one day, many features, odd names."""

import io
import struct
from datetime import date, timedelta

import polars as pl
import pytest
from PIL import Image

from intelligence.core.plots import MOST_FEATURES, STATE_COLOURS, health_picture, kpi_picture
from intelligence.core.tables import Table
from intelligence.metrics.tables import FEATURE_HEALTH, KPI_DAY

FIRST = date(2026, 5, 4)
TYPES = {"DATE": pl.Date, "VARCHAR": pl.String, "BIGINT": pl.Int64, "DOUBLE": pl.Float64}


def empty(table: Table) -> pl.DataFrame:
    return pl.DataFrame(schema={column.name: TYPES[column.type] for column in table.columns})


def kpis(days: int, **values: float | None) -> pl.DataFrame:
    rows = [
        {"event_date": FIRST + timedelta(days=n), "segment": segment, "dau": 100 + n, **values}
        for n in range(days)
        for segment in ("all", "student")
    ]
    return pl.concat([empty(KPI_DAY), pl.DataFrame(rows)], how="diagonal_relaxed")


def health(days: int, features: list[str], state: str = "healthy") -> pl.DataFrame:
    rows = [
        {"event_date": FIRST + timedelta(days=n), "feature": name, "state": state, "excess_bad_events": 0.0}
        for n in range(days)
        for name in features
    ]
    return pl.concat([empty(FEATURE_HEALTH), pl.DataFrame(rows)], how="diagonal_relaxed")


def size(png: bytes) -> tuple[int, int]:
    """Return width and height after checking that the bytes are a whole PNG."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    Image.open(io.BytesIO(png)).verify()
    return struct.unpack(">II", png[16:24])


def has_colour(png: bytes, colour: str) -> bool:
    expected = tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
    shown = Image.open(io.BytesIO(png)).convert("RGB").getcolors(1 << 24)
    return any(count > 400 and max(abs(a - b) for a, b in zip(rgb, expected, strict=True)) < 12 for count, rgb in shown)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(empty(KPI_DAY), id="no rows"),
        pytest.param(kpis(1), id="one day"),
        pytest.param(kpis(5, conversion_rate=0.1), id="an early product, without WAU and MAU"),
        pytest.param(kpis(10, wau=0, mau=0, stickiness=None), id="nobody"),
        pytest.param(kpis(90, wau=300, mau=500, stickiness=0.3, conversion_rate=0.1), id="a quarter"),
        pytest.param(kpis(400, wau=300, mau=500, stickiness=0.3, conversion_rate=0.1), id="a year"),
    ],
)
def test_kpis_become_a_picture(frame: pl.DataFrame) -> None:
    png = kpi_picture(frame)
    assert size(png) == (900, 460)
    assert 1_000 < len(png) < 60_000


@pytest.mark.parametrize(
    ("frame", "lines"),
    [
        pytest.param(empty(FEATURE_HEALTH), 0, id="no rows"),
        pytest.param(health(1, ["a"]), 1, id="one day of one feature"),
        pytest.param(health(90, ["a"]), 1, id="one feature"),
        pytest.param(health(1, [f"f{n}" for n in range(12)]), 12, id="one day"),
        pytest.param(health(90, [f"f{n}" for n in range(120)]), MOST_FEATURES, id="more features than are shown"),
    ],
)
def test_health_becomes_a_picture_that_grows_with_its_features(frame: pl.DataFrame, lines: int) -> None:
    png = health_picture(frame)
    assert size(png) == (1_000, pytest.approx(160 + 20 * lines, abs=2))
    assert 500 < len(png) < 60_000


@pytest.mark.parametrize("state", STATE_COLOURS)
def test_each_state_is_drawn_in_its_colour(state: str) -> None:
    others = set(STATE_COLOURS) - {state}
    png = health_picture(health(30, ["a", "b", "c"], state))
    assert has_colour(png, STATE_COLOURS[state])
    assert not [other for other in others if has_colour(png, STATE_COLOURS[other])]


def test_a_troubled_feature_is_shown_however_many_others_there_are() -> None:
    calm = health(5, [f"f{n:03}" for n in range(100)])
    png = health_picture(pl.concat([calm, health(5, ["zzz"], "degraded")]))
    assert has_colour(png, STATE_COLOURS["degraded"])


@pytest.mark.parametrize("name", ["cost_$x^$", "a$b", "{%}", "x" * 256, "W" * 256, "f(é) – ß"])
def test_a_feature_may_have_any_name_that_the_contract_allows(name: str) -> None:
    width, height = size(health_picture(health(3, [name, "plain"])))
    assert (width, height) == (1_000, 200)


def test_the_same_data_is_the_same_picture() -> None:
    frame = health(10, ["a", "b"], "at_risk")
    assert health_picture(frame) == health_picture(frame.sample(fraction=1, shuffle=True, seed=1))
