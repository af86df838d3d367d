"""The read API, version 1: one address for each table that can be read from outside, and what each table is made from.

It only reads. Every answer says of which snapshot of the lake it is, and its ETag is that snapshot: while nothing new is written, the
same question costs nothing. Rows come as JSON, CSV or an Arrow stream.
"""

import io
import json
import re
from collections.abc import Callable, Mapping
from datetime import date
from types import GenericAlias
from typing import Annotated, Any, Final, Literal

import polars as pl
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, BeforeValidator, Field, create_model

from intelligence.catalog.layers import TABLES
from intelligence.catalog.pages import Page
from intelligence.catalog.readings import READINGS, Reading
from intelligence.core.errors import LakeError, PlatformError, UsageError
from intelligence.core.machine_readable import plain
from intelligence.core.tables import Table
from resources.services.reading import SHOWN_DAYS, ReadService
from resources.services.rows import BackwardPeriod, Rows, RowService, UnknownSnapshot

MOST_ROWS: Final = 10_000
LONGEST_VALUE: Final = 200
WITHOUT_NUL: Final = "^[^\\u0000]*$"
MOST_DAYS: Final = 400
Form = Literal["json", "csv", "arrow"]
Period = tuple[date | None, date | None]
CSV: Final = "text/csv; charset=utf-8"
ARROW: Final = "application/vnd.apache.arrow.stream"
PAGING: Final = ("limit", "offset", "format", "snapshot")
PERIOD: Final = ("from", "to")
_TYPES: Final[Mapping[str, Any]] = {
    "VARCHAR": str,
    "DATE": date,
    "TIMESTAMP": str,
    "BIGINT": int,
    "INTEGER": int,
    "DOUBLE": float,
    "BOOLEAN": bool,
}


class Problem(BaseModel):
    """Why there is no answer."""

    error: str = Field(description="What is wrong, such as the name of a parameter.")
    problem: str = Field(description="What is wrong with it.")
    hint: str = Field("", description="What to do next.")


class Lineage(BaseModel):
    """What a table is, and what it is made from."""

    table: str
    description: str
    key: list[str]
    day: str | None = Field(description="Column of the day; null where the table has no days.")
    columns: dict[str, str] = Field(description="What each column holds.")
    made_from: list[str] = Field(description="Tables that its days are computed from.")
    queries: list[str] = Field(description="SQL that computes it.")


class Index(BaseModel):
    """What can be read."""

    snapshot: int | None
    readings: dict[str, str] = Field(description="Addresses, with what each row is.")


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


def app_of(rows: RowService, read: ReadService) -> FastAPI:
    """Return the application.

    Args:
        rows: Reads rows of the lake.
        read: Reads the pages of the dashboard.
    """
    app = FastAPI(
        title="Product Intelligence Platform",
        version="1",
        description=__doc__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    app.add_exception_handler(RequestValidationError, _misunderstood)
    app.add_exception_handler(PlatformError, _refused)

    @app.get("/", include_in_schema=False)
    @app.get("/v1", summary="What can be read", responses=_problems(422, 503))
    def index(_: Annotated[None, Depends(_only())]) -> Index:
        readings = {f"/v1/{each.name}": each.table.description for each in READINGS}
        pages = {f"/v1/pages/{name}": "A page of the dashboard, as sentences and rows." for name in _pages(read)}
        return Index(
            snapshot=rows.snapshot(), readings={**readings, **pages, "/v1/lineage": "What each table is made from."}
        )

    @app.get("/v1/lineage", summary="What each table is made from", responses=_problems(422, 503))
    def lineage(_: Annotated[None, Depends(_only())]) -> list[Lineage]:
        return [_lineage(table) for table in TABLES]

    for reading in READINGS:
        _add(app, rows, reading)
    for name, page in _pages(read).items():
        _add_page(app, name, page)
    return app


def _pages(read: ReadService) -> Mapping[str, Callable[[str, str, int], Page]]:
    """Return how each page of the dashboard is read, given a feature, a segment and a number of days."""
    return {
        "today": lambda *_: read.today(),
        "features": lambda *_: read.features(),
        "feature": lambda feature, _, days: read.feature(feature, days=days),
        "people": lambda _, segment, days: read.people(segment=segment, days=days),
        "experiments": lambda _, segment, __: read.experiments(segment=segment),
        "causes": lambda feature, _, days: read.causes(feature, days=days),
        "coming": lambda _, segment, days: read.coming(segment=segment, days=days),
        "decisions": lambda feature, _, days: read.decisions(feature, days=days),
        "platform": lambda _, __, days: read.health(days=days),
    }


# By what each page can be asked for.
_PAGE_FILTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "feature": ("feature", "days"),
    "people": ("segment", "days"),
    "experiments": ("segment",),
    "causes": ("feature", "days"),
    "coming": ("segment", "days"),
    "decisions": ("feature", "days"),
    "platform": ("days",),
}


