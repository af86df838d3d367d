"""What a table of the lake is: its columns, key and the claims that its rows must satisfy."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    import polars as pl

KeyLook = Literal["key", "hash", "position"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column with its DuckDB type; `required` columns never hold NULL."""

    name: str
    type: str
    description: str
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A sentence about a table's rows and the SQL that returns the rows which contradict it.

    The SQL may use the parameters `$start` and `$end`, the half-open range of days that was just written.
    """

    name: str
    description: str
    contradictions: str
    severity: Literal["ERROR", "WARN"] = "ERROR"
    blocking: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The queries and functions that compute a table, and what they depend on.

    The days of a table are stale when the meaning of anything in its recipe has changed: see
    `docs/decisions/0003-days-know-what-they-were-built-from.md`. A new query, function or section that the asset uses is
    therefore added here; nothing finds it otherwise.

    Attributes:
        queries: SQL files under `intelligence/`, such as `metrics/user_day.sql`.
        functions: Python functions, such as `intelligence.metrics.health:feature_health`. What they call counts too.
        settings: Sections of product.yaml.
        tables: The tables that it is computed from and that are built day by day themselves.
    """

    queries: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    tables: tuple["Table", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of the lake.

    `day` names the column that holds the day, for tables that are replaced day by day; `lookback_days`
    says how many earlier days a day's rows are made from (None: all of them), and so how far a late event
    reaches. `page` is SQL for the small table that people see on the asset's page; a list of numbers in it is drawn
    as a sparkline.
    `numbers` is SQL for what the asset's page plots over days (or over runs, where it has no `event_date`): one row per
    `event_date` with a number in each other column, or rows of `name` and `value`.
    `newest_day_only` tables are built for the newest day alone: a later model's word on an earlier day is hindsight.
    Of a `position_key` the last column counts rows within the others.
    `recipe` names the queries and functions that compute it, for tables that are built day by day.
    """

    layer: str
    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    day: str | None = None
    lookback_days: int | None = 0
    claims: tuple[Claim, ...] = ()
    page: str | None = None
    numbers: str | None = None
    newest_day_only: bool = False
    position_key: bool = False
    is_view: bool = False
    recipe: Recipe = field(default=Recipe(), compare=False, repr=False)

    @property
    def path(self) -> str:
        """Return the table's name with its schema, such as `warehouse.fact_events`."""
        return f"{self.layer}.{self.name}"

    @property
    def required(self) -> tuple[str, ...]:
        """Return the names of the columns that never hold NULL."""
        return tuple(column.name for column in self.columns if column.required)

    def schema(self, *, without: Collection[str] = ()) -> "pl.Schema":
        """Return the polars types of the columns, but of those `without`, by their names in the order of the table."""
        import polars as pl

        return pl.Schema({each.name: polars_type(each.type) for each in self.columns if each.name not in without})

    def frame(self, rows: Sequence[Mapping[str, Any]]) -> "pl.DataFrame":
        """Return the rows as a frame with every column of the table in its type; a column that a row lacks is empty."""
        import polars as pl

        return pl.DataFrame(rows, schema=self.schema())


def polars_type(name: str) -> "pl.DataType":
    """Return the polars type of a DuckDB type by its name.

    >>> polars_type("VARCHAR[]")
    List(String)
    """
    import polars as pl

    if name.endswith("[]"):
        return pl.List(polars_type(name.removesuffix("[]")))
    return {
        "VARCHAR": pl.String(),
        "INTEGER": pl.Int32(),
        "DATE": pl.Date(),
        "BIGINT": pl.Int64(),
        "DOUBLE": pl.Float64(),
        "BOOLEAN": pl.Boolean(),
        "TIMESTAMP": pl.Datetime("us"),
    }[name]


@dataclass(frozen=True, slots=True)
class Days:
    """A half-open range of days, `start` included and `end` not."""

    start: date
    end: date

    @property
    def parameters(self) -> Mapping[str, date]:
        """Return the range as SQL parameters `$start` and `$end`."""
        return {"start": self.start, "end": self.end}

    @property
    def each(self) -> list[date]:
        """Return the days one by one."""
        return [self.start + timedelta(days=number) for number in range((self.end - self.start).days)]


# What a table that is not made day by day is replaced for.
ALWAYS: Final = Days(date.min, date.max)


@dataclass(frozen=True, slots=True)
class Read:
    """A table that another one is made from.

    Attributes:
        table: what is read.
        days_before: how many days before its own a day of the other table looks at, where both are kept by day.
        until_yesterday: only what was in it before the run began; so a table of a later layer is read without a circle.
    """

    table: Table
    days_before: int = 0
    until_yesterday: bool = False


Reads = Mapping[Table, tuple[Read, ...]]


def schema_contradictions(table: Table, found: Mapping[str, str]) -> tuple[str, ...]:
    """Return one sentence for each way in which the columns `found` (name to type) differ from the definition.

    >>> table = Table(layer="metrics", name="t", description="", columns=(Column("day", "DATE", ""),), key=("day",))
    >>> schema_contradictions(table, {"day": "VARCHAR", "extra": "BIGINT"})
    ('day is VARCHAR, not DATE', 'extra is not part of metrics.t')
    """
    expected = {column.name: column.type for column in table.columns}
    wrong = [
        f"{name} is {found[name]}, not {type_}" if name in found else f"{name} is missing"
        for name, type_ in expected.items()
        if found.get(name) != type_
    ]
    return (*wrong, *(f"{name} is not part of {table.path}" for name in found if name not in expected))


def _day_filter(table: Table) -> str:
    return f"{table.day} >= $start AND {table.day} < $end" if table.day else "true"


def standard_claims(table: Table) -> tuple[Claim, ...]:
    """Return the claims that every table makes: its key is unique and its required columns are filled.

    A view makes none of them: they are claimed where its rows are stored.
    """
    if table.is_view:
        return ()
    where = _day_filter(table)
    unique = unique_claim(table.path, table.key, where=where, by="position" if table.position_key else "key")
    nulls = " OR ".join(f"{name} IS NULL" for name in table.required)
    filled = Claim(
        name="required_columns_are_filled",
        description=f"Never NULL: {', '.join(table.required)}.",
        contradictions=f"SELECT {', '.join(table.key)} FROM {table.path} WHERE ({where}) AND ({nulls})",
    )
    return (unique, filled) if table.required else (unique,)


def unique_claim(path: str, key: Sequence[str], *, where: str, by: KeyLook = "key") -> Claim:
    """Return the claim that no two of the rows `where` share the key.

    `by` tells how to find the few rows that may: by the key itself, by a hash of it, which is faster for long keys of many
    rows, or by its last column, where that is a position: a bit for each of 64 positions spares nearly all of the work.
    All are exact for positions that are not NULL.

    >>> unique_claim("metrics.t", ("day",), where="true").contradictions
    'SELECT day, count(*) AS rows FROM metrics.t WHERE true GROUP BY day HAVING count(*) > 1'
    """
    names = ", ".join(key)
    if by == "hash":
        suspects = f"SELECT hash({names}) FROM {path} WHERE {where} GROUP BY ALL HAVING count(*) > 1"
        where = f"{where} AND hash({names}) IN ({suspects})"
    elif by == "position":
        block = ", ".join([*key[:-1], f"{key[-1]} >> 6"])
        positions = f"bit_count(bit_or(CAST(1 AS UBIGINT) << CAST({key[-1]} & 63 AS UBIGINT)))"
        suspects = f"SELECT ({block}) FROM {path} WHERE {where} GROUP BY {block} HAVING count(*) > {positions}"
        where = f"{where} AND ({block}) IN ({suspects})"
    return Claim(
        name="keys_are_unique",
        description=f"No two rows share {names}.",
        contradictions=f"SELECT {names}, count(*) AS rows FROM {path} WHERE {where} GROUP BY {names} HAVING count(*) > 1",
    )


def rate_claim(table: str, day: str, rates: tuple[str, ...]) -> Claim:
    """Return the claim that each of `rates` is a fraction."""
    outside = " OR ".join(f"{rate} NOT BETWEEN 0 AND 1" for rate in rates)
    return Claim(
        name="rates_are_fractions",
        description=f"Between 0 and 1: {', '.join(rates)}.",
        contradictions=f"SELECT * FROM {table} WHERE {day} >= $start AND {day} < $end AND ({outside})",
    )
