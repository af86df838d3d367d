"""Retention and funnels over a year: the tables of the lake against bare DuckDB statements, and one more day at its start and end."""

import resource
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.graph import FIRST_DAY, environment_of
from benchmarks.measuring import MEMORY_LIMIT, ROOT, arguments, demand, tell, temporary
from intelligence.core.sql import sql
from intelligence.core.tables import Days
from intelligence.metrics.settings import retention_parameters

if TYPE_CHECKING:
    import polars as pl

    from resources.services.usage import UsageService

MOST_TIMES: Final = 2.0
# A later day reads more users and features that were seen before, though not more events.
MOST_TIMES_A_DAY: Final = 3.0
EARLY_DAY: Final = 40
PRODUCT: Final = """
name: Year
sources: [{name: app, files: none}]
funnels:
  - {name: success, steps: [{event_type: view}, {event_type: use}, {event_type: complete}], days: 7}
  - name: one_feature
    steps: [{event_type: view, feature: feature_3}, {event_type: complete, feature: feature_3}]
    hours: 48
"""
# Users begin one after the other, come more or less often, and use a few features much and the others little.
EVENTS: Final = """
INSERT INTO telemetry.raw_events BY NAME
SELECT
    'e' || CAST(number AS VARCHAR) AS event_id,
    CAST($day AS DATE) AS event_date,
    CAST($day AS TIMESTAMP) + to_microseconds(CAST(86400000000 * (hash(number, 1) % 1000000) / 1000000 AS BIGINT)) AS event_time,
    'u' || CAST(person AS VARCHAR) AS user_id,
    's' || CAST(person AS VARCHAR) AS session_id,
    'feature_' || CAST(CAST(floor(pow((hash(number, 2) % 10000) / 10000.0, 2.5) * $features) AS INTEGER) AS VARCHAR) AS feature,
    ['view', 'use', 'complete'][1 + CAST(floor(pow((hash(number, 3) % 10000) / 10000.0, 1.6) * 3) AS INTEGER)] AS event_type,
    ['web', 'ios', 'android'][1 + CAST(person % 3 AS INTEGER)] AS platform,
    '1.' || CAST($number // 15 AS VARCHAR) AS app_version,
    ['student', 'teacher'][1 + CAST(person % 7 = 0 AS INTEGER)] AS segment,
    'app' AS source,
    'file' AS source_file,
    CAST(number AS BIGINT) AS source_row,
    'b' AS batch_id,
    CAST($day AS TIMESTAMP) AS ingested_at,
    false AS is_duplicate
FROM (
    SELECT number, CAST(floor(pow((hash(number, 4) % 1000000) / 1000000.0, 2) * $present) AS BIGINT) AS person
    FROM range($number * $events, ($number + 1) * $events) AS numbers (number)
)
"""


