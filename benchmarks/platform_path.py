"""The platform's side of the pipeline benchmark: its asset graph from files to KPIs, with every check."""

from benchmarks.graph import FIRST_DAY, materialize, platform


def main() -> None:
    """Take in the files that the product names and build every day, as far as the KPIs."""
    from datetime import timedelta

    from intelligence.catalog.layers import DELIVERED
    from intelligence.metrics.tables import FACT_FEATURE_METRICS, KPI_DAY, USER_DAY
    from intelligence.telemetry.tables import EVENTS
    from intelligence.warehouse.tables import TABLES as WAREHOUSE

    materialize(DELIVERED)
    span = platform().lake.span()
    assert span is not None, "nothing was taken in"
    days = FIRST_DAY, span.end - timedelta(days=1)
    materialize((EVENTS, *WAREHOUSE, FACT_FEATURE_METRICS, USER_DAY, KPI_DAY), days)


if __name__ == "__main__":
    main()
