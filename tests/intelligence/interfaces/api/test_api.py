"""The read API gives the rows of the tables, keeps what its OpenAPI document promises, and cannot write."""

import csv
import io
import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from pydantic import SecretStr

from intelligence.catalog.layers import TABLES
from intelligence.catalog.offered import OFFERED, Offered
from intelligence.core.errors import PlatformError
from intelligence.interfaces.api.app import app_of
from intelligence.interfaces.api.keys import with_keys
from intelligence.interfaces.api.pages import PAGES
from resources.config.settings import api_keys
from resources.lake.door import Lake
from tests.lakes import lake_in
from tests.made_up_rows import DAYS, FIRST, HOSTILE, filled, rows_for
from tests.platforms import platform_in

with warnings.catch_warnings():
    # Starlette 1 warns that its test client will take httpx2 in the place of httpx.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A lake with rows in every table that can be read."""
    made = lake_in(tmp_path_factory.mktemp("api"))
    filled(made, *(offered.table for offered in OFFERED if not offered.table.is_view))
    yield made
    made.close()


def app_over(lake: Lake) -> FastAPI:
    """The application over a lake."""
    folder = Path(lake.catalog.removeprefix("sqlite:")).parent
    platform = replace(platform_in(folder / "platform"), lake=lake)
    return app_of(platform.rows, platform.reading)


@pytest.fixture(scope="module")
def client(lake: Lake) -> TestClient:
    return TestClient(app_over(lake))


def stored(lake: Lake, offered: Offered) -> list[dict[str, Any]]:
    """The rows of a table as JSON knows them."""
    return [
        {name: plain(value) for name, value in row.items()}
        for row in lake.frame(f"FROM {offered.table.path}").rows(named=True)
    ]


