"""Annotations: what happened to a product, from every table that knows of it, for the charts of its series.

Releases, faults of telemetry, degraded features, episodes of anomalies, experiments, actions and trainings are read from the lake;
holidays come from the package `holidays`, and notes from people. A chart has room for three: `most_telling` chooses them, and says of
each where its evidence is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Final

from intelligence.core.errors import ProductFileError
from intelligence.core.marks import Mark
from intelligence.core.sql import sql

# What the lake knows, by kind. Each query takes $first and $last and returns day, feature (NULL: the whole product), text and, where it
# is about something else than a feature, its name as `about`.
QUERIES: Final[Mapping[str, str]] = {
    kind: sql(f"catalog/annotations/{kind}.sql")
    for kind in ("fault", "action", "incident", "anomaly", "experiment", "release", "training")
}
NOTE: Final = "note"
HOLIDAY: Final = "holiday"
# Kinds in the order in which they have a claim to the room on a chart.
KINDS: Final = (NOTE, "fault", "action", "incident", "anomaly", "experiment", "release", HOLIDAY, "training")
# Those that the layers up to metrics know of by themselves.
KNOWN_TO_METRICS: Final = (NOTE, "fault", "incident", "release", HOLIDAY)
ON_A_CHART: Final = 3


@dataclass(frozen=True, slots=True)
class Annotation:
    """Something that happened on a day.

    Attributes:
        day: The day, on the product's clock.
        kind: One of KINDS.
        text: What happened.
        feature: The product feature that it is about; None for the whole product.
        by: Who wrote it, of a note; None otherwise.
        about: The experiment or the segment that it is about; None otherwise.
    """

    day: date
    kind: str
    text: str
    feature: str | None = None
    by: str | None = None
    about: str | None = None


def is_country(code: str) -> bool:
    """Return whether holidays are known of a country, or of a part of it.

    Args:
        code: Its ISO code, with that of the part after a hyphen.

    >>> is_country("DE-BY"), is_country("XX"), is_country("DE-ZZ")
    (True, False, False)
    """
    try:
        holidays_between([code], date(2026, 1, 1), date(2026, 1, 1))
    except ProductFileError:
        return False
    return True


def holidays_between(countries: Sequence[str], first: date, last: date) -> list[Annotation]:
    """Return the public holidays of these days.

    Args:
        countries: ISO codes of countries, each with that of a part of it after a hyphen where wanted, such as `DE` or `DE-BY`.
        first: First day.
        last: Last day.

    Raises:
        ProductFileError: There is no such country or part.

    >>> [each.text for each in holidays_between(["DE"], date(2026, 10, 1), date(2026, 10, 31))]
    ['DE: German Unity Day']
    """
    if not countries:
        return []
    import holidays

    years = range(first.year, last.year + 1)
    found = []
    for each in countries:
        country, _, part = each.partition("-")
        try:
            days = holidays.country_holidays(country, subdiv=part or None, years=years, language="en_US")
        except NotImplementedError:
            raise ProductFileError(
                "holidays", f"`{each}` is no country that the package `holidays` knows.", hint="Write DE, or DE-BY."
            ) from None
        found += [
            Annotation(day, HOLIDAY, f"{each}: {name}") for day, name in sorted(days.items()) if first <= day <= last
        ]
    return found


def in_order(annotations: Iterable[Annotation]) -> tuple[Annotation, ...]:
    """Return the annotations by day, and on each day by kind."""
    return tuple(
        sorted(annotations, key=lambda each: (each.day, KINDS.index(each.kind), each.feature or "", each.text))
    )


def about(annotations: Iterable[Annotation], feature: str | None) -> list[Annotation]:
    """Return the annotations that concern a feature: its own, and those of the whole product.

    Args:
        annotations: The annotations.
        feature: The feature; None for all annotations.
    """
    return [each for each in annotations if feature is None or each.feature in (None, feature)]


def most_telling(
    annotations: Iterable[Annotation], *, feature: str | None = None, most: int = ON_A_CHART
) -> tuple[Mark, ...]:
    """Return at most `most` marks for a chart, in the order of their days.

    What happened on one day, of one kind, is one mark. Of equal kinds the later day comes first; on a chart of the whole product,
    what concerns one feature comes after all else.

    Args:
        annotations: What happened.
        feature: The feature whose chart it is; None for the whole product.
        most: How many marks there is room for.
    """

    def rank(each: Annotation) -> tuple[bool, int, int]:
        is_aside = feature is None and each.feature is not None and each.kind != NOTE
        return is_aside, KINDS.index(each.kind), -each.day.toordinal()

    ordered = sorted(about(annotations, feature), key=lambda each: (*rank(each), each.feature or "", each.text))
    groups = [list(group) for _, group in groupby(ordered, key=rank)]
    marks = []
    for group in groups[:most]:
        more, first = len(group) - 1, group[0]
        page, asked = evidence_of(first, feature=feature)
        said = f"{first.text} ({first.by})" if first.by else first.text
        marks.append(
            Mark(
                first.day,
                f"{_short(first)} +{more}" if more else _short(first),
                f"{said}, and {more} more of this kind" if more else said,
                page,
                asked,
            )
        )
    return tuple(sorted(marks, key=lambda each: (each.day, each.label)))


def evidence_of(each: Annotation, *, feature: str | None = None) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the page with the evidence of what happened, and what it is asked for; no page for what people or the calendar say.

    Args:
        each: What happened.
        feature: The feature on whose own page the chart is; None elsewhere.

    >>> evidence_of(Annotation(date(2026, 5, 4), "incident", "quiz degraded", "quiz"))
    ('feature', (('feature', 'quiz'),))
    >>> evidence_of(Annotation(date(2026, 5, 4), "release", "release 3.1 on ios"), feature="quiz")
    ('causes', (('feature', 'quiz'),))
    """
    own = each.feature or feature
    of_feature = (("feature", own),) if own else ()
    page, asked = {
        "fault": ("platform", ()),
        "training": ("platform", ()),
        "action": ("decisions", of_feature),
        "release": ("causes", of_feature),
        "experiment": ("experiments", (("experiment", each.about or ""),)),
        # On its own page the episode stands below the chart; where the change lies is said elsewhere.
        "incident": ("causes" if own == feature else "feature", of_feature),
        "anomaly": ("causes" if own == feature else "feature", of_feature),
    }.get(each.kind, ("", ()))
    return (
        ("people", (("segment", each.about or ""),))
        if each.kind == "anomaly" and each.feature is None
        else (page, asked)
    )


def _short(each: Annotation) -> str:
    """Return the part of the text that says what happened, without the reason."""
    if each.kind in ("fault", "incident"):
        return each.text.partition(":")[0]
    return each.text.partition(" where ")[0] if each.kind == "anomaly" else each.text
