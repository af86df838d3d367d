"""Outcomes: what became true of a decision later, such as a chargeback, read from HTTP and from topics alike."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec

from intelligence.telemetry.contract import IDENTIFIER_LIMIT

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=IDENTIFIER_LIMIT, pattern=r"^[^\x00-\x1f\x7f]+$")]
Kind = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Worth = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]
MOST_OUTCOMES: Final = 1_000
_AHEAD: Final = timedelta(days=1)
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Outcome(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What became true of a decision."""

    decision_id: Annotated[Name, msgspec.Meta(description="Id of the decision, which is that of the event.")]
    kind: Annotated[Kind, msgspec.Meta(description="What became true, such as chargeback, complaint or recovered.")]
    happened_at: Annotated[
        datetime | None, msgspec.Meta(description="When it became true; without it now. UTC without a zone.")
    ] = None
    value: Annotated[Worth | None, msgspec.Meta(description="What it was worth.")] = None
    id: Annotated[
        Name | None,
        msgspec.Meta(description="Its own id, by which it counts once; without it a kind counts once for a decision."),
    ] = None

    @property
    def key(self) -> str:
        """Return the id by which it counts once.

        >>> Outcome("4711", "chargeback").key == Outcome("4711", "chargeback", value=2).key
        True
        """
        own = self.id if self.id is not None else f"{self.decision_id}\n{self.kind}"
        return hashlib.sha256(f"{int(self.id is None)}\n{own}".encode()).hexdigest()[:32]

    def moment(self, received: datetime) -> datetime:
        """Return when it became true, in UTC.

        Args:
            received: When it was received.
        """
        at = self.happened_at
        return received if at is None else at if at.tzinfo else at.replace(tzinfo=UTC)


decoder: Final = msgspec.json.Decoder(
    Outcome | Annotated[list[Outcome], msgspec.Meta(min_length=1, max_length=MOST_OUTCOMES)]
)


def outcomes_in(payload: bytes) -> list[Outcome] | str:
    """Return the outcomes in a message, or why it has none.

    Args:
        payload: JSON, one outcome or a list of them.

    >>> outcomes_in(b'{"decision_id": "4711", "kind": "chargeback"}')[0].kind
    'chargeback'
    >>> outcomes_in(b'{"kind": "chargeback"}')
    'no outcome: Object missing required field `decision_id`'
    """
    try:
        found = decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"no outcome: {error}"
    several = found if isinstance(found, list) else [found]
    odd = next((each for each in several if not _has_a_time(each)), None)
    return several if odd is None else f"no outcome: happened_at of {odd.decision_id} is out of range"


def refusal(outcome: Outcome, kinds: Sequence[str], *, now: datetime) -> str:
    """Return why an outcome cannot be taken, over HTTP and from topics alike; empty where it can.

    Args:
        outcome: The outcome.
        kinds: The kinds that product.yaml names.
        now: The current time, with its zone.

    >>> refusal(Outcome("4711", "chargback"), ("chargeback",), now=datetime(2026, 5, 4, tzinfo=UTC))
    'the kind chargback is not one of chargeback'
    >>> ahead = Outcome("4711", "chargeback", datetime(2026, 5, 6, tzinfo=UTC))
    >>> refusal(ahead, ("chargeback",), now=datetime(2026, 5, 4, tzinfo=UTC))
    'it lies ahead'
    """
    if outcome.kind not in kinds:
        return f"the kind {outcome.kind} is not one of {', '.join(kinds)}"
    return "it lies ahead" if outcome.moment(now) - now > _AHEAD else ""


def _has_a_time(outcome: Outcome) -> bool:
    """Return whether an outcome's time can be stored, in UTC."""
    try:
        return outcome.moment(_EARLIEST).astimezone(UTC) >= _EARLIEST
    except OverflowError:
        return False
