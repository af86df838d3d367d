"""The targets that product.yaml switches on: connected where there is a secret for them, recording where there is none."""

from pathlib import Path

from intelligence.actions.settings import Actions
from resources.settings import ActionSecrets
from resources.targets.slack import Slack
from resources.targets.slack_calls import RecordedSlack, SlackOverHttp
from resources.targets.target import Target
from resources.twins.recorded import twin_store


def connected_targets(wanted: Actions, secrets: ActionSecrets, *, data: Path) -> list[Target]:
    """Return the targets; without its secret each is its local twin, to be read by `recorded_messages`."""
    return [_slack(wanted, secrets, data=data)] if "slack" in wanted.targets else []


def _slack(wanted: Actions, secrets: ActionSecrets, *, data: Path) -> Slack:
    token = secrets.slack_token
    calls = SlackOverHttp(wanted.slack_url, token) if token else RecordedSlack(twin_store(data))
    return Slack(calls, wanted.channel)