def main() -> None:
    """Print what the tables and the bare statements take; end with status 1 where a demand is not met."""
    parser = arguments(__doc__)
    parser.add_argument("--events", type=int, default=10_000_000, help="events of the year, up to 100,000,000")
    parser.add_argument("--days", type=int, default=365, help="days of the year")
    parser.add_argument("--users", type=int, help="users at the end of the year; by default one for each 1,000 events")
    parser.add_argument("--features", type=int, default=120, help="features")
    chosen = parser.parse_args()
    chosen.users = chosen.users or max(100, chosen.events // 1_000)
    with temporary("usage", chosen.folder) as folder:
        service = _filled(folder, chosen)
        days = Days(FIRST_DAY, FIRST_DAY + timedelta(days=chosen.days))
        print(f"{chosen.events:,} events, {chosen.days} days, {chosen.users:,} users, {chosen.features} features")
        bare: list[pl.DataFrame] = []
        retention = _against_bare(
            "retention", lambda: service.written_retention(days), lambda: bare.append(_retention(service))
        )
        funnels = _against_bare(
            "funnels",
            lambda: (service.written_entries(days), service.written_steps(days)),
            lambda: _funnels(service, days),
        )
        _demand_same(service, bare[0])
        early, late = (
            _day(service, Days(at, at + timedelta(days=1)))
            for at in (days.start + timedelta(days=EARLY_DAY), days.end - timedelta(days=1))
        )
        print(f"one more day: {early:.2f} s of CPU on day {EARLY_DAY}, {late:.2f} s on day {chosen.days}")
    demand(retention <= MOST_TIMES, f"retention takes {retention:.2f} times the bare statement")
    demand(funnels <= MOST_TIMES, f"funnels take {funnels:.2f} times the bare statements")
    demand(late <= MOST_TIMES_A_DAY * early, f"the last day takes {late / early:.1f} times day {EARLY_DAY}")


def _filled(folder: Path, chosen: Any) -> "UsageService":
    """Return the service over a lake with the events of the year, whose facts are views."""
    from intelligence.catalog.product import product_from
    from intelligence.warehouse.features import declared_features, default_feature
    from intelligence.warehouse.tables import DIM_FEATURE_METADATA
    from resources.lake.door import Lake
    from resources.services.usage import UsageService

    environment_of(folder, PRODUCT)
    product = product_from(PRODUCT)
    lake = Lake(catalog=f"sqlite:{folder}/lake/catalog.sqlite", store=f"{folder}/lake/files", memory_limit=MEMORY_LIMIT)
    per_day = chosen.events // chosen.days
    tell("writing events")
    for number in range(chosen.days):
        day = FIRST_DAY + timedelta(days=number)
        present = max(1, round(chosen.users * (0.4 + 0.6 * number / chosen.days)))
        given = {"day": day, "number": number, "events": per_day, "present": present, "features": chosen.features}
        lake.commit(lambda connection, given=given: connection.execute(EVENTS, given))  # type: ignore[misc]
    whole = [FIRST_DAY + timedelta(days=number) for number in range(chosen.days)]
    lake.commit(
        lambda connection: connection.execute(
            "INSERT INTO telemetry.batches BY NAME SELECT 'b' AS batch_id, $days AS days, $events AS accepted",
            {"days": whole, "events": chosen.events},
        )
    )
    lake.merged_files()
    frames = {"declared": declared_features({}), "defaults": default_feature(product.feature_defaults)}
    days = Days(FIRST_DAY, FIRST_DAY + timedelta(days=chosen.days))
    lake.replace(DIM_FEATURE_METADATA, days, sql("warehouse/dim_feature_metadata.sql"), frames=frames)
    return UsageService(product, lake)


def _against_bare(name: str, tables: Callable[[], object], bare: Callable[[], object]) -> float:
    """Return how many times as long the tables take as the bare statements, by wall time, and print both.

    Without a bare statement that gets along with the memory there is nothing to compare with, and the answer is 0.
    """
    import duckdb

    tell(name)
    try:
        taken = [_timed(bare)]
    except duckdb.OutOfMemoryException:
        wall_s, cpu_s = _timed(tables)
        print(f"{name:10} bare  needs more memory than {MEMORY_LIMIT}")
        print(f"{name:10} lake  {wall_s:8.2f} s wall  {cpu_s:8.2f} s CPU")
        return 0.0
    taken.append(_timed(tables))
    ratio = taken[1][0] / taken[0][0]
    for who, (wall_s, cpu_s) in zip(("bare", "lake"), taken, strict=True):
        print(f"{name:10} {who}  {wall_s:8.2f} s wall  {cpu_s:8.2f} s CPU")
    print(f"{name:10} {ratio:.2f} times as long as the bare statement")
    return ratio


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter() - begun, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _retention(service: "UsageService") -> "pl.DataFrame":
    """Return what one statement over all events says."""
    query = (ROOT / "benchmarks" / "bare_retention.sql").read_text(encoding="utf-8")
    return service.lake.frame(query, retention_parameters(service.product.retention))


def _funnels(service: "UsageService", days: Days) -> None:
    """Compute entries and steps as one statement each; the second reads what the first has left, as the tables do."""
    asked = {**service.asked(), **days.parameters}
    with service.lake.staging() as connection:
        for name in ("funnel_entries", "funnel_steps"):
            query = sql(f"metrics/{name}.sql").replace("metrics.funnel_entries", "temp.funnel_entries")
            connection.execute("USE lake")
            columns = "event_date DATE, funnel VARCHAR, user_id VARCHAR, entered_at TIMESTAMP"
            if name == "funnel_entries":
                connection.execute(f"CREATE TEMP TABLE funnel_entries ({columns})")
            named = {key: value for key, value in asked.items() if f"${key}" in query}
            connection.execute(f"CREATE OR REPLACE TEMP TABLE made AS {query}", named)
            connection.execute("CREATE OR REPLACE TEMP TABLE funnel_entries AS FROM made")


def _demand_same(service: "UsageService", bare: "pl.DataFrame") -> None:
    """End the program where the table and the bare statement differ in any cohort."""
    import polars as pl

    mine = service.lake.frame(
        "SELECT grain, dimension, value, cohort, number, CAST(sum(users) AS BIGINT) AS users FROM metrics.cohort_activity"
        " JOIN (SELECT unnest($definitions, recursive := true)) AS definitions USING (grain, definition, first_age)"
        " WHERE cohort_activity.last_age IS NOT DISTINCT FROM definitions.last_age"
        " GROUP BY ALL HAVING sum(users) > 0",
        retention_parameters(service.product.retention),
    )
    key = [name for name in mine.columns if name != "users"]
    both = mine.join(bare.cast({"users": pl.Int64}), on=key, how="full", coalesce=True, suffix="_bare")
    differing = both.filter(pl.col("users").ne_missing(pl.col("users_bare"))).height
    demand(differing == 0, f"{differing} of {both.height} cohorts differ from the bare statement")


def _day(service: "UsageService", days: Days) -> float:
    """Return the CPU seconds of building one day."""

    def work() -> None:
        service.written_retention(days)
        service.written_entries(days)
        service.written_steps(days)

    return min(_timed(work)[1] for _ in range(2))


if __name__ == "__main__":
    main()
