"""The decision API, version 1: may this event happen, and why.

`POST /v1/decide` takes one event or a list of them and answers allow, throttle or block, with the rule or the score, and all that it
rests on. It asks and does not count: the event itself comes through the stream. The same id gets the same answer.
"""

import math
import time
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from intelligence.core.errors import OnlineError, PlatformError, StateError, StoreError
from intelligence.interfaces.api.asking import Problem, misunderstood, not_offered, problems
from intelligence.interfaces.api.keys import document_keys
from intelligence.interfaces.online.metrics import CONTENT_TYPE, OnlineMetrics
from intelligence.interfaces.online.rates import RateLimits, TooMany
from intelligence.online.outcomes import MOST_OUTCOMES, Outcome, outcomes_in
from intelligence.telemetry.contract import IDENTIFIER_LIMIT
from resources.services.online_answers import OfAnother, OnlineAnswers, Question
from resources.state.aside import Aside

MOST_EVENTS: Final = 1_000
MOST_BYTES: Final = 1_000_000
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=IDENTIFIER_LIMIT, pattern=r"^[^\x00-\x1f\x7f]+$")]
Worth = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]


class AskedEvent(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An event about which is asked."""

    user_id: Annotated[Name, msgspec.Meta(description="The user, or the device of one who is not logged in.")]
    id: Annotated[Name | None, msgspec.Meta(description="The event's id; the same id gets the same answer.")] = None
    event_time: Annotated[
        datetime | None, msgspec.Meta(description="When it happened; without it now. UTC without a zone.")
    ] = None
    value: Annotated[Worth | None, msgspec.Meta(description="Its worth.")] = None
    errors: Annotated[bool, msgspec.Meta(description="Whether it met an error.")] = False
    crashed: Annotated[bool, msgspec.Meta(description="Whether it crashed.")] = False


class TooLarge(OnlineError):
    """A request is larger than what is taken."""


class Unknown(OnlineError):
    """What is asked for is not there."""


_decoder = msgspec.json.Decoder(
    AskedEvent | Annotated[list[AskedEvent], msgspec.Meta(min_length=1, max_length=MOST_EVENTS)]
)
_encoder = msgspec.json.Encoder()
_SCHEMA, _PARTS = msgspec.json.schema_components([AskedEvent], ref_template="#/components/schemas/{name}")
_CODES: Final[tuple[tuple[type[PlatformError], int], ...]] = (
    (OfAnother, 409),
    (TooLarge, 413),
    (TooMany, 429),
    (Unknown, 404),
    (StoreError, 503),
    (StateError, 503),
)
_SAID: Final = {"decision_id": "4711", "kind": "chargeback", "value": 25}
_EXAMPLE: Final = {"user_id": "a17", "id": "4711", "value": 25}


def app_of(answers: OnlineAnswers) -> FastAPI:
    """Return the application.

    Args:
        answers: Answers from the store of the stream.
    """
    app = FastAPI(
        title="Product Intelligence Platform: decisions",
        version="1",
        description=__doc__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    app.add_exception_handler(PlatformError, _refused)
    app.add_exception_handler(RequestValidationError, misunderstood)
    app.add_exception_handler(HTTPException, not_offered)
    # Whether the store of state answers or hangs must make no difference to decisions: it is asked in threads, for a limited time.
    metrics, aside = OnlineMetrics(answers), Aside()
    limits = RateLimits(answers.product.online.requests_per_second)
    _add_decide(app, answers, metrics, limits)
    _add_reading(app, answers, aside, limits)
    _add_guard(app, answers, aside, limits)
    _add_outcomes(app, answers, aside, limits)
    _add_operation(app, answers, metrics, aside)
    document_keys(app)
    return app


def _add_decide(app: FastAPI, answers: OnlineAnswers, metrics: OnlineMetrics, limits: RateLimits) -> None:
    one = {**_PARTS["AskedEvent"], "examples": [_EXAMPLE]}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": MOST_EVENTS}
    body = {"required": True, "content": {"application/json": {"schema": {"oneOf": [one, many]}}}}

    @app.post(
        "/v1/decide",
        summary="Decide on one event or a list of them",
        responses=problems(409, 413, 422, 429, 503),
        openapi_extra={"requestBody": body},
    )
    async def decide(request: Request) -> Response:
        """Answers with one decision for one event, and with a list in the same order for a list.

        `code` is 0 allow, 1 throttle or 2 block; `per_minute` and `delay_s` say how much a throttled entity keeps. Below the level
        `auto`, `is_enforced` is false: the answer is recorded, and everybody is to be let through.
        """
        started = time.perf_counter()
        await limits.take(request)
        asked = _read(await _body(request))
        several = isinstance(asked, list)
        events = asked if isinstance(asked, list) else [asked]
        limits.charge(request, len(events) - 1)
        found = answers.decided([_question(each) for each in events], now_ms=answers.now_ms())
        metrics.count(found, seconds=time.perf_counter() - started)
        return Response(_encoder.encode(found if several else found[0]), media_type="application/json")


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            raise TooLarge("body", f"is larger than {MOST_BYTES:,} bytes.", hint="Send fewer events at once.")
        parts.append(part)
    return b"".join(parts)


def _read(body: bytes) -> AskedEvent | list[AskedEvent]:
    try:
        found: AskedEvent | list[AskedEvent] = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OnlineError(
            "body",
            f"is no event and no list of events: {error}.",
            hint=f"Send for example {_encoder.encode(_EXAMPLE).decode()}.",
        ) from error
    return found


def _question(event: AskedEvent) -> Question:
    at = event.event_time
    moment = None if at is None else int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    return Question(event.user_id, event.id, moment, event.value, event.errors, event.crashed)


def _add_reading(app: FastAPI, answers: OnlineAnswers, aside: Aside, limits: RateLimits) -> None:
    limited = [Depends(limits.take)]

    @app.get(
        "/v1/decisions/{id:path}",
        summary="A decision, and all that it rests on",
        responses=problems(404, 422, 429, 503),
        dependencies=limited,
    )
    async def decision(id: str) -> dict[str, Any]:
        """Answers with the decision and its trace. `outcomes` are what became true of it, and null where that cannot be read now."""
        found = _found(answers.decision(id), id, "no decision with this id is kept")
        if answers.feedback is None:
            return found
        try:
            return {**found, "outcomes": await aside.answer(lambda: answers.became(id))}
        except StateError:
            return {**found, "outcomes": None}

    @app.get(
        "/v1/entities/{id:path}",
        summary="The windows of an entity, as they are now",
        responses=problems(404, 422, 429, 503),
        dependencies=limited,
    )
    async def entity(id: str) -> dict[str, Any]:
        return _found(
            answers.entity(id, now_ms=answers.now_ms()), id, "no event of this entity was read, or it was evicted"
        )

    @app.get(
        "/v1/features/{name:path}",
        summary="A feature by platform, release and window",
        responses=problems(404, 422, 429, 503),
        dependencies=limited,
    )
    async def feature(name: str) -> dict[str, Any]:
        rows = answers.feature(name, now_ms=answers.now_ms())
        return _found({"feature": name, "rows": rows} if rows else None, name, "no event of this feature was read")


def _add_outcomes(app: FastAPI, answers: OnlineAnswers, aside: Aside, limits: RateLimits) -> None:
    feedback = answers.feedback
    if feedback is None:
        return
    _, parts = msgspec.json.schema_components([Outcome], ref_template="#/components/schemas/{name}")
    one = {**parts["Outcome"], "examples": [_SAID]}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": MOST_OUTCOMES}
    body = {"required": True, "content": {"application/json": {"schema": {"oneOf": [one, many]}}}}

    @app.post(
        "/v1/outcomes",
        summary="Say what became true of a decision",
        responses=problems(413, 422, 429, 503),
        openapi_extra={"requestBody": body},
    )
    async def outcomes(request: Request) -> Response:
        """Answers with whether each outcome is new and whether its decision is known, one for one and a list for a list.

        An outcome counts once by its `id`, or without one by its decision and kind. It may come before its decision is known, and
        weeks after it. Send it again after a 503: it may have been recorded all the same, and counts once.
        """
        await limits.take(request)
        payload = await _body(request)
        found = outcomes_in(payload)
        if isinstance(found, str):
            raise OnlineError("body", f"is {found}.", hint=f"Send for example {_encoder.encode(_SAID).decode()}.")
        limits.charge(request, len(found) - 1)
        decisions = {each.decision_id: answers.decision(each.decision_id) for each in found}
        taken = await aside.answer(lambda: feedback.taken(found, decisions.get))
        several = payload.lstrip()[:1] == b"["
        return Response(_encoder.encode(taken if several else taken[0]), media_type="application/json")


def _add_guard(app: FastAPI, answers: OnlineAnswers, aside: Aside, limits: RateLimits) -> None:
    @app.get(
        "/v1/guard",
        summary="How the guard of the stream stands, and what it decided",
        responses=problems(429, 503),
        dependencies=[Depends(limits.take)],
    )
    async def guard() -> dict[str, Any]:
        """Answers with the standing of the guard, which is null before it looked, and its decisions, the newest first.

        `fault` says why it is suspended, and is empty while it watches. A decision has the standing of its actions by target.
        """
        return {"standing": answers.store.guard(), "decisions": await aside.answer(answers.guarded)}


def _add_operation(app: FastAPI, answers: OnlineAnswers, metrics: OnlineMetrics, aside: Aside) -> None:
    @app.get("/healthz", summary="Whether the process answers")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", summary="Whether it can decide, and how old what it knows is", responses=problems(503))
    async def readyz() -> dict[str, Any]:
        """Answers `ready` also where windows cannot be read, in which case rules alone decide, and `entities` is null."""
        sizes = answers.sizes()
        return {
            "status": "ready",
            "entities": sizes.entities,
            "silent_s": answers.silent_s(sizes, now_ms=answers.now_ms()),
        }

    @app.get("/metrics", summary="Metrics for Prometheus", response_class=Response, responses=problems(503))
    async def read_metrics() -> Response:
        await metrics.look(aside)
        return Response(metrics.text(), media_type=CONTENT_TYPE)


def _found(answer: dict[str, Any] | None, name: str, problem: str) -> dict[str, Any]:
    if answer is None:
        raise Unknown(name, f"{problem}.", hint="`intelligence online run` reads the stream.")
    return answer


def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PlatformError)
    status = next((code for kind, code in _CODES if isinstance(error, kind)), 422)
    said = Problem(error=str(error.culprit), problem=error.problem, hint=error.hint).model_dump()
    headers = {"retry-after": f"{max(1, math.ceil(error.wait_s))}"} if isinstance(error, TooMany) else None
    return JSONResponse(said, status, headers)
