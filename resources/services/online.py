"""Reads the topics of a product, and opens what was read for those who ask."""

from pathlib import Path

from intelligence.catalog.product import Product
from intelligence.core.errors import OnlineError
from resources.config.settings import Settings
from resources.lake.door import Lake
from resources.online.processor import Processor
from resources.online.store import OnlineStore
from resources.online.stream import Stream


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
    stream = Stream(product, Processor(product, lake, store), store, brokers=named, landing=Path(settings.landing))
    return stream, store
