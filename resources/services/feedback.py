"""Outcomes of decisions: taken in from HTTP and from topics, joined to the decision, and turned into labels for training."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

from intelligence.catalog.product import Product
from intelligence.core.errors import OnlineError, StateError
from intelligence.online.outcomes import Outcome, outcomes_in, refusal
from resources.config.faults import reach
from resources.messages.announcer import Announcer
from resources.online.store import OnlineStore
from resources.state.aside import Aside
from resources.state.feedback import Known, OutcomeRecord

_SETTLE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class FeedbackService:
    """Takes in outcomes of a product's decisions.

    Attributes:
        product: The product, which names the kinds of outcomes.
        announcer: Opens the store.
    """

    product: Product
    announcer: Announcer

    @property
    def record(self) -> OutcomeRecord:
        """Return the record of outcomes."""
        outbox = self.announcer.outbox()
        return OutcomeRecord(outbox.state, outbox.clock)

    def taken(
        self, outcomes: Sequence[Outcome], decision: Callable[[str], Mapping[str, Any] | None]
    ) -> list[dict[str, Any]]:
        """Record outcomes, and say of each whether it is new and whether its decision is known; all or nothing is taken.

        Args:
            outcomes: The outcomes.
            decision: Returns the decision with an id.

        Raises:
            OnlineError: One of them cannot be taken.
        """
        for each in outcomes:
            problem = refusal(each, self.product.online.outcomes.all, now=datetime.now(UTC))
            if problem:
                raise OnlineError(
                    each.decision_id, f"{problem}.", hint="`online: outcomes` in product.yaml names the kinds."
                )
        decisions = {each.decision_id: decision(each.decision_id) for each in outcomes}
        new = self.record.add(outcomes, decisions)
        return [
            {
                "decision_id": each.decision_id,
                "kind": each.kind,
                "is_new": is_new,
                "decision_is_known": known is not None,
            }
            for each, is_new, known in zip(
                outcomes, new, (decisions[each.decision_id] for each in outcomes), strict=True
            )
        ]

    def of(self, decision_id: str) -> list[Known]:
        """Return what became true of a decision.

        Args:
            decision_id: Its id.
        """
        return self.record.known(decision_id=decision_id) if self.announcer.is_opened() else []

    def counts(self) -> dict[str, int]:
        """Return the number of outcomes by kind."""
        return self.record.counts() if self.announcer.is_opened() else {}


@dataclass(frozen=True, slots=True)
class _Begun:
    """Outcomes that are being recorded, in a thread."""

    recording: Future[list[bool]]
    last: int
    outcomes: int


class Settling:
    """Moves outcomes from the store of the stream, where they came with their offsets, into the record."""

    def __init__(self, service: FeedbackService, store: OnlineStore) -> None:
        """Prepare for a stream.

        Args:
            service: Takes in outcomes.
            store: The store of the stream.
        """
        self._service, self._store, self._at = service, store, float("-inf")
        self._aside, self._begun = Aside(), cast("_Begun | None", None)

    def __call__(self, *, now: bool = False) -> int:
        """Record what waits, and return how many outcomes that were; does nothing within a second of the last time.

        They are recorded in a thread, so that a store that does not answer does not hold the stream up, and the call after that
        returns their number. Where the record cannot be written they wait, and a kill in between records them once.

        Args:
            now: Whether to do it whenever the last time was, and to wait until it is done.
        """
        if self._begun is None and (now or time.monotonic() - self._at >= _SETTLE_S):
            self._at = time.monotonic()
            self._begun = self._beginning()
        if self._begun is None or not (now or self._begun.recording.done()):
            return 0
        ended, self._begun = self._begun, None
        try:
            ended.recording.result()
        except StateError:
            return 0
        reach("outcomes.recorded")
        self._store.forget_outcomes(ended.last)
        return ended.outcomes

    def _beginning(self) -> _Begun | None:
        waiting = self._store.outcomes()
        if not waiting:
            return None
        found = [each for _, payload in waiting for each in _valid(payload)]
        decisions = {each.decision_id: self._store.trace(each.decision_id) for each in found}
        recording = self._aside.begun(lambda: self._service.record.add(found, decisions))
        return _Begun(recording, waiting[-1][0], len(found))


def _valid(payload: bytes) -> list[Outcome]:
    found = outcomes_in(payload)
    return [] if isinstance(found, str) else found
