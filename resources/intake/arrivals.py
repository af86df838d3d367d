"""Files that wait to be taken in: known by their bytes, and left alone while somebody still writes them."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from intelligence.catalog.product import Product
from resources.flags.file import FlagFile
from resources.intake import settling
from resources.intake.delivery import deliveries, display_name, matched_files
from resources.intake.ingest import new_files
from resources.intake.redating import is_of_another_clock
from resources.intake.withdrawal import names_to_move
from resources.lake.door import Lake


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Names of files that the lake does not hold, or holds as what another name said, and whether its days are of another clock.

    `key` is the same for the same files and the same product.yaml.
    """

    names: Sequence[str]
    key: str
    is_of_another_clock: bool = False


def arrivals(lake: Lake, product: Product, landing: Path, *, flags: FlagFile | None = None) -> Arrivals:
    """Return the files that wait, which are those that an intake takes. A simulated source delivers what is missing of it first."""
    files = deliveries(product, landing, flags=flags)
    waiting, moving = new_files(lake, product, files), names_to_move(lake, product, files)
    digest = hashlib.sha256(product.model_dump_json(include={"sources", "aliases", "timezone"}).encode())
    for batch in sorted(file.batch_id for file in waiting):
        digest.update(batch.encode())
    for name, batch in moving:
        digest.update(f"{name}={batch}".encode())
    names = [*(file.name for file in waiting), *(name for name, _ in moving)]
    return Arrivals(names, digest.hexdigest()[:20], is_of_another_clock(lake, product))


def let_settle(product: Product, *, say: Callable[[str], None]) -> None:
    """Wait once, for as long as files that were written just now need to count as settled, and say so.

    For a person who has just put a file there: what wakes by itself comes again instead.
    """
    fresh = {
        path: wait for source in product.all_sources for path in matched_files(source) if (wait := _wait_s(path)) > 0
    }
    if fresh:
        first, others = display_name(next(iter(fresh))), f" and {len(fresh) - 1} more" if len(fresh) > 1 else ""
        say(f"{first}{others} was written just now; waiting until nobody writes any more.")
        time.sleep(min(max(fresh.values()) + 0.1, settling.SETTLED_S + 0.1))


def _wait_s(path: Path) -> float:
    try:
        return 0.0 if settling.has_unfinished_name(path.name) else settling.SETTLED_S - settling.quiet_s(path.stat())
    except OSError:
        return 0.0
