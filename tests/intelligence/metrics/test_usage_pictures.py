"""Pictures of usage are drawn from whatever there is, and say so where there is nothing."""

from collections.abc import Callable, Collection
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from PIL import Image

from intelligence.metrics.pictures import funnel_picture, lifecycle_picture, power_picture, triangle_picture
from intelligence.metrics.tables import ADOPTION_DAY, FUNNEL_DAY, LIFECYCLE_DAY, RETENTION_COHORTS
from tests.intelligence.metrics.test_usage_findings import FIRST, cohorts, funnel_days

HEAD = b"\x89PNG\r\n"


@pytest.mark.parametrize(
    ("picture", "table"),
    [
        (triangle_picture, RETENTION_COHORTS),
        (funnel_picture, FUNNEL_DAY),
        (lifecycle_picture, LIFECYCLE_DAY),
        (power_picture, ADOPTION_DAY),
    ],
)
def test_without_rows_a_sentence_is_drawn(picture: Callable[[pl.DataFrame], bytes], table) -> None:
    assert picture(table.frame([])).startswith(HEAD)


def colours(png: bytes, tmp_path) -> dict[tuple[int, ...], int]:
    (tmp_path / "drawn.png").write_bytes(png)
    return {colour: n for n, colour in Image.open(tmp_path / "drawn.png").convert("RGB").getcolors(1 << 20)}


def near(found: Collection[tuple[int, ...]], wanted: tuple[int, int, int]) -> bool:
    return any(max(abs(a - b) for a, b in zip(colour, wanted, strict=True)) <= 8 for colour in found)


def test_cells_that_are_too_young_are_grey(tmp_path) -> None:
    young = colours(triangle_picture(cohorts(1)), tmp_path)
    old = colours(triangle_picture(cohorts(1, number=4).filter(pl.col("first_age") == 1)), tmp_path)
    grey = [sum(n for colour, n in each.items() if near({colour}, (0xE4, 0xE6, 0xEA))) for each in (young, old)]
    assert grey[0] > 10_000
    assert grey[1] < 1_000


def test_a_funnel_shows_each_platform_and_not_the_open_days(tmp_path) -> None:
    rows = funnel_days(1, breaks_on=35)
    first = rows.filter(step=2).with_columns(
        step=pl.lit(1, pl.Int64), step_name=pl.lit("view"), converted=pl.col("entered"), reached_before=None
    )
    drawn = colours(funnel_picture(pl.concat([rows, first])), tmp_path)
    assert all(near(drawn, each) for each in ((0x1F, 0x4E, 0x8C), (0xE0, 0x8A, 0x3C), (0x7A, 0x5E, 0xA8)))
    still_open = pl.concat([rows, first]).with_columns(is_complete=pl.lit(False))
    assert not near(colours(funnel_picture(still_open), tmp_path), (0x1F, 0x4E, 0x8C))


def test_states_and_the_power_curve_are_drawn(tmp_path) -> None:
    random = np.random.default_rng(1)
    days = [FIRST + timedelta(days=n) for n in range(60)]
    states = [
        {
            **dict(
                zip(("new", "returned", "resurrected", "dormant"), map(int, random.integers(5, 50, 4)), strict=True)
            ),
            "event_date": on,
            "dimension": "all",
            "value": "all",
            "current": 300,
            "active": 100,
        }
        for on in days
    ]
    drawn = colours(lifecycle_picture(LIFECYCLE_DAY.frame(states)), tmp_path)
    assert all(near(drawn, each) for each in ((0x5B, 0x84, 0xB8), (0x2F, 0x9E, 0x73), (0xC4, 0x5A, 0x5A)))
    curves = [
        {"event_date": on, "segment": "all", "users_by_active_days": [int(n) for n in random.integers(1, 90, 28)]}
        for on in days
    ]
    assert near(colours(power_picture(ADOPTION_DAY.frame(curves)), tmp_path), (0xE0, 0x8A, 0x3C))
    newest = ADOPTION_DAY.frame(curves).filter(event_date=date(2026, 7, 2))
    assert not near(colours(power_picture(newest), tmp_path), (0xE0, 0x8A, 0x3C))
