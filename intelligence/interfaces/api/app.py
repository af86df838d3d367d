"""The read API, version 1: everything that the platform knows, to read.

There is one address for each table that is offered, one for each page of the dashboard, and what each table is made from. Every answer
says of which snapshot of the lake it is. The ETag of rows is that snapshot: while nothing new is written, the same question costs nothing.
"""

from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from intelligence.catalog.layers import TABLES
from intelligence.catalog.offered import OFFERED
from intelligence.core.errors import PlatformError
from intelligence.core.tables import Table
from intelligence.interfaces.api.asking import misunderstood, not_offered, only, problems, refused
from intelligence.interfaces.api.keys import document_keys
from intelligence.interfaces.api.pages import PAGES, add_page
from intelligence.interfaces.api.tables import add_table
from resources.services.reading import ReadService
from resources.services.rows import RowService


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
    addresses: dict[str, str] = Field(description="Addresses, with what each gives.")


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
    app.add_exception_handler(RequestValidationError, misunderstood)
    app.add_exception_handler(PlatformError, refused)
    app.add_exception_handler(HTTPException, not_offered)

    @app.get("/", include_in_schema=False)
    @app.get("/v1", summary="What can be read", responses=problems(422, 503))
    def index(_: Annotated[None, Depends(only())]) -> Index:
        tables = {f"/v1/{each.name}": each.table.description for each in OFFERED}
        pages = {f"/v1/pages/{name}": "A page of the dashboard, as sentences and rows." for name in PAGES}
        addresses = {**tables, **pages, "/v1/lineage": "What each table is made from."}
        return Index(snapshot=rows.snapshot(), addresses=addresses)

    @app.get("/v1/lineage", summary="What each table is made from", responses=problems(422, 503))
    def lineage(_: Annotated[None, Depends(only())]) -> list[Lineage]:
        return [_lineage(table) for table in TABLES]

    for offered in OFFERED:
        add_table(app, rows, offered)
    for name in PAGES:
        add_page(app, read, name)
    document_keys(app)
    return app


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
