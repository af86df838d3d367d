"""The features that product.yaml declares, as frames for warehouse.dim_feature_metadata."""

from collections.abc import Mapping

import polars as pl

from intelligence.warehouse.settings import Promises

_SCHEMA: pl.Schema = pl.Schema(
    {
        "feature": pl.String,
        "owner": pl.String,
        "lifecycle": pl.String,
        "tier": pl.Int64,
        "flag_key": pl.String,
        "max_error_rate": pl.Float64,
        "max_crash_rate": pl.Float64,
        "slow_latency_ms": pl.Float64,
        "max_slow_rate": pl.Float64,
        "max_bad_rating_rate": pl.Float64,
    }
)


def declared_features(features: Mapping[str, Promises]) -> pl.DataFrame:
    """Return one row per feature that product.yaml names, with its promises."""
    rows = [_row(name, promises) for name, promises in features.items()]
    return pl.DataFrame(rows, schema=_SCHEMA)


def default_feature(defaults: Promises) -> pl.DataFrame:
    """Return the one row, with no name, that stands for every feature which product.yaml does not name."""
    return pl.DataFrame([_row(None, defaults)], schema=_SCHEMA)


def _row(name: str | None, promises: Promises) -> dict[str, object]:
    return {"feature": name, **promises.model_dump()}
