"""The platform's side of the pipeline benchmark: its asset graph from files to feature-days, with every check."""

from benchmarks.graph import FIRST_DAY, materialize


def main() -> None:
    """Take in the files that the product names and build every day, as far as the feature metrics."""
    from datetime import timedelta

    from assets.definitions import SETTINGS
    from intelligence.layers import DELIVERED
    from intelligence.metrics.tables import FACT_FEATURE_METRICS
    from intelligence.telemetry.tables import EVENTS
    from intelligence.warehouse.tables import DIM_FEATURE_METADATA, DIM_RELEASES, DIM_USERS, FACT_EVENTS
    from resources.lake import Lake

    materialize(DELIVERED)
    span = Lake.of(SETTINGS).span()
    assert span is not None, "nothing was taken in"
    days = FIRST_DAY, span.end - timedelta(days=1)
    materialize((EVENTS, DIM_USERS, DIM_FEATURE_METADATA, DIM_RELEASES, FACT_EVENTS, FACT_FEATURE_METRICS), days)


if __name__ == "__main__":
    main()
