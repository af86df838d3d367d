"""Reads the topics of a product, and opens what was read for those who ask."""

import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from intelligence.catalog.product import Product, Simulate
from intelligence.core.errors import OnlineError
from resources.config.settings import Settings
from resources.intake.delivery import deliveries
from resources.intake.ingest import Batch, ingested
from resources.lake.builds import build_rules
from resources.lake.door import Lake
from resources.models.registry import Registry
from resources.online.champion import FollowedChampion
from resources.online.processor import Processor
from resources.online.rehearsal import rehearsed
from resources.online.store import OnlineStore
from resources.online.stream import Stream


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A rehearsal of the stream: everything in a folder of its own.

    Attributes:
        product: The product, with a topic in the place of its simulator.
        simulate: What is simulated.
        settings: The settings of the process, with that folder as the data folder.
        lake: The lake in that folder.
    """

    product: Product
    simulate: Simulate
    settings: Settings
    lake: Lake

    @classmethod
    def of(cls, product: Product, settings: Settings) -> "Rehearsal":
        """Return a rehearsal in an empty folder inside the data folder; what the one before left is deleted.

        Args:
            product: The product.
            settings: The settings of the process.

        Raises:
            OnlineError: None of the product's sources is simulated.
        """
        on_stream, simulate = rehearsed(product)
        data = settings.data / "rehearsal"
        shutil.rmtree(data, ignore_errors=True)
        lake = data / "lake"
        own = replace(settings, data=data, catalog=f"sqlite:{lake / 'catalog.sqlite'}", store=str(lake / "files"))
        return cls(on_stream, simulate, own, Lake.of(own, rules=build_rules(on_stream), timezone=on_stream.timezone))

    def taken_in(self) -> list[Batch]:
        """Take the files of the stream into the lake, and return what the ledger says of each."""
        files = deliveries(self.product, self.settings.landing)
        return ingested(self.lake, self.product, files, now=datetime.now(UTC).replace(tzinfo=None)).batches


def stream_of(
    product: Product, lake: Lake, settings: Settings, *, brokers: str | None = None
) -> tuple[Stream, OnlineStore]:
    """Return the stream of a product, connected and ready to be read, with its store.

    Args:
        product: The product.
        lake: Its lake.
        settings: The settings of the process, which name the store and the brokers.
        brokers: Addresses of brokers instead of those in the settings.

    Raises:
        OnlineError: No source of the product reads topics, or no broker is named.
        StoreError: Another process reads the stream already.
        SourceFileError: The mapping of a source fits no message.
    """
    if not any(source.topics for source in product.sources):
        raise OnlineError(
            str(settings.product_file),
            "none of its sources reads topics.",
            hint="Give one `topics: [name]` instead of `files`; see docs/online.md.",
        )
    named = brokers or settings.kafka
    if not named:
        raise OnlineError("brokers", "none is named.", hint="Set INTELLIGENCE_KAFKA or give --brokers host:port.")
    store = OnlineStore(settings.online)
    champion = FollowedChampion(Registry.of(settings), product.online.predictors)
    processor = Processor(product, lake, store, champion=champion)
    stream = Stream(product, processor, store, brokers=named, landing=Path(settings.landing))
    return stream, store
