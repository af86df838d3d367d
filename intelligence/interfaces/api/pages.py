"""An address for each page of the dashboard: the same sentences and rows, from the same read model."""

import json
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from fastapi import Depends, FastAPI, Request, Response
from pydantic import BaseModel, Field

from intelligence.catalog.pages import Page
from intelligence.core.errors import UsageError
from intelligence.core.machine_readable import plain
from intelligence.interfaces.api.asking import only, problems, text_parameter
from resources.services.reading import SHOWN_DAYS, ReadService

# Numbers that pages can be asked for: the least, the greatest, the one by default, and what it is.
NUMBERS: Final[Mapping[str, tuple[int, int, int, str]]] = {
    "days": (1, 400, SHOWN_DAYS, "Number of days."),
    "ahead": (1, 90, 28, "How many days ahead."),
    "effect": (1, 100, 5, "Change that is to be found, in per cent of the metric's value."),
    "share": (1, 99, 50, "Per cent of the units that get the variant."),
    "length": (1, 365, 28, "Length of the experiment in days."),
}
# Each page by its name, with the method that reads it and what it can be asked for.
PAGES: Final[Mapping[str, tuple[Callable[..., Page], tuple[str, ...]]]] = {
    "today": (ReadService.today, ()),
    "features": (ReadService.features, ()),
    "feature": (ReadService.feature, ("name", "days")),
    "people": (ReadService.people, ("segment", "days")),
    "experiments": (ReadService.experiments, ("name", "segment")),
    "plan": (ReadService.plan, ("metric", "feature", "effect", "share", "length")),
    "uplift": (ReadService.uplift, ("name", "metric")),
    "answers": (ReadService.answers, ("feature", "days")),
    "causes": (ReadService.causes, ("feature", "days")),
    "coming": (ReadService.coming, ("series", "segment", "feature", "days")),
    "scenario": (ReadService.scenario, ("change", "series", "ahead")),
    "decisions": (ReadService.decisions, ("feature", "days")),
    "platform": (ReadService.health, ("days",)),
}
_MEANINGS: Final = {
    "name": "The feature or the experiment.",
    "segment": "Only users of this segment.",
    "feature": "Only this feature.",
    "metric": "Metric of the registry, such as `conversion_rate`.",
    "series": "The series that is forecast.",
    "change": "The change: `conversion_rate +2 points`, `new_users -50 %` or `rollback FEATURE`.",
}
# What a page cannot be read without.
_DEFAULTS: Final = {"feature": {"name": ""}}


class Marked(BaseModel):
    """What happened on a day."""

    day: date
    text: str
    sentence: str
    page: str = Field(description="Page of the dashboard with the evidence; empty where there is none.")
    asked: dict[str, str] = Field(description="What that page is asked for.")


class PartOfPage(BaseModel):
    """A part of a page: what its rows say, in words, and the rows."""

    finding: str
    period: str
    meaning: str = Field(description="Definition, unit and uncertainty of the numbers.")
    source: str = Field(description="The tables that they come from.")
    marks: list[Marked] = Field(description="What happened in these days, at most three things.")
    rows: list[dict[str, Any]]


class PageOfWords(BaseModel):
    """A page of the dashboard: sentences, and the parts that show why."""

    snapshot: int | None
    as_of: str = Field(description="What the page was read from, in words.")
    sentences: list[str]
    parts: dict[str, PartOfPage]


def add_page(app: FastAPI, read: ReadService, name: str) -> None:
    """Add the address of a page.

    Args:
        app: The application.
        read: Reads the pages.
        name: Name of the page.
    """
    method, asked = PAGES[name]

    def shown(request: Request) -> Response:
        given: dict[str, Any] = {**_DEFAULTS.get(name, {}), **request.query_params}
        for number in given.keys() & NUMBERS.keys():
            given[number] = _whole(number, given[number])
        return Response(json.dumps(plain(_words(method(read, **given)))), media_type="application/json")

    app.add_api_route(
        f"/v1/pages/{name}",
        shown,
        methods=["GET"],
        name=f"page {name}",
        summary=f"The page {name} of the dashboard, as sentences and rows",
        dependencies=[Depends(only(*asked))],
        responses={200: {"model": PageOfWords}, **problems(422, 503)},
        openapi_extra={"parameters": [_parameter(each) for each in asked]},
    )


def _whole(name: str, text: str) -> int:
    least, most, _, _ = NUMBERS[name]
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise UsageError(name, f"is no whole number from {least} to {most}.", hint="Give such a number.")
    return int(text)


def _parameter(name: str) -> dict[str, Any]:
    if name not in NUMBERS:
        return text_parameter(name, _MEANINGS[name])
    least, most, usual, what = NUMBERS[name]
    schema = {"type": "integer", "minimum": least, "maximum": most, "default": usual}
    return {"name": name, "in": "query", "required": False, "description": what, "schema": schema}


def _words(page: Page) -> dict[str, Any]:
    return {
        "snapshot": page.as_of.snapshot,
        "as_of": page.as_of.sentence(),
        "sentences": page.sentences,
        "parts": {
            name: {
                "finding": part.finding,
                "period": part.period,
                "meaning": part.meaning,
                "source": part.source,
                "marks": [
                    {
                        "day": mark.day,
                        "text": mark.label,
                        "sentence": mark.sentence,
                        "page": mark.page,
                        "asked": dict(mark.asked),
                    }
                    for mark in part.marks
                ],
                "rows": part.rows,
            }
            for name, part in page.parts.items()
        },
    }
