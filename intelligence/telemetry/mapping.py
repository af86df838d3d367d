"""From a source's columns to the event contract: SQL that types each row and finds the first rule that it breaks."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

from intelligence.core.errors import SourceFileError
from intelligence.core.sql import identifier, literal
from intelligence.telemetry.contract import (
    CONTRACT,
    IDS,
    EventField,
    odd_names_sql,
    placeholder_sql,
    rules_of,
    typed_sql,
)
from intelligence.telemetry.local_time import UTC_NAME
from intelligence.telemetry.names import DEFAULT_NAMING, Naming, normalised_name_sql
from intelligence.telemetry.reading import WHOLE_ROW
from intelligence.telemetry.values import PLAIN_NUMERALS, Numerals, unknown_sql

_A_NAME = re.compile(r"[A-Za-z_]\w*")
_ALTERNATIVES = re.compile(r"\b(coalesce|ifnull|nvl|if|iif)\s*\(|\bcase\b", re.IGNORECASE)


def is_name(value: str) -> bool:
    """Return whether a mapping's value is the name of a column rather than an SQL expression.

    >>> is_name("latency"), is_name("latency * 1000")
    (True, False)
    """
    return _A_NAME.fullmatch(value) is not None and value.upper() not in ("NULL", "TRUE", "FALSE")


def raw_expressions(
    mapping: Mapping[str, str], columns: Sequence[str], *, origin: str, fields: Sequence[EventField] = CONTRACT
) -> dict[str, str]:
    """Return, per contract column, the SQL over the source's `columns` that yields its value (NULL where unmapped or mapped to NULL).

    A column that already has a contract name needs no line in the mapping.

    Args:
        mapping: The name of a column or an SQL expression, by contract column.
        columns: The source's own columns.
        origin: The source or file that errors name.
        fields: The contract.

    Raises:
        SourceFileError: A mapped column does not exist (see `missing_column`), or a required field has no source.

    >>> raw_expressions({"user_id": "uid", "event_type": "'use'"}, ["uid", "feature", "event_time"], origin="f.csv")["user_id"]
    '"uid"'
    """
    found: dict[str, str] = {}
    # SQL ignores case; a file has no two columns that differ in case alone.
    spelled = {column.lower(): column for column in columns}
    for field in fields:
        value = mapping.get(field.name, spelled.get(field.name))
        if value is None or value.strip("() \n").upper() == "NULL":
            found[field.name] = "NULL"
        elif value in columns:
            found[field.name] = identifier(value)
        elif value.lower() in spelled:
            found[field.name] = identifier(spelled[value.lower()])
        elif is_name(value):
            raise missing_column(value, field.name, columns, origin=origin)
        else:
            found[field.name] = f"({value})"
    if "anonymous_id" in found and found["user_id"] == "NULL":
        # Where a source has no logged-in users, all are anonymous.
        found["user_id"] = found["anonymous_id"]
    unserved = [field.name for field in fields if field.required and found[field.name] == "NULL"]
    if unserved:
        raise SourceFileError(
            origin,
            f"no column gives {', '.join(f'`{name}`' for name in unserved)}; it has {_listed(columns)}.",
            hint=f"Add it to the source's mapping in product.yaml, for example `{unserved[0]}: some_column`.",
        )
    return found


def near_fields(
    unmapped: Iterable[str], *, served: Iterable[str], fields: Sequence[EventField] = CONTRACT
) -> dict[str, str]:
    """Return, for unmapped columns, the most similar contract column that is not filled yet.

    Args:
        unmapped: Columns of the source.
        served: Contract columns that are filled already.
        fields: The contract.

    >>> near_fields(["latencyMs", "note"], served=["user_id"])
    {'latencyMs': 'latency_ms'}
    """
    served = set(served)
    free = {_bare(field.name): field.name for field in fields if field.name not in served}
    near = {column: difflib.get_close_matches(_bare(column), free, n=1, cutoff=0.85) for column in unmapped}
    return {column: free[found[0]] for column, found in near.items() if found}


def unmapped_columns(
    files: Sequence[Sequence[str]],
    *,
    mapped: Iterable[str],
    named: Iterable[str],
    fields: Sequence[EventField] = CONTRACT,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the columns that are not used, and a question for each whose name is similar to a field that its file lacks.

    Args:
        files: The columns of each file.
        mapped: The contract columns that the mapping fills.
        named: The columns that the mapping's expressions use.
        fields: The contract.
    """
    by_name = {field.name for field in fields} - set(mapped)
    used = {name.lower() for name in named} | by_name
    elsewhere = {name.lower(): name for columns in files for name in columns}
    unmapped: dict[str, str] = {}
    near: dict[str, tuple[str, str]] = {}
    for columns in files:
        own = [column for column in columns if column.lower() not in used]
        unmapped |= {column.lower(): column for column in own}
        served = {*mapped, *(by_name & {column.lower() for column in columns})}
        near |= {
            column.lower(): (column, field) for column, field in near_fields(own, served=served, fields=fields).items()
        }
    questions = (
        f"Its column `{column}` is not mapped; if it is `{field}`, {_what_to_write(column, field, elsewhere.get(field))}"
        for column, field in sorted(near.values())
    )
    return tuple(sorted(unmapped.values())), tuple(questions)


