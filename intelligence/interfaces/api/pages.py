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

MOST_DAYS: Final = 400
# Each page by its name, with the method that reads it and what it can be asked for.
PAGES: Final[Mapping[str, tuple[Callable[..., Page], tuple[str, ...]]]] = {
    "today": (ReadService.today, ()),
    "features": (ReadService.features, ()),
    "feature": (ReadService.feature, ("name", "days")),
    "people": (ReadService.people, ("segment", "days")),
    "experiments": (ReadService.experiments, ("name", "segment")),
    "causes": (ReadService.causes, ("feature", "days")),
    "coming": (ReadService.coming, ("series", "segment", "feature", "days")),
    "decisions": (ReadService.decisions, ("feature", "days")),
    "platform": (ReadService.health, ("days",)),
}
_MEANINGS: Final = {
    "name": "The feature or the experiment.",
    "segment": "Only users of this segment.",
    "feature": "Only this feature.",
    "series": "The series that is forecast.",
}
# What a page cannot be read without.
_DEFAULTS: Final = {"feature": {"name": ""}}


class Marked(BaseModel):
    """What happened on a day."""

    day: date
    text: str


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
        if "days" in given:
            given["days"] = _days(given["days"])
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


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_DAYS):
        raise UsageError("days", f"is no whole number from 1 to {MOST_DAYS}.", hint="Give such a number.")
    return int(text)


def _parameter(name: str) -> dict[str, Any]:
    if name != "days":
        return text_parameter(name, _MEANINGS[name])
    schema = {"type": "integer", "minimum": 1, "maximum": MOST_DAYS, "default": SHOWN_DAYS}
    return {"name": name, "in": "query", "required": False, "description": "Number of days.", "schema": schema}


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
                "marks": [{"day": mark.day, "text": mark.label} for mark in part.marks],
                "rows": part.rows,
            }
            for name, part in page.parts.items()
        },
    }
