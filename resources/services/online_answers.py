"""Answers questions about the stream, from its store: decisions on events that are asked about, and what is known."""

import json
import math
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from intelligence.catalog.product import Product
from intelligence.core.errors import OnlineError, StoreError
from intelligence.online.deciding import Known, online_decision
from intelligence.online.events import InTime, StreamEvent, standing_in_time
from intelligence.online.settings import window_label
from intelligence.online.windows import HOUR_MS, MINUTE_MS
from resources.models.registry import Registry
from resources.online.asked import Asked, AskedDecisions
from resources.online.champion import ENTITY_POLICY, ENTITY_RISK, FollowedChampion, Scoring
from resources.online.followed import REDIS_WITHIN_S, FollowedWindows, RedisWindows, Seen, Sizes, StoreWindows
from resources.online.judging import Bounds
from resources.online.processor import score_of, trace_of
from resources.online.shared import SharedWindows
from resources.online.store import OnlineStore
from resources.services.feedback import FeedbackService
from resources.services.guard import Done

_FORGET_EVERY_S: Final = 60.0
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Question:
    """An event about which is asked.

    Attributes:
        user_id: The entity: the user, or the device of one who is not logged in.
        id: The event's id; the same id gets the same answer. None lets the decision have one of its own.
        at_ms: When it happened, in ms since 1970, UTC; None for now.
        value: Its worth.
        errors: Whether it met an error.
        crashed: Whether it crashed.
    """

    user_id: str
    id: str | None = None
    at_ms: int | None = None
    value: float | None = None
    errors: bool = False
    crashed: bool = False


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the store of state has recorded, in numbers.

    Attributes:
        guarded: Decisions of the guard, by action and level.
        outcomes: Outcomes by kind; None where none are taken.
    """

    guarded: Mapping[tuple[str, str], int]
    outcomes: Mapping[str, int] | None


class OfAnother(OnlineError):
    """An id belongs to a decision on another user."""


class OnlineAnswers:
    """Follows the windows of the stream, and answers from them."""

    def __init__(
        self,
        product: Product,
        store: OnlineStore,
        asked: AskedDecisions,
        *,
        by_stream: bool = False,
        champion: FollowedChampion | None = None,
        guarded: Callable[[], Sequence[Done]] = tuple,
        feedback: FeedbackService | None = None,
        windows: FollowedWindows | None = None,
    ) -> None:
        """Read the windows as they are.

        Args:
            product: The product, whose rules and policy hold.
            store: The store of the stream, which another process may write.
            asked: The decisions that were asked for.
            by_stream: Whether the present is the newest minute of the stream, as in a rehearsal of a day that is past.
            champion: The model that scores entities; None where none does.
            guarded: Returns what the guard of the stream decided, the newest first.
            feedback: Takes in outcomes; None where none are taken.
            windows: The windows; None for those in the store of the stream.
        """
        self._guarded, self.feedback = guarded, feedback
        self._by_stream, self._champion = by_stream, champion
        self.product, self.store, self._asked = product, store, asked
        self._version = product.decisions.version
        self._forgot_at = 0.0
        self._bounds = Bounds(product)
        self._windows = windows or StoreWindows(product.online, store)

    @classmethod
    def at(
        cls,
        product: Product,
        data: Path,
        *,
        by_stream: bool = False,
        registry: Registry | None = None,
        guarded: Callable[[], Sequence[Done]] = tuple,
        feedback: FeedbackService | None = None,
        redis: str | None = None,
    ) -> "OnlineAnswers":
        """Return the answers for a product from the databases in its data folder.

        Args:
            product: The product.
            data: Its data folder.
            by_stream: Whether the present is the newest minute of the stream.
            registry: The models of the product, whose champion scores; None for no scores.
            guarded: Returns what the guard of the stream decided, the newest first.
            feedback: Takes in outcomes; None where none are taken.
            redis: Address of the Redis that has the windows; None for those in the store of the stream.
        """
        store, asked = OnlineStore(data / "online.db"), AskedDecisions(data / "online_asked.db")
        champion = FollowedChampion(registry, product.online.predictors) if registry else None
        windows = redis_windows(product, redis) if redis else None
        return cls(
            product, store, asked,
            by_stream=by_stream, champion=champion, guarded=guarded, feedback=feedback, windows=windows,
        )  # fmt: skip

    def now_ms(self) -> int:
        """Return the present, in ms since 1970."""
        newest = self.store.newest_minute() if self._by_stream else None
        return int(time.time() * 1000) if newest is None else newest * MINUTE_MS + MINUTE_MS - 1

    def decided(self, questions: Sequence[Question], *, now_ms: int) -> list[dict[str, Any]]:
        """Return a decision on each event, as values for JSON, and keep it; events are not counted, which the stream does.

        Each event is looked at alone: as if it were the next one of its entity.

        Args:
            questions: The events.
            now_ms: The current time, in ms since 1970.

        Raises:
            OnlineError: The contract of events lets no event be at the time of one of them; none is decided on.
            OfAnother: An id is that of a decision on another user; none is decided on.
            StoreError: The decisions cannot be kept.
        """
        self._check_times(questions, now_ms)
        seen = self._windows.of_entities([each.user_id for each in questions])
        found, new = list[dict[str, Any]](), dict[str, Asked]()
        for question in questions:
            known = self.decision(question.id) if question.id else None
            if known is None:
                made = new.get(question.id or "") or self._made(question, now_ms, seen)
                new[made.id] = made
                known = json.loads(made.trace)
            if known["entity"] != question.user_id:
                raise OfAnother(
                    question.id or "",
                    "is the id of a decision on another user.",
                    hint="Give each event an id of its own.",
                )
            found.append(known)
        if new:
            self._asked.write(list(new.values()), made_ms=now_ms)
        if time.monotonic() - self._forgot_at > _FORGET_EVERY_S:
            self._forgot_at = time.monotonic()
            self._asked.forget(before_ms=now_ms - self.product.online.remembered_hours * HOUR_MS)
        return found

    def _check_times(self, questions: Sequence[Question], now_ms: int) -> None:
        # A stream of a past day is asked about in the present too.
        earliest_ms, latest_ms = self._bounds.earliest_ms, self._bounds.latest_ms(max(now_ms, int(time.time() * 1000)))
        for each in questions:
            if each.at_ms is not None and not earliest_ms <= each.at_ms <= latest_ms:
                first, last = (datetime.fromtimestamp(ms // 1000, UTC).isoformat() for ms in (earliest_ms, latest_ms))
                raise OnlineError(
                    f"event_time of {each.id or each.user_id}",
                    f"is {each.at_ms:,} ms since 1970, and events are from {first} to {last}.",
                    hint="Send the time at which the event happens, or leave it out for now.",
                )

    def _made(self, question: Question, now_ms: int, seen: Seen) -> Asked:
        id_ = question.id or uuid.uuid4().hex
        at_ms = now_ms if question.at_ms is None else question.at_ms
        event = StreamEvent(
            id_, at_ms, question.user_id, "", "", "", question.errors, question.crashed, question.value, None
        )
        scoring = self._champion.present() if self._champion else Scoring()
        status, known = self._known(event, seen, scoring, now_ms=now_ms)
        decision = online_decision(
            known, online=self.product.online, decisions=self.product.decisions, learned=scoring.learned
        )
        trace = {
            "id": id_,
            "entity": event.entity,
            "at_ms": at_ms,
            "asked": True,
            **trace_of(decision),
            **score_of(known),
            "windows": None if known.windows is None else _without_nan(known.windows),
            "why_no_windows": seen.why_none or None,
            "value": event.value,
            "status": status,
            "policy": self._version,
            "batch": seen.batch if known.windows is not None else None,
        }
        return Asked(id_, event.entity, at_ms, decision.code, _encoder.encode(trace))

    def _known(self, event: StreamEvent, seen: Seen, scoring: Scoring, *, now_ms: int) -> tuple[InTime, Known]:
        """Return whether the event can count in windows, and what is known of its entity."""
        # A question has no partition: the newest event of the stream says what is late.
        status = standing_in_time(
            event.at_ms,
            received_ms=now_ms,
            newest_minute=seen.newest_minute,
            lateness_minutes=self.product.online.lateness_minutes,
        )
        if seen.windows is None:
            return status, Known(event.entity, event.value, why_no_score=seen.why_none, event_id=event.id)
        if status != "counted":
            return status, Known(event.entity, event.value, event_id=event.id)
        windows = seen.windows.expected(event)
        scores = scoring.scores(np.array([[windows[name] for name in seen.windows.predictors]]))
        return status, scores.known(0, event, windows)

    def decision(self, id_: str) -> dict[str, Any] | None:
        """Return a decision with its trace, of the stream or one that was asked for; None where none is kept.

        Args:
            id_: Id of the event.
        """
        found = self.store.trace(id_)
        if found is not None:
            return found
        asked = self._asked.decision(id_)
        return None if asked is None else json.loads(asked.trace)

    def became(self, id_: str) -> list[dict[str, Any]] | None:
        """Return what became true of a decision, as values for JSON; None where no outcomes are taken. Asks the store of state.

        Args:
            id_: Id of the event.
        """
        return None if self.feedback is None else [each.as_json() for each in self.feedback.of(id_)]

    def entity(self, id_: str, *, now_ms: int) -> dict[str, Any] | None:
        """Return the windows of an entity; None for one that is not known.

        Args:
            id_: The entity.
            now_ms: The current time, in ms since 1970, with which the windows end.

        Raises:
            StoreError: They cannot be read.
        """
        seen = self._windows.of_entities([id_])
        if seen.windows is None:
            raise StoreError(id_, f"{seen.why_none}.", hint="Ask again later.")
        found = seen.windows.figures(id_, at_ms=now_ms)
        return None if found is None else {"entity": id_, "at_ms": now_ms, "windows": found}

    def feature(self, name: str, *, now_ms: int) -> list[dict[str, Any]]:
        """Return the figures of a feature by platform, release and window; an empty list for one that is not known.

        Args:
            name: The feature.
            now_ms: The current time, in ms since 1970, with which the windows end.

        Raises:
            StoreError: They cannot be read.
        """
        windows, found = self._windows.of_feature(name), []
        for series in sorted(series for series in windows.series if series[0] == name):
            for minutes in self.product.online.windows_minutes:
                figures = windows.figures(series, at_ms=now_ms, minutes=minutes)
                if figures:
                    place = {"platform": series[1], "release": series[2], "window": window_label(minutes)}
                    found.append({**place, **asdict(figures)})
        return found

    def guarded(self) -> list[dict[str, Any]]:
        """Return what the guard of the stream decided, the newest first, as values for JSON. Asks the store of state."""
        return [each.as_json() for each in self._guarded()]

    def model_versions(self) -> dict[str, int]:
        """Return the version of each model that decides; 0 for one that none does."""
        present = self._champion.present() if self._champion else Scoring()
        scorer, learned = present.scorer, present.learned
        return {
            ENTITY_RISK: int(scorer.version) if scorer else 0,
            ENTITY_POLICY: int(learned.version) if learned else 0,
        }

    def recorded(self) -> Recorded:
        """Return the numbers of decisions of the guard and of outcomes. Asks the store of state."""
        guarded = Counter((each["action"], each["level"] or "none") for each in self.guarded())
        return Recorded(guarded, None if self.feedback is None else self.feedback.counts())

    def sizes(self) -> Sizes:
        """Return how much is known of entities and features, and of which time."""
        return self._windows.sizes()

    def silent_s(self, sizes: Sizes, *, now_ms: int) -> float | None:
        """Return the seconds since the minute of the newest event of the stream; None before the first event.

        Args:
            sizes: What is known.
            now_ms: The current time, in ms since 1970.
        """
        return None if sizes.newest_minute is None else max(now_ms - sizes.newest_minute * MINUTE_MS, 0) / 1000


def redis_windows(product: Product, url: str) -> FollowedWindows:
    """Return the windows of a product in Redis.

    Args:
        product: The product.
        url: Address of Redis.

    Raises:
        OnlineError: The address cannot be used.
    """
    return RedisWindows(product.online, SharedWindows(url, product.name, patience_s=REDIS_WITHIN_S))


def _without_nan(windows: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in windows.items()}
