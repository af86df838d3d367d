"""A mapping becomes SQL, or an error that names the culprit and the next step."""

import pytest

from intelligence.core.errors import SourceFileError
from intelligence.telemetry.contract import CONTRACT, REQUIRED_COLUMNS, RULES, rules
from intelligence.telemetry.mapping import (
    impossible_type,
    raw_expressions,
    two_users_question,
    type_mistakes,
    unmapped_columns,
)
from intelligence.telemetry.reading import format_of

COLUMNS = ["event_time", "user_id", "feature", "event_type"]
FIELDS = {field.name: field for field in CONTRACT}


def test_columns_that_bear_a_contract_name_need_no_mapping() -> None:
    raw = raw_expressions({}, COLUMNS, origin="a.csv")
    assert {name: raw[name] for name in COLUMNS} == {name: f'"{name}"' for name in COLUMNS}
    assert set(raw.values()) - {f'"{name}"' for name in COLUMNS} == {"NULL"}


def test_a_columns_name_wins_over_an_expression_and_is_quoted() -> None:
    odd = 'a "b" + c'
    assert raw_expressions({"user_id": odd}, [*COLUMNS, odd], origin="a.csv")["user_id"] == '"a ""b"" + c"'
    assert raw_expressions({"user_id": odd}, COLUMNS, origin="a.csv")["user_id"] == f"({odd})"


@pytest.mark.parametrize("nothing", ["NULL", "null", " (Null) "])
def test_a_column_mapped_to_null_is_not_mapped(nothing: str) -> None:
    assert raw_expressions({"crashed": nothing}, COLUMNS, origin="a.csv")["crashed"] == "NULL"
    with pytest.raises(SourceFileError, match="no column gives `event_type`"):
        raw_expressions({"event_type": nothing}, COLUMNS, origin="a.csv")


@pytest.mark.parametrize("constant", ["true", "'use'", "1 + 1"])
def test_constants_are_expressions(constant: str) -> None:
    assert raw_expressions({"crashed": constant}, COLUMNS, origin="a.csv")["crashed"] == f"({constant})"


def test_a_missing_column_is_named_with_the_nearest_one() -> None:
    with pytest.raises(SourceFileError) as caught:
        raw_expressions({"user_id": "user"}, COLUMNS, origin="a.csv")
    assert caught.value.culprit == "a.csv"
    assert "`user`" in caught.value.problem
    assert caught.value.hint == "Did you mean `user_id`?"


@pytest.mark.parametrize("column", REQUIRED_COLUMNS)
def test_a_required_column_without_a_source_is_named(column: str) -> None:
    with pytest.raises(SourceFileError, match=f"`{column}`"):
        raw_expressions({}, [name for name in COLUMNS if name != column], origin="a.csv")


@pytest.mark.parametrize(
    ("field", "found", "impossible"),
    [
        ("event_time", "TIMESTAMP WITH TIME ZONE", False),
        ("event_time", "DATE", False),
        ("event_time", "BIGINT", True),
        ("latency_ms", "DECIMAL(18,3)", False),
        ("latency_ms", "TIMESTAMP", True),
        ("latency_ms", "DOUBLE[]", True),
        ("user_id", "BIGINT", False),
        ("user_id", "BLOB", False),
        ("latency_ms", "BLOB", True),
        ("latency_ms", "BOOLEAN", True),
        ("error_count", "BOOLEAN", False),
        ("user_id", "STRUCT(a INTEGER)", True),
        ("properties", "STRUCT(a INTEGER)", False),
        ("properties", "MAP(VARCHAR, VARCHAR)", False),
        ("properties", "BLOB", False),
    ],
)
def test_types_that_can_never_fit_are_known(field: str, found: str, impossible: bool) -> None:
    assert impossible_type(FIELDS[field], found) is impossible


def test_a_number_of_seconds_is_told_how_to_become_a_time() -> None:
    raw = {field.name: "NULL" for field in CONTRACT} | {"event_time": '"ts"'}
    with pytest.raises(SourceFileError, match="to_timestamp"):
        type_mistakes({"event_time": "BIGINT"}, raw, origin="a.parquet")


