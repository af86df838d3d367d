"""The features that product.yaml declares, as frames for warehouse.dim_feature_metadata."""

from collections.abc import Mapping

import polars as pl

from intelligence.warehouse.settings import Promises
from intelligence.warehouse.tables import DIM_FEATURE_METADATA

_SCHEMA = DIM_FEATURE_METADATA.schema(without=("first_seen_date", "is_declared"))


def declared_features(features: Mapping[str, Promises]) -> pl.DataFrame:
    """Return one row per feature that product.yaml names, with its promises."""
    rows = [_row(name, promises) for name, promises in features.items()]
    return pl.DataFrame(rows, schema=_SCHEMA)


def default_feature(defaults: Promises) -> pl.DataFrame:
    """Return one row without a name, with the promises of every feature that product.yaml does not name."""
    return pl.DataFrame([_row(None, defaults)], schema=_SCHEMA)


def _row(name: str | None, promises: Promises) -> dict[str, object]:
    return {"feature": name, **promises.model_dump()}