def _add_page(app: FastAPI, name: str, page: Callable[[str, str, int], Page]) -> None:
    asked = _PAGE_FILTERS.get(name, ())

    def shown(request: Request) -> Response:
        given = request.query_params
        days = given.get("days", str(SHOWN_DAYS))
        if not (days.isascii() and days.isdigit() and 1 <= int(days) <= MOST_DAYS):
            raise UsageError("days", f"is no whole number from 1 to {MOST_DAYS}.", hint="Give such a number.")
        found = page(given.get("feature", ""), given.get("segment", ""), int(days))
        words = {
            "snapshot": found.as_of.snapshot,
            "as_of": found.as_of.sentence(),
            "sentences": found.sentences,
            "parts": {
                title: {
                    "finding": part.finding,
                    "period": part.period,
                    "meaning": part.meaning,
                    "source": part.source,
                    "marks": [{"day": mark.day, "text": mark.label} for mark in part.marks],
                    "rows": part.rows,
                }
                for title, part in found.parts.items()
            },
        }
        return Response(json.dumps(plain(words)), media_type="application/json")

    text = {"type": "string", "maxLength": LONGEST_VALUE, "pattern": WITHOUT_NUL}
    number = {"type": "integer", "minimum": 1, "maximum": MOST_DAYS, "default": SHOWN_DAYS}
    app.add_api_route(
        f"/v1/pages/{name}",
        shown,
        methods=["GET"],
        name=f"page {name}",
        summary=f"The page {name} of the dashboard, as sentences and rows",
        dependencies=[Depends(_only(*asked))],
        responses={200: {"model": PageOfWords}, **_problems(422, 503)},
        openapi_extra={
            "parameters": [
                {"name": each, "in": "query", "required": False, "schema": number if each == "days" else text}
                for each in asked
            ]
        },
    )


def _add(app: FastAPI, rows: RowService, reading: Reading) -> None:
    table = reading.table
    of_the_period = Depends(_period if table.day else _no_period)

    def read(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS, description="Greatest number of rows.")] = 1_000,
        offset: Annotated[int, Query(ge=0, le=10**9, description="How many rows to leave out before them.")] = 0,
        form: Annotated[
            Form | None, Query(alias="format", description="Form of the answer; the header Accept says it too.")
        ] = None,
        snapshot: Annotated[
            int | None, Query(ge=0, le=2**62, description="The snapshot to read; by default the newest one.")
        ] = None,
        period: Period = of_the_period,
    ) -> Response:
        newest = rows.snapshot() if snapshot is None else snapshot
        chosen_form = form or _accepted(request.headers.get("accept", ""))
        tag = f'"{newest}-{chosen_form}"'
        if newest is not None and tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers={"ETag": tag})
        chosen = {name: request.query_params[name] for name in reading.chosen_by if name in request.query_params}
        found = rows.rows(
            reading,
            first=period[0],
            last=period[1],
            chosen=chosen,
            limit=limit,
            offset=offset,
            snapshot=snapshot,
        )
        answer = _ANSWERS[chosen_form](found, request, table)
        answer.headers["Vary"] = "Accept"
        if found.snapshot is not None:
            answer.headers["ETag"] = f'"{found.snapshot}-{chosen_form}"'
            answer.headers["X-Snapshot"] = str(found.snapshot)
        return answer

    asked = (*PAGING, *(PERIOD if table.day else ()), *reading.chosen_by)
    app.add_api_route(
        f"/v1/{reading.name}",
        read,
        methods=["GET"],
        name=reading.name,
        summary=table.description,
        description=f"Rows of `{table.path}`, ordered by {', '.join(reading.order)}.",
        dependencies=[Depends(_only(*asked))],
        responses={
            200: {
                "model": _page_model(reading),
                "content": {
                    "text/csv": {"schema": {"type": "string"}},
                    ARROW: {"schema": {"type": "string", "format": "binary"}},
                },
            },
            304: {"description": "Nothing was written since the answer of which the ETag was sent."},
            **_problems(404, 409, 422, 503),
        },
        openapi_extra={"parameters": [_text_parameter(table, name) for name in reading.chosen_by]},
    )


def _iso_day(value: object) -> object:
    """Let nothing but a day as in 2026-05-31 pass, since numbers would count as seconds since 1970."""
    if isinstance(value, str) and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        raise ValueError("is no day such as 2026-05-31")
    return value


Day = Annotated[date, BeforeValidator(_iso_day)]


def _period(
    first: Annotated[
        Day | None, Query(alias="from", description="First day; by default 27 days before the last.")
    ] = None,
    last: Annotated[Day | None, Query(alias="to", description="Last day; by default the newest one.")] = None,
) -> Period:
    return first, last


def _no_period() -> Period:
    return None, None


