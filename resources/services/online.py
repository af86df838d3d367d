"""Reads the topics of a product, and opens what was read for those who ask."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from intelligence.actions.flags import exposure
from intelligence.catalog.product import Product, Simulate
from intelligence.core.errors import ActionError, OnlineError
from resources.config.settings import Settings
from resources.intake.delivery import deliveries
from resources.intake.ingest import Batch, ingested
from resources.lake.builds import build_rules
from resources.lake.door import Lake
from resources.messages.announcer import Announcer
from resources.models.registry import Registry
from resources.online.champion import FollowedChampion
from resources.online.processor import Processor
from resources.online.publishing import PATIENCE_S, Publisher
from resources.online.rehearsal import rehearsed
from resources.online.shared import SharedWindows
from resources.online.store import OnlineStore
from resources.online.stream import Stream
from resources.services.actions import ActionService
from resources.services.decisions import DecisionService
from resources.services.entity_decisions import EntityDecisionService, Landed
from resources.services.feedback import FeedbackService, Settling
from resources.services.guard import GuardService


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
        own = replace(
            settings,
            data=data,
            catalog=f"sqlite:{lake / 'catalog.sqlite'}",
            store=str(lake / "files"),
            state=f"sqlite:///{data / 'state.db'}",
            redis=None,
        )
        return cls(on_stream, simulate, own, Lake.of(own, rules=build_rules(on_stream), timezone=on_stream.timezone))

    def taken_in(self) -> list[Batch]:
        """Take the files of the stream into the lake, and return what the ledger says of each."""
        files = deliveries(self.product, self.settings.landing)
        return ingested(self.lake, self.product, files, now=datetime.now(UTC).replace(tzinfo=None)).batches

    def decisions_landed(self) -> Landed:
        """Bring the decisions on entities into the lake, and return how many there were."""
        return EntityDecisionService(self.lake, self.settings.data).landed()


class Hidden:
    """Which features their flags hide from everybody, as the application of a rehearsal asks before it uses one."""

    def __init__(self, announcer: Announcer, product: Product) -> None:
        """Prepare for the file of flags.

        Args:
            announcer: Knows the file of flags.
            product: The product, with the flag of each feature.
        """
        self._file, self._product = announcer.flag_target().file, product
        self._changed_ns, self._hidden = 0, dict[str, bool]()

    def __call__(self, feature: str) -> bool:
        """Return whether a feature is hidden.

        Args:
            feature: The feature.
        """
        with suppress(OSError):
            changed = self._file.path.stat().st_mtime_ns
            if changed != self._changed_ns:
                self._changed_ns = changed
                self._hidden.clear()
            if feature not in self._hidden:
                self._hidden[feature] = self._is_hidden(feature)
        return self._hidden.get(feature, False)

    def _is_hidden(self, feature: str) -> bool:
        flag = self._product.flag_of(feature)
        try:
            return flag is not None and exposure(self._file.document(), flag) == 0
        except ActionError:
            return False


def stream_of(
    settings: Settings,
    decisions: DecisionService,
    actions: ActionService,
    *,
    brokers: str | None = None,
    by_stream: bool = False,
    told: Callable[[str], None] = lambda _: None,
) -> tuple[Stream, OnlineStore]:
    """Return the stream of a product, connected and ready to be read, with its store; the guard watches it.

    Args:
        settings: The settings of the process, which name the store and the brokers.
        decisions: Decides on what the guard finds; its product and its lake are those of the stream.
        actions: Does what it decides.
        brokers: Addresses of brokers instead of those in the settings.
        by_stream: Whether the newest minute of the stream is the present, as in a rehearsal of a day that is past.
        told: Receives what the guard has to say.

    Raises:
        OnlineError: No source of the product reads topics, no broker is named, or the address of Redis cannot be used.
        StoreError: Another process reads the stream already.
        SourceFileError: The mapping of a source fits no message.
    """
    product, lake = decisions.product, decisions.lake
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
    if processor.begins_anew:
        told(
            "The lengths of windows in product.yaml are not those of the stored windows: these begin anew with the events that"
            " are kept, and are whole after the longest one."
        )
    guard = GuardService(decisions, actions, processor, store, by_stream=by_stream, told=told)
    settling = Settling(FeedbackService(product, decisions.announcer), store)
    publisher = None
    if settings.redis:
        shared = SharedWindows(settings.redis, product.name, patience_s=PATIENCE_S)
        publisher = Publisher(shared, processor, store, told=told)

    def watch() -> None:
        if publisher:
            publisher()
        guard()
        settling()

    stream = Stream(
        product, processor, store,
        brokers=named, landing=Path(settings.landing), watch=watch, ended=publisher.finish if publisher else lambda: None,
    )  # fmt: skip
    return stream, store
