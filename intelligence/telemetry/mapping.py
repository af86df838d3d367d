"""From a source's columns to the event contract: SQL that types each row and names the first rule it breaks."""

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


def is_name(wanted: str) -> bool:
    """Return whether a mapping's value is the name of a column rather than an SQL expression.

    >>> is_name("latency"), is_name("latency * 1000")
    (True, False)
    """
    return _A_NAME.fullmatch(wanted) is not None and wanted.upper() not in ("NULL", "TRUE", "FALSE")


def raw_expressions(
    mapping: Mapping[str, str], columns: Sequence[str], *, origin: str, fields: Sequence[EventField] = CONTRACT
) -> dict[str, str]:
    """Return, per contract column, the SQL over the source's `columns` that yields its value (NULL where unmapped or mapped to NULL).

    A mapping's value is a column's name or an SQL expression; a column that already bears a contract name needs
    no line. Raises SourceFileError where a named column does not exist or a required one has no source.

    >>> raw_expressions({"user_id": "uid", "event_type": "'use'"}, ["uid", "feature", "event_time"], origin="f.csv")["user_id"]
    '"uid"'
    """
    found: dict[str, str] = {}
    # Case does not matter in SQL; a file has no two columns that differ in it alone.
    spelled = {column.lower(): column for column in columns}
    for field in fields:
        wanted = mapping.get(field.name, spelled.get(field.name))
        if wanted is None or wanted.strip("() \n").upper() == "NULL":
            found[field.name] = "NULL"
        elif wanted in columns:
            found[field.name] = identifier(wanted)
        elif wanted.lower() in spelled:
            found[field.name] = identifier(spelled[wanted.lower()])
        elif is_name(wanted):
            raise missing_column(wanted, field.name, columns, origin=origin)
        else:
            found[field.name] = f"({wanted})"
    if "anonymous_id" in found and found["user_id"] == "NULL":
        # Where nobody logs in, all are anonymous.
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
    """Return, of columns that are not mapped, the contract column that each may be meant for and that no column serves.

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
    """Return the columns that nothing is made from, and a question on each that is near a field which its file lacks.

    Args:
        files: The columns of each file.
        mapped: The contract columns that the mapping fills.
        named: The columns that its expressions use.
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
    """Return a question on a `user_id` that is one column or else another, of those `named` in it, without an `anonymous_id`.

    >>> str(two_users_question({"user_id": "coalesce(account, device)"}, ["device", "account"], served=[]))[:70]
    '`user_id` is account or else device, so that whoever logs in is two us'
    """
    wanted = mapping.get("user_id", "")
    parts = sorted(named, key=wanted.lower().find)
    if len(parts) < 2 or "anonymous_id" in served or not _ALTERNATIVES.search(wanted):
        return None
    last = parts[-1]
    return (
        f"`user_id` is {' or else '.join(parts)}, so that whoever logs in is two users. If {last} stands for somebody who is not"
        f" logged in, write `anonymous_id: {last}` and leave {last} out of `user_id`: both are one person then."
    )


def _bare(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def missing_column(name: str, wanted_for: str, columns: Sequence[str], *, origin: str) -> SourceFileError:
    """Return the error for a mapping that names a column which the file does not have."""
    near = difflib.get_close_matches(name, columns, n=1)
    hint = f"Did you mean `{near[0]}`?" if near else f"Map `{wanted_for}` to one of these in product.yaml."
    return SourceFileError(
        origin, f"column `{name}`, mapped to `{wanted_for}`, is not there; it has {_listed(columns)}.", hint=hint
    )


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(f"`{column}`" for column in columns[:30])
    return shown + (f" and {len(columns) - 30} more" if len(columns) > 30 else "")


def impossible_type(field: EventField, found: str) -> bool:
    """Return whether a column of DuckDB type `found` can never hold this field.

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
    """Raise SourceFileError where the type of an expression (`types`, by field) can never fit its field."""
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
    """Return SELECT text whose columns, one per field, have the types of the mapped expressions."""
    return "SELECT " + ", ".join(f"{expression} AS {name}" for name, expression in raw.items()) + " FROM delivered"


def _rule_sql(template: str, typed: str, unknown: str, placeholder: str) -> str:
    meanings = {"typed": typed, "unknown": unknown, "placeholder": placeholder}
    return re.sub(r"\b(unknown|typed|placeholder)\b", lambda word: meanings[word.group()], template)


def _named_sql(field: EventField, naming: Naming) -> str:
    """Return SQL for the typed name as it is written down."""
    written = f"CASE WHEN odd_names THEN {normalised_name_sql(field.name)} ELSE {field.name} END"
    folded = naming.fold and field.name not in IDS
    return f"{f'lower({written})' if folded else written} AS {field.name}"


def judged_statement(
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
    """Return the statement that makes the temporary `table` from `delivered`, which it reads once.

    One row per delivered row: the typed contract columns, `file_key`, `source_row`, `content_id` (NULL beside an
    event_id in a row that is whole), and `broken`, the index in `rules_of(fields)` of the first rule that it breaks, with
    `broken_value` and `payload` (NULL where it satisfies the contract). `$earliest` and `$latest` bound `event_time`.
    `content_id` and `payload` are SQL over the whole row, worked out only where they are needed.
    """
    mapped = [field for field in fields if raw[field.name] != "NULL"]
    raws = "".join(f", {raw[field.name]} AS {_raw(field.name)}" for field in mapped)
    typed = ", ".join(
        f"{typed_sql(field, _raw(field.name), types[field.name], numerals, clock=clock)} AS {field.name}"
        for field in mapped
    )
    names = {field.name for field in mapped}
    # Of text that is no name nothing remains but blanks.
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
    # The hash of the content is the identity only of rows that bring none.
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
    """Return SELECT text for the rows of `judged` that break a rule, with reason, column, value and whole payload."""
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