def _only(*asked: str) -> Callable[[Request], None]:
    """Return the dependency that refuses parameters that an address does not have, and those that are given twice or empty."""

    def checked(request: Request) -> None:
        for name, value in request.query_params.multi_items():
            if name not in asked:
                has = f"It has {', '.join(asked)}." if asked else "It has none."
                raise UsageError(name, "is no parameter of this address.", hint=has)
            if len(request.query_params.getlist(name)) > 1:
                raise UsageError(name, "is given more than once.", hint="Give one value.")
            if len(value) > LONGEST_VALUE or "\x00" in value:
                raise UsageError(name, f"is no value of up to {LONGEST_VALUE} characters.", hint="Give a shorter one.")

    return checked


def _accepted(header: str) -> Form:
    accepted = header.lower()
    return "csv" if "text/csv" in accepted else "arrow" if ARROW in accepted else "json"


def _as_json(found: Rows, request: Request, table: Table) -> Response:
    following = None
    if found.next_offset is not None:
        url = request.url.include_query_params(offset=found.next_offset, snapshot=found.snapshot)
        following = f"{url.path}?{url.query}"
    head = {
        "snapshot": found.snapshot,
        "table": table.path,
        "from": found.first.isoformat() if found.first else None,
        "to": found.last.isoformat() if found.last else None,
        "next": following,
    }
    return Response(
        f'{json.dumps(head)[:-1]}, "rows": {_plain(found.rows).write_json()}}}', media_type="application/json"
    )


def _as_csv(found: Rows, _: Request, __: Table) -> Response:
    lists = [name for name, kind in found.rows.schema.items() if isinstance(kind, pl.List)]
    flat = found.rows.with_columns(pl.col(name).cast(pl.List(pl.String)).list.join("; ") for name in lists)
    return Response(_plain(flat).write_csv(), media_type=CSV)


def _as_arrow(found: Rows, _: Request, __: Table) -> Response:
    written = io.BytesIO()
    found.rows.write_ipc_stream(written)
    return Response(written.getvalue(), media_type=ARROW)


_ANSWERS: Final[Mapping[Form, Callable[[Rows, Request, Table], Response]]] = {
    "json": _as_json,
    "csv": _as_csv,
    "arrow": _as_arrow,
}


def _plain(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with times as ISO 8601 and without numbers that JSON does not know."""
    times = [name for name, kind in rows.schema.items() if isinstance(kind, pl.Datetime)]
    numbers = [name for name, kind in rows.schema.items() if kind in (pl.Float64, pl.Float32)]
    return rows.with_columns(
        *(pl.col(name).dt.to_string("iso:strict") for name in times),
        *(pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in numbers),
    )


def _page_model(reading: Reading) -> type[BaseModel]:
    table = reading.table
    name = reading.name.title().replace("-", "")
    fields: dict[str, Any] = {
        column.name: (_typed(column.type) | None, Field(description=column.description)) for column in table.columns
    }
    row = create_model(f"{name}Row", __doc__=table.description, **fields)
    period = Field(description="Day of the period; null where the table has no days, or none yet.")
    page: dict[str, Any] = {
        "snapshot": (int | None, Field(description="Snapshot of the lake that was read.")),
        "table": (str, Field(description="The table of the lake.")),
        "from": (date | None, period),
        "to": (date | None, period),
        "next": (str | None, Field(description="Address of the next page; null after the last row.")),
        "rows": (GenericAlias(list, (row,)), Field(description=table.description)),
    }
    return create_model(f"{name}Page", __doc__=f"Rows of {table.path}.", **page)


def _typed(sql_type: str) -> Any:
    return GenericAlias(list, (_TYPES[sql_type[:-2]] | None,)) if sql_type.endswith("[]") else _TYPES[sql_type]


def _text_parameter(table: Table, name: str) -> dict[str, Any]:
    (column,) = (each for each in table.columns if each.name == name)
    schema = {"type": "string", "maxLength": LONGEST_VALUE, "pattern": WITHOUT_NUL}
    return {"name": name, "in": "query", "required": False, "description": column.description, "schema": schema}


def _lineage(table: Table) -> Lineage:
    return Lineage(
        table=table.path,
        description=table.description,
        key=list(table.key),
        day=table.day,
        columns={column.name: column.description for column in table.columns},
        made_from=[each.path for each in table.recipe.tables],
        queries=list(table.recipe.queries),
    )


def _problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    return {code: {"model": Problem} for code in codes}


_CODES: Final[Mapping[type[PlatformError], int]] = {LakeError: 503, UnknownSnapshot: 404, BackwardPeriod: 409}


def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PlatformError)
    status = next((code for kind, code in _CODES.items() if isinstance(error, kind)), 422)
    return JSONResponse(Problem(error=str(error.culprit), problem=error.problem, hint=error.hint).model_dump(), status)


def _misunderstood(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(each) for each in first["loc"][1:])
    return JSONResponse(Problem(error=where or "request", problem=f"{first['msg']}.", hint="").model_dump(), 422)