def plain(value: Any) -> Any:
    """A value as JSON knows it."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    return value.isoformat() if isinstance(value, date) else value


def in_order(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


@pytest.mark.parametrize("offered", OFFERED, ids=lambda each: each.name)
def test_each_address_gives_the_rows_of_its_table(offered: Offered, lake: Lake, client: TestClient) -> None:
    answer = client.get(f"/v1/{offered.name}")
    expected = in_order(stored(lake, offered))
    assert answer.status_code == 200, answer.text
    assert in_order(answer.json()["rows"]) == expected
    assert bool(expected) is not offered.table.is_view
    as_csv = list(csv.DictReader(io.StringIO(client.get(f"/v1/{offered.name}?format=csv").text)))
    arrow = client.get(f"/v1/{offered.name}", headers={"Accept": "application/vnd.apache.arrow.stream"})
    as_frame = pl.read_ipc_stream(io.BytesIO(arrow.content))
    assert len(as_csv) == as_frame.height == len(expected)
    assert as_frame.columns == [column.name for column in offered.table.columns]


def test_pages_give_each_row_once_and_stay_in_their_snapshot(lake: Lake, client: TestClient) -> None:
    url, found = "/v1/kpis?limit=5", []
    while url:
        page = client.get(url).json()
        found += page["rows"]
        url = page["next"]
    assert len(found) == 12
    assert in_order(found) == in_order(stored(lake, next(each for each in OFFERED if each.name == "kpis")))


def test_rows_are_chosen_by_period_and_by_value(client: TestClient) -> None:
    day = str(FIRST + timedelta(days=1))
    found = client.get(f"/v1/kpis?from={day}&to={day}").json()
    assert {row["event_date"] for row in found["rows"]} == {day}
    assert (found["from"], found["to"]) == (day, day)
    for text in HOSTILE:
        chosen = client.get("/v1/kpis", params={"segment": text}).json()["rows"]
        assert {row["segment"] for row in chosen} <= {text}
    assert client.get("/v1/kpis", params={"segment": HOSTILE[1]}).json()["rows"]


@pytest.mark.parametrize("name", ["decisions", "actions", "outcomes"])
def test_a_decision_is_traced_by_its_id(name: str, client: TestClient) -> None:
    known = {row["decision_id"] for row in client.get(f"/v1/{name}").json()["rows"]}
    assert known
    for decision in known:
        found = client.get(f"/v1/{name}", params={"decision_id": decision}).json()["rows"]
        assert {row["decision_id"] for row in found} == {decision}


@pytest.mark.parametrize(
    ("query", "culprit"),
    [
        ("limit=0", "limit"),
        ("limit=99999", "limit"),
        ("offset=-1", "offset"),
        ("from=yesterday", "from"),
        ("from=0", "from"),
        ("to=1e9", "to"),
        ("segment=a&segment=b", "segment"),
        ("colour=red", "colour"),
        ("format=xml", "format"),
        (f"segment={'a' * 201}", "segment"),
        ("segment=%00", "segment"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_named(query: str, culprit: str, client: TestClient) -> None:
    answer = client.get(f"/v1/kpis?{query}")
    assert answer.status_code == 422
    assert answer.json()["error"] == culprit


def test_what_is_not_there_and_what_contradicts_itself_have_codes_of_their_own(client: TestClient) -> None:
    gone = client.get("/v1/kpis?snapshot=123456789")
    assert (gone.status_code, gone.json()["error"]) == (404, "snapshot 123456789")
    early = client.get("/v1/kpis?snapshot=0")
    assert (early.status_code, early.json()["problem"]) == (404, "does not hold metrics.kpi_day as it is now.")
    backward = client.get("/v1/kpis?from=2026-05-05&to=2026-05-04")
    assert (backward.status_code, backward.json()["error"]) == (409, "2026-05-04")


def test_what_has_no_days_takes_no_period(client: TestClient) -> None:
    answer = client.get("/v1/features?from=2026-05-04")
    assert (answer.status_code, answer.json()["error"]) == (422, "from")


def test_an_answer_is_asked_for_again_only_after_something_was_written(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    offered = next(each for each in OFFERED if each.name == "kpis")
    lake = lake_in(tmp_path_factory.mktemp("etag"))
    lake.replace(offered.table, DAYS, "FROM made", frames={"made": rows_for(offered.table)})
    client = TestClient(app_over(lake))
    first = client.get("/v1/kpis")
    same = client.get("/v1/kpis", headers={"If-None-Match": first.headers["ETag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert client.get("/v1/kpis?format=csv", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200
    lake.replace(offered.table, DAYS, "FROM made", frames={"made": rows_for(offered.table).head(1)})
    later = client.get("/v1/kpis", headers={"If-None-Match": first.headers["ETag"]})
    assert (later.status_code, len(later.json()["rows"])) == (200, 1)
    before = client.get(f"/v1/kpis?snapshot={first.headers['X-Snapshot']}").json()
    assert before["rows"] == first.json()["rows"]
    lake.close()


def test_an_empty_lake_has_no_rows_and_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    lake = Lake(catalog=f"sqlite:{tmp_path_factory.mktemp('none')}/catalog.sqlite", store="nowhere")
    client = TestClient(app_over(lake))
    assert client.get("/v1").json()["snapshot"] is None
    for offered in OFFERED:
        found = client.get(f"/v1/{offered.name}").json()
        assert (found["snapshot"], found["rows"]) == (None, [])


def test_only_get_is_answered_and_nothing_is_written(lake: Lake, client: TestClient) -> None:
    before = lake.snapshot_id()
    for path, methods in client.get("/v1/openapi.json").json()["paths"].items():
        assert list(methods) == ["get"]
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert client.request(method, path).status_code == 405
        client.get(path)
    assert lake.snapshot_id() == before


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_of_the_dashboard_are_read_by_the_same_model(name: str, client: TestClient, lake: Lake) -> None:
    found = client.get(f"/v1/pages/{name}", params={"name": HOSTILE[1]} if name == "feature" else {})
    assert found.status_code == 200, found.text
    assert found.json()["snapshot"] == lake.snapshot_id()
    assert found.json()["sentences"]
    assert client.get(f"/v1/pages/{name}?colour=red").status_code == 422


KEYS = (SecretStr("k1-0123456789012345678"), SecretStr("k2-0123456789012345678"))
THROUGH = {"Host": "api.example.com"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"X-Forwarded-For": "10.0.0.7"}, 401),
        (THROUGH, 401),
        ({**THROUGH, "Authorization": f"Bearer {KEYS[0].get_secret_value()}"}, 200),
        ({**THROUGH, "Authorization": f"bearer {KEYS[1].get_secret_value()}"}, 200),
        ({**THROUGH, "Authorization": KEYS[1].get_secret_value()}, 401),
        ({**THROUGH, "Authorization": f"Basic {KEYS[1].get_secret_value()}"}, 401),
        ({**THROUGH, "Authorization": "Bearer "}, 401),
        ({**THROUGH, "Authorization": f"Bearer {KEYS[1].get_secret_value()[:-1]}"}, 401),
    ],
)
def test_a_request_through_a_proxy_needs_a_key_where_there_are_some(
    headers: dict[str, str], status: int, lake: Lake
) -> None:
    asked = TestClient(with_keys(app_over(lake), KEYS), base_url="http://127.0.0.1:8502")
    for path in ("/v1", "/v1/kpis", "/v1/pages/today", "/v1/openapi.json"):
        answer = asked.get(path, headers=headers)
        assert answer.status_code == status, (path, answer.text)
        assert not any(each.get_secret_value() in answer.text for each in KEYS)
        if status == 401:
            assert answer.json()["error"] == "authorization"
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert TestClient(with_keys(app_over(lake), ())).get("/v1", headers=headers).status_code == 200


def test_the_document_says_that_a_key_may_be_needed(client: TestClient) -> None:
    document = client.get("/v1/openapi.json").json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert document["security"] == [{}, {"key": []}]
    assert all("401" in methods["get"]["responses"] for methods in document["paths"].values())


def test_keys_come_from_the_environment_and_a_short_one_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INTELLIGENCE_API_KEYS", ", ".join(each.get_secret_value() for each in KEYS))
    assert api_keys() == KEYS
    assert "k1-" not in str(api_keys())
    monkeypatch.setenv("INTELLIGENCE_API_KEYS", "hunter2")
    with pytest.raises(PlatformError, match="fewer than 20 characters") as refused:
        api_keys()
    assert "hunter2" not in str(refused.value)


def test_the_lineage_names_what_each_table_is_made_from(client: TestClient) -> None:
    found = {each["table"]: each for each in client.get("/v1/lineage").json()}
    assert set(found) == {table.path for table in TABLES}
    assert "metrics.user_day" in found["metrics.kpi_day"]["made_from"]
    assert found["metrics.kpi_day"]["columns"]["dau"]


@pytest.mark.proof
def test_every_answer_is_as_the_document_says(lake: Lake) -> None:
    """Requests that fit the document and requests that do not are made up from it, and each answer is held against it."""
    document = schemathesis.openapi.from_asgi("/v1/openapi.json", app_over(lake))
    asked = 0
    for operation in (found.ok() for found in document.get_all_operations()):
        # What has no parameter cannot be asked wrongly.
        modes = schemathesis.GenerationMode if len(operation.query) else [schemathesis.GenerationMode.POSITIVE]
        for mode in modes:
            check_answers(operation, mode)
        asked += 1
    assert asked == len(OFFERED) + len(PAGES) + 2


def check_answers(operation: Any, mode: schemathesis.GenerationMode) -> None:
    @settings(max_examples=5, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate()

    check()
