"""Files that wait to be ingested: identified by their content, and not read while another process still writes them."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from intelligence.catalog.product import Product
from resources.flags.file import FlagFile
from resources.intake import settling
from resources.intake.delivery import are_simulated, deliveries, display_name, matched_files
from resources.intake.ingest import is_extent_current, new_files
from resources.intake.redating import is_of_another_clock
from resources.intake.withdrawal import names_to_move
from resources.lake.door import Lake


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The work that waits for an intake.

    Attributes:
        names: Names of files whose content the lake lacks, or has under another name.
        key: A digest that is equal for the same files and the same product.yaml.
        is_of_another_clock: Whether the lake's days were assigned by another time zone than the product's.
    """

    names: Sequence[str]
    key: str
    is_of_another_clock: bool = False


def arrivals(lake: Lake, product: Product, landing: Path, *, flags: FlagFile | None = None) -> Arrivals:
    """Return the files that an intake would ingest, after simulated sources have written their missing files.

    Args:
        lake: The product's lake.
        product: The product, which names the sources.
        landing: Folder of simulated files and of remembered digests.
        flags: The file of flags that a simulated product obeys; None for none.
    """
    files = deliveries(product, landing, flags=flags)
    waiting, moving = new_files(lake, product, files), names_to_move(lake, product, files)
    digest = hashlib.sha256(product.model_dump_json(include={"sources", "aliases", "timezone"}).encode())
    for batch in sorted(file.batch_id for file in waiting):
        digest.update(batch.encode())
    for name, batch in moving:
        digest.update(f"{name}={batch}".encode())
    names = [*(file.name for file in waiting), *(name for name, _ in moving)]
    return Arrivals(names, digest.hexdigest()[:20], is_of_another_clock(lake, product))


def finds_nothing(lake: Lake, product: Product, landing: Path, *, flags: FlagFile | None = None) -> bool:
    """Return whether an intake would change nothing and has nothing to report.

    Args:
        lake: The product's lake.
        product: The product, which names the sources.
        landing: Folder of simulated files and of remembered digests.
        flags: The file of flags that a simulated product obeys; None for none.
    """
    if not lake.exists() or not are_simulated(product, landing):
        return False
    files = deliveries(product, landing, flags=flags)
    return (
        not any(file.left or file.fault for file in files)
        and not new_files(lake, product, files)
        and not names_to_move(lake, product, files)
        and not is_of_another_clock(lake, product)
        and is_extent_current(lake, product)
    )


def let_settle(product: Product, *, say: Callable[[str], None]) -> None:
    """Wait once until files that were written just now count as settled, and report it.

    This is for a person who has just delivered a file; a sensor does not wait but looks again later.

    Args:
        product: The product, which names the sources.
        say: Shows a message to the person.
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