def _what_to_write(column: str, field: str, elsewhere: str | None) -> str:
    line = f"`{field}: {column}`"
    if elsewhere is None:
        return f"write {line} in the mapping."
    return f"which other files have as `{elsewhere}`, make its files a source of their own and write {line} in the mapping."


def two_users_question(mapping: Mapping[str, str], named: Iterable[str], *, served: Iterable[str]) -> str | None:
    """Return a question about a `user_id` that falls back from one column to another, where `anonymous_id` is not filled.

    Args:
        mapping: The name of a column or an SQL expression, by contract column.
        named: The columns that the expression of `user_id` uses.
        served: The contract columns that columns fill by their name.

    Returns:
        The question; None where `user_id` uses one column only, has no fallback, or `anonymous_id` is filled.

    >>> str(two_users_question({"user_id": "coalesce(account, device)"}, ["device", "account"], served=[]))[:70]
    '`user_id` is account or else device, so that whoever logs in is two us'
    """
    expression = mapping.get("user_id", "")
    parts = sorted(named, key=expression.lower().find)
    if len(parts) < 2 or "anonymous_id" in served or not _ALTERNATIVES.search(expression):
        return None
    last = parts[-1]
    return (
        f"`user_id` is {' or else '.join(parts)}, so that whoever logs in is two users. If {last} stands for somebody who is not"
        f" logged in, write `anonymous_id: {last}` and leave {last} out of `user_id`: both are one person then."
    )


