"""The kinds of pages, how long they are kept, and an index in which every name is escaped."""

from datetime import date, timedelta
from html.parser import HTMLParser

import polars as pl
import pytest

from intelligence.drift.pages import (
    SHOWN_PREDICTORS,
    clipped_columns,
    index_page,
    page_kind,
    pages_kept,
    shown_predictors,
)
from intelligence.drift.pictures import watch_picture
from intelligence.drift.verdict import DRIFT_SCHEMA

SUNDAY = date(2026, 8, 9)
HOSTILE = "<script src='https://example.org/x.js'></script>\"'><img src=x onerror=alert(1)>"


class Tags(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    ("day", "state", "is_shown", "kind"),
    [
        (SUNDAY, "moved", False, "alarm"),
        (SUNDAY, "moved", True, "week"),
        (SUNDAY + timedelta(days=1), "moved", True, "newest"),
        (SUNDAY, "steady", False, "week"),
        (SUNDAY, "suspended", False, "week"),
        (SUNDAY + timedelta(days=1), "steady", False, "newest"),
    ],
)
def test_a_page_is_an_alarm_a_weeks_end_or_the_newest(day: date, state: str, is_shown: bool, kind: str) -> None:
    assert page_kind(day, state, is_shown=is_shown) == kind


def test_the_newest_gives_way_while_alarms_and_weeks_stay_as_long_as_configured() -> None:
    ages = [(0, "newest"), (1, "newest"), (1, "alarm"), (35, "week"), (35, "alarm"), (36, "week"), (400, "alarm")]
    pages = pl.DataFrame(
        [(SUNDAY - timedelta(days=age), kind) for age, kind in ages], schema=["event_date", "kind"], orient="row"
    )
    kept = pages_kept(pages, newest_day=SUNDAY, keep_days=35)
    ages = [((SUNDAY - day).days, kind) for day, kind in kept.iter_rows()]
    assert ages == [(0, "newest"), (1, "alarm"), (35, "week"), (35, "alarm")]


def page(**changes: object) -> dict[str, object]:
    return {
        "event_date": SUNDAY,
        "model": "user_churn",
        "model_version": 3,
        "kind": "week",
        "state": "moved",
        "reason": "Moved: events_7d by 0.31, limit 0.22.",
        "drift_page": "a-drift.html",
        "quality_page": None,
        "report": "a.json",
        **changes,
    }


def test_the_index_lists_pages_newest_first_with_their_verdicts_and_relative_links() -> None:
    tags = Tags(index_page([page(), page(event_date=SUNDAY + timedelta(days=1), drift_page="b.html")], product="Mine"))
    links = [attributes["href"] for tag, attributes in tags.found if tag == "a"]
    assert links == ["b.html", "a.json", "a-drift.html", "a.json"]
    assert "user_churn version 3" in tags.text
    assert "Moved: events_7d by 0.31, limit 0.22." in tags.text


@pytest.mark.parametrize("place", ["model", "reason", "state", "kind", "drift_page"])
def test_hostile_words_arrive_in_the_index_as_words(place: str) -> None:
    tags = Tags(index_page([page(**{place: HOSTILE})], product=HOSTILE))
    assert {tag for tag, _ in tags.found} <= {
        "html", "head", "meta", "title", "style", "body", "h1", "p", "b", "table", "thead", "tbody", "tr", "th", "td", "a"
    }  # fmt: skip
    assert not [name for _, attributes in tags.found for name in attributes if name.startswith("on")]
    assert "example.org" in tags.text


def test_an_index_without_pages_says_so() -> None:
    assert "No page was made yet" in index_page([], product="Mine")


def drift_of(*rows: tuple[str, str, float | None, float | None, bool]) -> pl.DataFrame:
    named = [dict(zip(("predictor", "role", "importance", "distance", "is_moved"), row, strict=True)) for row in rows]
    return pl.DataFrame([{**dict.fromkeys(DRIFT_SCHEMA), **row} for row in named], schema=DRIFT_SCHEMA)


def test_a_page_shows_the_score_what_matters_and_all_that_moved_and_nothing_unassessed() -> None:
    many = [(f"p{place:02}", "predictor", (40 - place) / 1000, 0.1, False) for place in range(30)]
    shown = shown_predictors(
        drift_of(
            *many,
            ("score", "score", None, 0.2, False),
            ("outcome", "outcome", None, 0.2, True),
            ("rare", "predictor", 0.0001, 0.9, True),
            ("constant", "predictor", 0.5, None, False),
        )
    )
    assert shown[0] == "score"
    assert shown[-1] == "rare"
    assert len(shown) == SHOWN_PREDICTORS + 1
    assert not {"outcome", "constant"} & set(shown)


def test_values_are_clipped_to_the_range_of_the_baseline() -> None:
    rows = pl.DataFrame({"x": [-9, 1, 99], "y": [0, 0, 0]})
    assert clipped_columns(rows, {"x": (0.0, 2.0)}).to_dict(as_series=False) == {"x": [0.0, 1.0, 2.0]}


def test_the_picture_is_drawn_with_and_without_known_outcomes() -> None:
    nothing = dict.fromkeys(
        (
            "expected_pr_auc",
            "expected_pr_auc_low",
            "expected_pr_auc_high",
            "least_expected_pr_auc",
            "known_through",
            "pr_auc",
        )
    )
    rows = [
        {"event_date": SUNDAY, "model": "user_churn", "state": "steady", **nothing, "expected_pr_auc": 0.4},
        {"event_date": SUNDAY, "model": "feature_risk", "state": "moved", **nothing},
    ]
    types = {"known_through": pl.Date, "event_date": pl.Date, "pr_auc": pl.Float64}
    assert watch_picture(pl.DataFrame(rows, schema_overrides=types)).startswith(b"\x89PNG")
    later = pl.DataFrame([{**rows[0], "known_through": SUNDAY - timedelta(days=7), "pr_auc": 0.3}])
    assert watch_picture(later).startswith(b"\x89PNG")
