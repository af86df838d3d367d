"""What happened, and which three of it stand on a chart."""

from datetime import date, timedelta

import polars as pl
import pytest

from intelligence.catalog.annotations import KINDS, Annotation, holidays_between, in_order, most_telling
from intelligence.catalog.product import product_from
from intelligence.core.errors import ProductFileError
from intelligence.core.marks import LONGEST_LABEL, Mark
from intelligence.core.plots import health_picture, kpi_picture

FIRST = date(2026, 5, 4)


def what(kind: str, ago: int = 0, feature: str | None = None, text: str | None = None) -> Annotation:
    return Annotation(FIRST + timedelta(days=ago), kind, text or f"{kind}: why", feature)


def test_at_most_three_stand_on_a_chart_the_most_telling_ones_in_their_order() -> None:
    found = most_telling([what(kind, number) for number, kind in enumerate(reversed(KINDS))])
    assert [each.label for each in found] == ["action: why", "fault", "note: why"]
    assert [each.day for each in found] == sorted(each.day for each in found)


def test_the_later_of_equal_kinds_stands_and_a_day_of_one_kind_is_one_mark() -> None:
    releases = [what("release", day, text=f"release {day}") for day in (1, 1, 5, 9, 20)]
    assert [each.label for each in most_telling(releases)] == ["release 5", "release 9", "release 20"]
    assert [each.label for each in most_telling(releases[:2])] == ["release 1 +1"]


def test_a_chart_of_a_feature_shows_its_own_and_one_of_the_product_shows_features_last() -> None:
    found = [what("incident", 1, "a"), what("incident", 2, "b"), what("release", 3)]
    assert [each.day for each in most_telling(found, feature="a")] == [found[0].day, found[2].day]
    assert [each.day for each in most_telling(found, most=1)] == [found[2].day]
    assert [each.day for each in most_telling([what("note", 1, "a"), what("release", 3)], most=1)] == [found[0].day]


@pytest.mark.parametrize(
    ("kind", "feature", "about", "own", "page", "asked"),
    [
        ("release", None, None, None, "causes", {}),
        ("release", None, None, "quiz", "causes", {"feature": "quiz"}),
        ("incident", "quiz", None, None, "feature", {"feature": "quiz"}),
        ("incident", "quiz", None, "quiz", "causes", {"feature": "quiz"}),
        ("anomaly", "quiz", None, None, "feature", {"feature": "quiz"}),
        ("anomaly", None, "student", None, "people", {"segment": "student"}),
        ("experiment", "quiz", "new_quiz", None, "experiments", {"experiment": "new_quiz"}),
        ("action", "quiz", None, None, "decisions", {"feature": "quiz"}),
        ("fault", None, None, None, "platform", {}),
        ("training", None, None, "quiz", "platform", {}),
        ("note", None, None, None, "", {}),
        ("holiday", None, None, None, "", {}),
    ],
)
def test_a_mark_says_where_its_evidence_is(
    kind: str, feature: str | None, about: str | None, own: str | None, page: str, asked: dict[str, str]
) -> None:
    (mark,) = most_telling([Annotation(FIRST, kind, "it happened", feature, about=about)], feature=own)
    assert (mark.page, dict(mark.asked)) == (page, asked)
    assert mark.sentence == "2026-05-04: it happened."


def test_a_mark_says_in_a_sentence_what_its_label_has_no_room_for() -> None:
    both = [what("incident", 0, "a", "a degraded: 3 of 4 bad"), what("incident", 0, "b", "b degraded: 1 of 4 bad")]
    (mark,) = most_telling(both)
    assert (mark.label, mark.sentence) == (
        "a degraded +1",
        "2026-05-04: a degraded: 3 of 4 bad, and 1 more of this kind.",
    )
    (note,) = most_telling([Annotation(FIRST, "note", "price raised!", by="Ada")])
    assert note.sentence == "2026-05-04: price raised! (Ada)."
    anomaly = Annotation(FIRST, "anomaly", "Errors of a have moved to 0.06 where 0.01 is expected", "a")
    (mark,) = most_telling([anomaly])
    assert (mark.label, mark.sentence) == (
        "Errors of a have moved to 0.06",
        "2026-05-04: Errors of a have moved to 0.06 where 0.01 is expected.",
    )


def test_they_are_in_order() -> None:
    found = [what("release", 2), what("note", 2), what("fault", 1)]
    assert [each.kind for each in in_order(found)] == ["fault", "note", "release"]


def test_holidays_are_those_of_the_countries() -> None:
    found = holidays_between(["DE-BY", "US"], date(2026, 12, 20), date(2027, 1, 7))
    assert {each.text for each in found} >= {"DE-BY: Epiphany", "US: Christmas Day"}
    assert holidays_between([], FIRST, FIRST) == []
    with pytest.raises(ProductFileError, match="no country"):
        holidays_between(["XX"], FIRST, FIRST)


def test_product_yaml_names_one_country_or_several() -> None:
    source = "name: Demo\nsources: [{name: app, simulate: {}}]\n"
    assert product_from(source).holidays == ()
    assert product_from(f"{source}holidays: DE").holidays == ("DE",)
    assert product_from(f"{source}holidays: [DE-BY, US]").holidays == ("DE-BY", "US")
    with pytest.raises(ProductFileError):
        product_from(f"{source}holidays: Germany")


def test_labels_are_short_and_harmless() -> None:
    label = Mark(FIRST, "x\x1b[31m\n" + "y" * 99).short
    assert len(label) == LONGEST_LABEL
    assert "\x1b" not in label
    assert "\n" not in label


def test_charts_are_drawn_with_marks_and_differ_from_those_without() -> None:
    days = [FIRST + timedelta(days=number) for number in range(20)]
    kpis = pl.DataFrame(
        {
            "event_date": days,
            "segment": "all",
            **{name: [float(10 + number) for number in range(20)] for name in ("dau", "wau", "mau")},
            "stickiness": 0.5,
            "conversion_rate": 0.2,
        }
    )
    health = pl.DataFrame(
        {"event_date": days, "feature": "a", "state": "healthy", "excess_bad_events": 0.0},
    )
    mark, late = Mark(days[5], "release 1"), Mark(days[-1] + timedelta(days=90), "not on the chart")
    for picture, rows in ((kpi_picture, kpis), (health_picture, health)):
        assert picture(rows, [mark]) != picture(rows)
        assert picture(rows, [mark, late]) == picture(rows, [mark])
