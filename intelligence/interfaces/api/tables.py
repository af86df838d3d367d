"""An address for each table that is offered: its rows as JSON, CSV or an Arrow stream, in pages, as of any snapshot."""

import io
import json
import re
from collections.abc import Callable, Mapping
from datetime import date
from types import GenericAlias
from typing import Annotated, Any, Final, Literal

import polars as pl
from fastapi import Depends, FastAPI, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, Field, create_model

from intelligence.catalog.offered import Offered
from intelligence.core.csv_text import flat
from intelligence.core.tables import Table
from intelligence.interfaces.api.asking import only, problems, text_parameter
from resources.services.rows import Rows, RowService

MOST_ROWS: Final = 10_000
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


def add_table(app: FastAPI, rows: RowService, offered: Offered) -> None:
    """Add the address of a table.

    Args:
        app: The application.
        rows: Reads rows of the lake.
        offered: The table.
    """
    table = offered.table
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
        chosen = {name: request.query_params[name] for name in offered.chosen_by if name in request.query_params}
        found = rows.page(
            offered,
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

    asked = (*PAGING, *(PERIOD if table.day else ()), *offered.chosen_by)
    app.add_api_route(
        f"/v1/{offered.name}",
        read,
        methods=["GET"],
        name=offered.name,
        summary=table.description,
        description=f"Rows of `{table.path}`, ordered by {', '.join(offered.order)}.",
        dependencies=[Depends(only(*asked))],
        responses={
            200: {
                "model": _page_model(offered),
                "content": {
                    "text/csv": {"schema": {"type": "string"}},
                    ARROW: {"schema": {"type": "string", "format": "binary"}},
                },
            },
            304: {"description": "Nothing was written since the answer of which the ETag was sent."},
            **problems(404, 409, 422, 503),
        },
        openapi_extra={
            "parameters": [
                text_parameter(column.name, column.description)
                for column in table.columns
                if column.name in offered.chosen_by
            ]
        },
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
    return Response(_plain(flat(found.rows)).write_csv(), media_type=CSV)


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


def _page_model(offered: Offered) -> type[BaseModel]:
    table = offered.table
    name = offered.name.title().replace("-", "")
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
