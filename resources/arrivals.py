"""Files that wait to be taken in: known by their bytes, and left alone while somebody still writes them."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from intelligence.product import Product
from resources.delivery import deliveries
from resources.flag_file import FlagFile
from resources.lake import Lake
from resources.redating import is_of_another_clock

SETTLED_S = 3.0


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Names of files that the lake does not hold, and whether its days are of another clock.

    `key` is the same for the same files and the same product.yaml.
    """

    names: Sequence[str]
    key: str
    is_of_another_clock: bool = False


def arrivals(lake: Lake, product: Product, landing: Path, *, flags: FlagFile | None = None) -> Arrivals:
    """Return the files that wait. A simulated source delivers what is missing of it first."""
    known = set(lake.frame("SELECT batch_id FROM telemetry.batches")["batch_id"]) if lake.exists() else set()
    files = deliveries(product, landing, flags=flags)
    waiting = [file for file in files if file.batch_id not in known and _is_settled(file.path)]
    digest = hashlib.sha256(product.model_dump_json(include={"sources", "timezone"}).encode())
    for batch in sorted(file.batch_id for file in waiting):
        digest.update(batch.encode())
    return Arrivals([file.name for file in waiting], digest.hexdigest()[:20], is_of_another_clock(lake, product))


def _is_settled(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime >= SETTLED_S
    except OSError:
        return False
