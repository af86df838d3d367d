"""What assets read of the lake while they run, beside what the graph says that they read."""

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import pytest

from assets.graph.tables import key_of, until_yesterday
from intelligence.catalog.layers import DELIVERED, TABLES
from intelligence.telemetry.tables import BATCHES
from resources.lake import door

_TABLE = re.compile(rf"\b({'|'.join(re.escape(table.path) for table in TABLES)})\b")
_COMMENT = re.compile(r"--[^\n]*")
# What the door asks for itself: by the ledger it knows what a day was made from, and how large a part of all it writes.
_OF_THE_DOOR = ("bookkeeping.", "duckdb_tables()")
_LEDGER = BATCHES.path


class _Watched:
    """A connection that notes which tables its statements name."""

    def __init__(self, connection: Any, reads: dict[dg.AssetKey, set[str]]) -> None:
        self._connection, self._reads = connection, reads

    def execute(self, query: str, *more: Any) -> Any:
        if not any(sign in query for sign in _OF_THE_DOOR):
            running = _running()
            own = {".".join(asset.path) for asset in running}
            for asset in running:
                self._reads[asset] |= set(_TABLE.findall(_COMMENT.sub("", query).replace('"', ""))) - own
        return self._connection.execute(query, *more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def _running() -> set[dg.AssetKey]:
    """Return the assets whose step runs now; none where no step does, or where it takes in deliveries."""
    try:
        keys = set(dg.AssetExecutionContext.get().selected_asset_keys)
    except dg.DagsterInvariantViolationError:
        return set()
    return keys - {key_of(table) for table in DELIVERED}


@contextmanager
def watched_reads() -> Iterator[dict[dg.AssetKey, set[str]]]:
    """Yield, by asset, the paths of the tables that it names while the context lasts; its checks are left out."""
    reads: dict[dg.AssetKey, set[str]] = defaultdict(set)

    def watching(method: Any) -> Any:
        @contextmanager
        def opened(lake: door.Lake) -> Iterator[Any]:
            with method(lake) as connection:
                yield _Watched(connection, reads)

        return opened

    with pytest.MonkeyPatch.context() as patch:
        plain = door.Lake.snapshot
        for name in ("staging", "snapshot"):
            patch.setattr(door.Lake, name, watching(getattr(door.Lake, name)))

        def inspected(lake: door.Lake, *what: Any) -> Any:
            with plain(lake) as connection:
                return door.inspected(connection, *what, timezone=lake.timezone)

        patch.setattr(door.Lake, "inspected", inspected)
        yield reads


def undeclared(reads: dict[dg.AssetKey, set[str]], definitions: dg.Definitions) -> dict[str, set[str]]:
    """Return, by asset, the tables that it read and that the graph does not show as its parents."""
    graph, found = definitions.resolve_asset_graph(), {}
    for asset, paths in reads.items():
        parents = graph.get(asset).parent_keys
        shown = {table.path for table in TABLES if {key_of(table), until_yesterday(table)} & parents}
        own = {".".join(asset.path), _LEDGER}
        if more := paths - shown - own:
            found[asset.to_user_string()] = more
    return found


def unwatched(reads: dict[dg.AssetKey, set[str]]) -> set[str]:
    """Return the assets of which nothing was seen."""
    return {key_of(table).to_user_string() for table in TABLES if table not in DELIVERED and key_of(table) not in reads}
