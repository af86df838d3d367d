"""Sends people a message once: an alert is planned, approved and delivered in one step."""

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
    """The outbox and the targets, for callers with a message to people."""

    outbox: Outbox
    targets: Sequence[Target]
    pace: Pace = UNHURRIED

    @classmethod
    def of(cls, outbox: Outbox, settings: Actions, secrets: ActionSecrets, *, data: Path) -> "Notifier":
        """Return the notifier for a product's settings.

        Args:
            outbox: The store of actions.
            settings: The section `actions` of product.yaml.
            secrets: Tokens and keys from the environment; each may be missing.
            data: The data folder; twins and a flag file with a relative path are in it.
        """
        return cls(outbox, connected_targets(settings, secrets, outbox=outbox, data=data), pace_of(settings))

    def notified(
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
        """Return whether the message is new; False where it was sent, or waits to be sent, already.

        Messages are the same if their episode and topic are. A message that cannot be delivered now stays in the outbox
        for the next delivery.

        Args:
            episode: What the message is about, such as one drift of a model; its messages share a thread.
            title: The first line.
            text: The text below it; may be empty.
            channel: The Slack channel; None: the default channel of product.yaml.
            topic: What identifies the message within its episode; None: the title, which must then contain no changing
                numbers.
            feature: The product feature that it is about; None: no single one.
            day: The day that it is about; None: today by the outbox's clock.
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


def pace_of(settings: Actions) -> Pace:
    """Return how long a delivery may last by a product's settings."""
    return Pace(longest_s=settings.longest_delivery_s)
