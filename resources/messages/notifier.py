"""Tells people something once: an alert planned, approved and delivered in one go."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from intelligence.actions.action import Action, Kind, key_of
from intelligence.actions.settings import Actions
from intelligence.actions.target import Target
from resources.config.settings import ActionSecrets
from resources.messages.connected import connected_targets
from resources.outbox.deliverer import UNHURRIED, DeliveryReport, Pace, delivered
from resources.outbox.door import Outbox
from resources.targets.slack import NAME as SLACK

ACTOR = "notifier"
TURN_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Notifier:
    """The outbox and the targets, for those who have something to say."""

    outbox: Outbox
    targets: Sequence[Target]
    pace: Pace = UNHURRIED

    @classmethod
    def of(cls, outbox: Outbox, wanted: Actions, secrets: ActionSecrets, *, data: Path) -> "Notifier":
        """Return the notifier for a product's settings."""
        return cls(outbox, connected_targets(wanted, secrets, outbox=outbox, data=data), pace_of(wanted))

    def told(
        self,
        episode: str,
        title: str,
        text: str,
        channel: str | None = None,
        *,
        topic: str | None = None,
        feature: str | None = None,
        day: date | None = None,
    ) -> bool:
        """Return whether this is new; False where it was told, or is about to be, already.

        Things are the same if their episode and `topic` are, the title if there is none; a title that bears figures
        needs a topic. What cannot be delivered now stays in the outbox for the next delivery.
        """
        action = Action(
            decision_id=key_of("told", episode, topic or title),
            kind=Kind.ALERT,
            target=SLACK,
            feature=feature,
            day=day or self.outbox.clock().date(),
            episode=episode,
            title=title,
            text=text,
            payload={"channel": channel} if channel else {},
        )
        if not self.outbox.planned([action], actor=ACTOR, reason="to be told", approved=True):
            return False
        self._delivered(action)
        return True

    def _delivered(self, action: Action) -> DeliveryReport:
        until_s = time.monotonic() + TURN_PATIENCE_S
        while True:
            report = delivered(self.outbox, self.targets, only=[action.id], pace=self.pace)
            if report.results or report.held_up is None or time.monotonic() > until_s:
                return report
            time.sleep(0.2)


def pace_of(wanted: Actions) -> Pace:
    """Return how long a product's settings let a delivery last."""
    return Pace(longest_s=wanted.longest_delivery_s)
