"""Each page names its product and verdict, links to the index, and uses red only for what has moved."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from intelligence.drift.page_head import PageHead, assessed_columns, headed, plain_page
from intelligence.drift.pages import page_without_evidence
from tests.intelligence.drift.test_pages import HOSTILE, Tags

EVIDENTLY = """<!DOCTYPE html><html lang="en"><head><meta charset="UTF-8"><script>var m = {"color": "#ed0400"}</script>
    </head>
    <body>
    <div id="root_m"></div><script>O0="#ED0500"</script></body></html>"""


def head(**changes: Any) -> PageHead:
    of: dict[str, Any] = {
        "product": "Classroom",
        "about": "Drift",
        "model": "Feature risk",
        "version": 3,
        "day": date(2026, 8, 9),
        "state": "steady",
        "reason": "Nothing has moved beyond chance.",
        "beside": (("Drift", "a-drift.html"), ("JSON", "a.json")),
        "judged": ({"predictor": "usage_7d", "distance": 0.06, "limit": 0.14, "is_moved": False},),
    }
    return PageHead(**(of | changes))


def test_a_page_has_a_title_a_head_and_a_link_back_and_keeps_what_evidently_drew() -> None:
    page = headed(EVIDENTLY, head())
    tags = Tags(page)
    title = page.split("<title>")[1].split("</title>")[0]
    assert title == "Drift of Feature risk version 3, week to 2026-08-09: steady · Classroom"
    for words in ("Classroom", "Drift of Feature risk", "champion version 3", "week to 2026-08-09", "0.060", "0.140"):
        assert words in tags.text
    links = [attributes["href"] for tag, attributes in tags.found if tag == "a"]
    assert links == ["index.html", "a-drift.html", "a.json"]
    assert '<div id="root_m">' in page
    assert page.index("pi-head") < page.index("root_m")
    assert "#ed0" not in page.lower()


@pytest.mark.parametrize(
    "made", [lambda of: headed(EVIDENTLY, of), page_without_evidence, lambda of: plain_page(of, "")]
)
@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("steady", "pi-steady"),
        ("unknown", "pi-unknown"),
        ("suspended", "pi-suspended"),
        ("moved", "pi-moved"),
        ("a state to come", "pi-unknown"),
    ],
)
def test_the_verdict_is_on_every_page_and_only_what_moved_is_red(made: Any, state: str, shown: str) -> None:
    tags = Tags(made(head(state=state)))
    (verdict,) = [attributes["class"] for tag, attributes in tags.found if tag == "b"]
    assert verdict == shown
    assert state in tags.text
    moved = [attributes for tag, attributes in tags.found if tag == "tr" and attributes.get("class") == "pi-moved"]
    assert moved == []


@pytest.mark.parametrize("place", ["product", "about", "model", "state", "reason", "beside", "judged"])
def test_hostile_words_arrive_in_the_head_as_words(place: str) -> None:
    given = {
        "beside": ((HOSTILE, HOSTILE),),
        "judged": ({"predictor": HOSTILE, "distance": 1.0, "limit": 0.1, "is_moved": True},),
    }
    tags = Tags(headed(EVIDENTLY, head(**{place: given.get(place, HOSTILE)})))
    assert [tag for tag, _ in tags.found].count("script") == 2, "Evidently's own"
    assert "img" not in {tag for tag, _ in tags.found}
    assert not [name for _, attributes in tags.found for name in attributes if name.startswith("on")]
    assert "example.org" in tags.text or place == "beside"


def test_columns_that_moved_come_first_and_then_those_that_are_near_it() -> None:
    drift = pl.DataFrame(
        {
            "predictor": ["far", "near", "moved", "not drawn"],
            "distance": [0.1, 0.9, 0.3, 5.0],
            "limit": [1.0, 1.0, 0.2, 0.1],
            "is_moved": [False, False, True, True],
        }
    )
    assert [row["predictor"] for row in assessed_columns(drift, ["far", "near", "moved"])] == ["moved", "near", "far"]


@pytest.mark.parametrize("page", ["", "<html><body></body></html>", "<head></head>", "<head></head><body class='x'>"])
def test_a_page_of_another_form_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="week to 2026-08-09"):
        headed(page, head())