def test_every_rule_is_of_a_field_and_tried_once() -> None:
    assert [rule for field in CONTRACT for rule in rules(field)] == list(RULES)
    assert len({(rule.field, rule.reason) for rule in RULES}) == len(RULES)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.csv.gz", "csv"),
        ("A.NDJSON", "jsonl"),
        ("b/c.parquet", "parquet"),
        ("x.JSONL.GZ", "jsonl"),
        ("a.json.gz", "jsonl"),
        ("a.json", "jsonl"),
        ("a.tsv", "csv"),
        ("a.TXT.zst", "csv"),
    ],
)
def test_the_suffix_says_the_format(name: str, form: str) -> None:
    assert format_of(name) == form


@pytest.mark.parametrize("name", ["a.xlsx", "a", "a.csv.zip", "csv"])
def test_an_unknown_suffix_is_refused(name: str) -> None:
    with pytest.raises(SourceFileError, match="suffix"):
        format_of(name)


OWN = "make its files a source of their own and write"
NEAR: dict[str, tuple[list[list[str]], list[str]]] = {
    "no file has the field": ([["errorCount"]], ["`error_count`, write `error_count: errorCount` in the mapping."]),
    "another file has it": (
        [["latency_ms"], ["latencyMs"]],
        [f"`latency_ms`, which other files have as `latency_ms`, {OWN} `latency_ms: latencyMs` in the mapping."],
    ),
    "another file has it in capitals": (
        [["latencyMs"], ["Latency_MS"]],
        [f"`latency_ms`, which other files have as `Latency_MS`, {OWN} `latency_ms: latencyMs` in the mapping."],
    ),
    "the same file has it": ([["latency_ms", "latencyMs"]], []),
    "each file has both columns": ([["latency_ms", "latencyMs"], ["latencyMs", "latency_ms"]], []),
    "in two spellings that are one": (
        [["latencyMs"], ["LatencyMs"]],
        ["`latency_ms`, write `latency_ms: LatencyMs` in the mapping."],
    ),
    "nothing near": ([["note"], ["comment", "latency_ms"]], []),
    "it is used": ([["took"], ["Took", "latency_ms"]], []),
    "its field is mapped": ([["Stars"], ["ratings"]], []),
    "a dash": ([["session-id"]], ["`session_id`, write `session_id: session-id` in the mapping."]),
    "two of them in one of three files": (
        [["platform"], ["platform", "app_version"], ["Plat_form", "appVersion"]],
        [
            f"`platform`, which other files have as `platform`, {OWN} `platform: Plat_form` in the mapping.",
            f"`app_version`, which other files have as `app_version`, {OWN} `app_version: appVersion` in the mapping.",
        ],
    ),
    "no file at all": ([], []),
}


@pytest.mark.parametrize(("files", "asked"), NEAR.values(), ids=NEAR)
def test_a_column_near_a_field_that_its_own_file_lacks_is_asked_about(files: list[list[str]], asked: list[str]) -> None:
    unmapped, questions = unmapped_columns(files, mapped=["rating"], named=["took"])
    assert [question.split("; if it is ")[1] for question in questions] == asked
    assert all(question.split("`")[1] in unmapped for question in questions)


# A mapping of user_id, the columns that it names, and the one that may stand for somebody who is not logged in.
MADE_OF = {
    "coalesce(account, device)": "device",
    "COALESCE( account ,device )": "device",
    "coalesce(nullif(account, ''), cookie)": "cookie",
    "ifnull(account, device)": "device",
    "CASE WHEN account <> '' THEN account ELSE device END": "device",
    "if(account = '', device, account)": "device",
    "coalesce(account, email, device)": "device",
    "coalesce(account, 'guest')": None,
    "account || tenant": None,
    "concat(tenant, ':', account)": None,
    "account": None,
    "lower(account)": None,
}


@pytest.mark.parametrize("expression", MADE_OF, ids=str)
def test_a_user_who_is_one_column_or_else_another_is_asked_about(expression: str) -> None:
    named = {name for name in ("account", "device", "cookie", "tenant", "email") if name in expression}
    question = two_users_question({"user_id": expression}, named, served=["user_id"])
    assert (question is None) == (MADE_OF[expression] is None)
    assert MADE_OF[expression] is None or f"write `anonymous_id: {MADE_OF[expression]}`" in str(question)
    assert two_users_question({"user_id": expression}, named, served=["anonymous_id"]) is None
