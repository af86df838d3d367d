"""What every address of the API shares: how parameters are checked, and how it says that there is no answer."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from intelligence.core.errors import LakeError, PlatformError, UsageError
from resources.services.rows import BackwardPeriod, UnknownSnapshot

LONGEST_VALUE: Final = 200
_CODES: Final[Mapping[type[PlatformError], int]] = {LakeError: 503, UnknownSnapshot: 404, BackwardPeriod: 409}


class Problem(BaseModel):
    """Why there is no answer."""

    error: str = Field(description="What is wrong, such as the name of a parameter.")
    problem: str = Field(description="What is wrong with it.")
    hint: str = Field("", description="What to do next.")


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Return how the document of the API describes answers that are none, by their status."""
    return {code: {"model": Problem} for code in codes}


def text_parameter(name: str, description: str) -> dict[str, Any]:
    """Return how the document of the API describes a parameter of text.

    Args:
        name: Its name.
        description: What it is.
    """
    schema = {"type": "string", "maxLength": LONGEST_VALUE, "pattern": "^[^\\u0000]*$"}
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def only(*asked: str) -> Callable[[Request], None]:
    """Return the dependency that refuses parameters that an address does not have, those that are given twice, and
    values that are too long."""

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


def refused(_: Request, error: Exception) -> JSONResponse:
    """Return an error that a person can act on as an answer."""
    assert isinstance(error, PlatformError)
    status = next((code for kind, code in _CODES.items() if isinstance(error, kind)), 422)
    return JSONResponse(Problem(error=str(error.culprit), problem=error.problem, hint=error.hint).model_dump(), status)


def not_offered(request: Request, error: Exception) -> JSONResponse:
    """Return as an answer that there is no such address, or that it does not take the method.

    Args:
        request: The request.
        error: What Starlette raised, with the status.
    """
    assert isinstance(error, HTTPException)
    said = {
        404: ("is no address here.", "`/v1/openapi.json` lists all of them."),
        405: (f"does not take {request.method}.", f"Use {(error.headers or {}).get('Allow', 'another method')}."),
    }
    problem, hint = said.get(error.status_code, (f"{error.detail}.", ""))
    found = Problem(error=request.url.path[:LONGEST_VALUE], problem=problem, hint=hint)
    return JSONResponse(found.model_dump(), error.status_code, error.headers)


def misunderstood(_: Request, error: Exception) -> JSONResponse:
    """Return what FastAPI finds wrong with a parameter as an answer."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(each) for each in first["loc"][1:])
    return JSONResponse(
        Problem(
            error=where or "request", problem=f"{first['msg']}.", hint="`/v1/openapi.json` says what it may be."
        ).model_dump(),
        422,
    )
