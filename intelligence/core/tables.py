"""The definition of a table of the lake: its columns, its key and the claims that its rows must satisfy."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    import polars as pl

KeyLook = Literal["key", "hash", "position"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: Name of the column.
        type: DuckDB type, such as `VARCHAR[]`.
        description: A sentence on what the column holds.
        required: Whether the column never holds NULL.
    """

    name: str
    type: str
    description: str
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A sentence about a table's rows and the SQL that returns the rows which contradict it.

    Attributes:
        name: Name of the asset check.
        description: The sentence.
        contradictions: SQL that returns the contradicting rows; it may use `$start` and `$end`, the half-open range of
            days that was just written.
        severity: Severity of a failed check.
        blocking: Whether a failed check stops downstream assets in the same run.
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

    Attributes:
        layer: Schema of the table, which is the name of its layer.
        name: Name of the table within its schema.
        description: A sentence on what one row is.
        columns: Columns in their order.
        key: Columns that identify a row.
        day: Column that holds the day, for tables that are replaced day by day.
        lookback_days: How many earlier days a day's rows are computed from (None: all of them), and so how many later days
            a late event changes.
        claims: Claims beyond those that every table makes.
        page: SQL for the small table on the asset's page; a list of numbers in it is drawn as a sparkline.
        numbers: SQL for what the asset's page plots over days (or over runs, where it has no `event_date`): one row per
            `event_date` with a number in each other column, or rows of `name` and `value`.
        newest_day_only: Whether only the newest day is built: scores of a later model for an earlier day would be hindsight.
        position_key: Whether the last key column numbers the rows within the other key columns.
        is_view: Whether it is a view, whose rows are stored elsewhere.
        recipe: What computes its days, for tables that are built day by day.
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
        """Return the polars types of the columns by name, in the order of the table, leaving out the columns in `without`."""
        import polars as pl

        return pl.Schema({each.name: polars_type(each.type) for each in self.columns if each.name not in without})

    def frame(self, rows: Sequence[Mapping[str, Any]]) -> "pl.DataFrame":
        """Return the rows as a frame with every column of the table in its type; a column that a row lacks is null."""
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


# The range that is replaced in a table that is not built day by day.
ALWAYS: Final = Days(date.min, date.max)


@dataclass(frozen=True, slots=True)
class Read:
    """A table that another table is computed from.

    Attributes:
        table: The table that is read.
        days_before: How many days before its own a day of the other table reads, where both are kept by day.
        until_yesterday: Whether only rows from before the run are read, so that a table of a later layer closes no cycle.
    """

    table: Table
    days_before: int = 0
    until_yesterday: bool = False


Reads = Mapping[Table, tuple[Read, ...]]


def schema_contradictions(table: Table, found: Mapping[str, str]) -> tuple[str, ...]:
    """Return one sentence for each way in which the columns of a stored table differ from its definition.

    Args:
        table: The definition.
        found: DuckDB types of the stored table by column name.

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
    """Return the claims of every table: its key is unique and its required columns are filled.

    A view has none of them: the tables that store its rows make these claims.
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
    """Return the claim that no two rows share the key.

    Args:
        path: Table with its schema.
        key: Columns of the key.
        where: SQL condition that selects the rows to compare.
        by: How the few rows that may be duplicates are found: by the key itself, by a hash of it, which is faster for long
            keys of many rows, or by its last column, where that is a position: a bit for each of 64 positions avoids
            nearly all of the work. All three are exact for positions that are not NULL.

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
    """Return the claim that rates are fractions in [0, 1].

    Args:
        table: Table with its schema.
        day: Column that holds the day.
        rates: Columns that hold rates; NULL contradicts nothing.
    """
    outside = " OR ".join(f"{rate} NOT BETWEEN 0 AND 1" for rate in rates)
    return Claim(
        name="rates_are_fractions",
        description=f"Between 0 and 1: {', '.join(rates)}.",
        contradictions=f"SELECT * FROM {table} WHERE {day} >= $start AND {day} < $end AND ({outside})",
    )