def _bare(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def missing_column(name: str, field: str, columns: Sequence[str], *, origin: str) -> SourceFileError:
    """Return the error for a mapping that names a column which the file does not have.

    Args:
        name: The missing column.
        field: The contract column that it is mapped to.
        columns: The columns of the file, of which the most similar one is suggested.
        origin: The source or file that the error names.
    """
    near = difflib.get_close_matches(name, columns, n=1)
    hint = f"Did you mean `{near[0]}`?" if near else f"Map `{field}` to one of these in product.yaml."
    return SourceFileError(
        origin, f"column `{name}`, mapped to `{field}`, is not there; it has {_listed(columns)}.", hint=hint
    )


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(f"`{column}`" for column in columns[:30])
    return shown + (f" and {len(columns) - 30} more" if len(columns) > 30 else "")


def impossible_type(field: EventField, found: str) -> bool:
    """Return whether a column of this type can never fill the field.

    Args:
        field: The contract column.
        found: DuckDB's name of the type, such as `BIGINT` or `VARCHAR[]`.

    >>> impossible_type(CONTRACT[1], "BIGINT"), impossible_type(CONTRACT[1], "DATE")
    (True, False)
    """
    nested = found.endswith("]") or found.startswith(("STRUCT", "MAP", "UNION"))
    if field.name == "properties":
        return False
    if nested:
        return True
    timely = found.startswith("TIMESTAMP") or found == "DATE"
    if field.type == "TIMESTAMP":
        return not (timely or found in ("VARCHAR", '"NULL"'))
    if field.type == "VARCHAR":
        return False
    is_truth = found == "BOOLEAN" and field.type == "DOUBLE"
    return timely or is_truth or found.startswith(("TIME", "INTERVAL", "UUID", "BLOB"))


def type_mistakes(
    types: Mapping[str, str], raw: Mapping[str, str], *, origin: str, fields: Sequence[EventField] = CONTRACT
) -> None:
    """Raise SourceFileError where the type of a mapped expression can never fit its field.

    Args:
        types: DuckDB's name of the type of each expression, by contract column.
        raw: SQL by contract column, as `raw_expressions` returns it.
        origin: The source or file that the error names.
        fields: The contract.

    Raises:
        SourceFileError: With the expression, both types and how to convert.
    """
    for field in fields:
        if raw[field.name] != "NULL" and impossible_type(field, types[field.name]):
            hint = (
                "For a number of seconds write `to_timestamp(column)`."
                if field.type == "TIMESTAMP"
                else (f"Map `{field.name}` to another column or cast it in an SQL expression.")
            )
            raise SourceFileError(
                origin,
                f"{raw[field.name]}, mapped to `{field.name}`, is {types[field.name]}, not {field.type}.",
                hint=hint,
            )


def types_query(raw: Mapping[str, str]) -> str:
    """Return a SELECT whose columns, one per field, have the types of the mapped expressions."""
    return "SELECT " + ", ".join(f"{expression} AS {name}" for name, expression in raw.items()) + " FROM delivered"


def _rule_sql(template: str, typed: str, unknown: str, placeholder: str) -> str:
    meanings = {"typed": typed, "unknown": unknown, "placeholder": placeholder}
    return re.sub(r"\b(unknown|typed|placeholder)\b", lambda word: meanings[word.group()], template)


def _named_sql(field: EventField, naming: Naming) -> str:
    """Return SQL for the typed name in its normalised form."""
    written = f"CASE WHEN odd_names THEN {normalised_name_sql(field.name)} ELSE {field.name} END"
    folded = naming.fold and field.name not in IDS
    return f"{f'lower({written})' if folded else written} AS {field.name}"


def validation_statement(
    raw: Mapping[str, str],
    types: Mapping[str, str],
    *,
    table: str,
    content_id: str,
    payload: str,
    numerals: Numerals = PLAIN_NUMERALS,
    naming: Naming = DEFAULT_NAMING,
    clock: str = UTC_NAME,
    fields: Sequence[EventField] = CONTRACT,
) -> str:
    """Return the statement that validates the rows of `delivered` into a temporary table, reading them once.

    The table has one row per delivered row: the typed contract columns, `file_key`, `source_row`, `content_id` (NULL in a
    valid row with an event_id), and `broken`, the index in `rules_of(fields)` of the first rule that the row breaks, with
    `broken_value` and `payload` (NULL where the row satisfies the contract). `$earliest` and `$latest` bound `event_time`.

    Args:
        raw: SQL by contract column, as `raw_expressions` returns it.
        types: DuckDB's name of the type of each expression, by contract column.
        table: Name of the temporary table.
        content_id: SQL over the whole row for the hash of its content, evaluated only where it is needed.
        payload: SQL over the whole row for its text, evaluated only for rejected rows.
        numerals: How the source writes numbers in text.
        naming: How names are normalised, and which words are placeholders.
        clock: IANA time zone of times that name no zone.
        fields: The contract.
    """
    mapped = [field for field in fields if raw[field.name] != "NULL"]
    raws = "".join(f", {raw[field.name]} AS {_raw(field.name)}" for field in mapped)
    typed = ", ".join(
        f"{typed_sql(field, _raw(field.name), types[field.name], numerals, clock=clock)} AS {field.name}"
        for field in mapped
    )
    names = {field.name for field in mapped}
    # Text without a typed name is always blank, so it is unknown and never wrong.
    unknown = {
        field.name: "true"
        if field.name_like and types[field.name] == "VARCHAR"
        else unknown_sql(_raw(field.name), types[field.name])
        for field in mapped
    }
    placeholder = {field.name: placeholder_sql(field.name, naming.placeholders_of(field.name)) for field in mapped}
    mapped_rules = [(number, rule) for number, rule in enumerate(rules_of(fields)) if rule.field in names]
    cases = " ".join(
        f"WHEN {_rule_sql(rule.broken_when, rule.field, unknown[rule.field], placeholder[rule.field])} THEN {number}"
        for number, rule in mapped_rules
    )
    values = " ".join(f"WHEN {number} THEN CAST({_raw(rule.field)} AS VARCHAR)" for number, rule in mapped_rules)
    name_like = [field.name for field in mapped if field.name_like]
    named = ", ".join(_named_sql(field, naming) for field in mapped if field.name_like)
    required = [field.name for field in fields if field.required]
    # An optional name that is a placeholder is unknown.
    known = "".join(
        f", CASE WHEN {placeholder[name]} THEN NULL ELSE {name} END AS {name}"
        for name in name_like
        if name not in required
    )
    if "anonymous_id" in names:
        nobody = f"(user_id IS NULL OR {placeholder['user_id']}) AND NOT {placeholder['anonymous_id']}"
        known += f", CASE WHEN {nobody} THEN anonymous_id ELSE user_id END AS user_id"
    # The hash of the content is the identity only of rows without an event_id.
    has_id = "event_id IS NOT NULL" if "event_id" in names else "false"
    columns = ", ".join(
        f"TRY_CAST({field.name if field.name in names else 'NULL'} AS {field.type}) AS {field.name}" for field in fields
    )
    return (
        f"CREATE TEMP TABLE {table} AS SELECT file_key, source_row, broken,"
        f" CASE WHEN broken IS NULL AND {has_id} THEN NULL ELSE {content_id} END AS content_id,"
        f" CASE WHEN broken IS NOT NULL THEN {payload} END AS payload,"
        f" CASE WHEN broken IS NOT NULL THEN left(CASE broken {values} END, 1000) END AS broken_value, {columns} FROM ("
        f"SELECT *, CASE {cases} END AS broken FROM ("
        f"SELECT *{f' REPLACE ({known[2:]})' if known else ''} FROM (SELECT * REPLACE ({named}) FROM ("
        f"SELECT *, {odd_names_sql(name_like)} AS odd_names FROM (SELECT *, {typed} FROM ("
        f"SELECT __file AS file_key, __row AS source_row, {WHOLE_ROW}{raws} FROM delivered AS {WHOLE_ROW}))))))"
    )


def _raw(name: str) -> str:
    return identifier(f"raw {name}")


def rejected_query(fields: Sequence[EventField] = CONTRACT) -> str:
    """Return a SELECT of the rows of `judged` that break a rule, with reason, column, value and whole payload."""
    rules = rules_of(fields)
    names = " ".join(f"WHEN {number} THEN {literal(rule.field)}" for number, rule in enumerate(rules))
    reasons = " ".join(
        f"WHEN {number} THEN {literal(f'{rule.field} {rule.reason}')}" for number, rule in enumerate(rules)
    )
    feature = "feature" if any(field.name == "feature" for field in fields) else "CAST(NULL AS VARCHAR) AS feature"
    return (
        f"SELECT file_key, source_row, CASE broken {names} END AS column_name, CASE broken {reasons} END AS reason,"
        f" broken_value AS value, payload, true AS is_readable, content_id, {feature} FROM judged WHERE broken IS NOT NULL"
    )
