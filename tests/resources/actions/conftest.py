"""A desk: an outbox with a clock that can be moved, the twins on loopback, and a file of flags, all real."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from intelligence.actions.action import Action, Kind
from intelligence.actions.target import Target
from resources.flags.file import FlagFile
from resources.flags.record import FlagRecord
from resources.flags.target import Flags
from resources.outbox.deliverer import DeliveryReport, delivered
from resources.outbox.door import Outbox, utc_now
from resources.processes.front.twins import twins_served
from resources.state.store import state_at
from resources.targets.http import OverHttp
from resources.targets.jira import Jira
from resources.targets.pagerduty import PagerDuty
from resources.targets.slack import Slack
from resources.targets.slack_calls import SlackOverHttp
from resources.targets.webhook import Webhook
from resources.twins.faults import Misbehaviours
from resources.twins.store import Record, TwinStore
from resources.twins.wire import TwinKeys

KEYS = TwinKeys()


def action(decision: str = "d1", kind: Kind = Kind.ALERT, target: str = "slack", **fields: Any) -> Action:
    values = {"feature": "tutor_answer", "day": date(2026, 7, 1), "episode": "e1", "title": "It burns", "text": "Why"}
    return Action(decision, kind, target, **{**values, **fields})


@dataclass
class Desk:
    folder: Path
    url: str
    twins: TwinStore
    misbehaviours: Misbehaviours
    ahead: timedelta = timedelta()
    outbox: Outbox = field(init=False)

    def __post_init__(self) -> None:
        self.outbox = Outbox(state_at(f"sqlite:///{self.folder}/state.db"), clock=lambda: utc_now() + self.ahead)

    @property
    def flags(self) -> Flags:
        record = FlagRecord(self.outbox.state, self.outbox.clock)
        return Flags(FlagFile(self.folder / "flags.flagd.json", record), record)

    @property
    def targets(self) -> list[Target]:
        return [
            Slack(SlackOverHttp(f"{self.url}/api/", SecretStr(KEYS.slack_token)), "#product-intelligence"),
            self.flags,
            PagerDuty(OverHttp("PagerDuty", self.url), SecretStr(KEYS.pagerduty_routing_key)),
            Jira(OverHttp("Jira", self.url), KEYS.jira_user, SecretStr(KEYS.jira_token), "OPS", "Task"),
            Webhook(OverHttp("the webhook", f"{self.url}/webhook"), SecretStr(KEYS.webhook_secret), utc_now),
        ]

    def approve(self, *actions: Action) -> None:
        self.outbox.planned(actions, actor="policy", reason="it burns", approved=True)

    def deliver(self) -> DeliveryReport:
        return delivered(self.outbox, self.targets)

    def later(self, **ahead: float) -> None:
        """Move the clock of the platform on."""
        self.ahead += timedelta(**ahead)

    def standings(self) -> list[str]:
        """Return where each action stands, the oldest first."""
        return [entry.standing for entry in self.outbox.entries()][::-1]

    def taken(self, service: str = "slack") -> list[Record]:
        return self.twins.records(service)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    twins = TwinStore(tmp_path / "twins.db")
    with twins_served(twins, hang_s=0.0) as (url, misbehaviours):
        made = Desk(tmp_path, url, twins, misbehaviours)
        yield made
        made.outbox.state.close()
