"""The targets that product.yaml switches on: connected where there is a secret for them, recording where there is none."""

from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from intelligence.actions.settings import Actions
from intelligence.actions.target import Target
from resources.config.settings import ActionSecrets
from resources.flags.file import FlagFile
from resources.flags.record import FlagRecord
from resources.flags.target import Flags
from resources.outbox.door import Outbox, utc_now
from resources.targets.http import InProcess, OverHttp
from resources.targets.jira import Jira
from resources.targets.pagerduty import PagerDuty
from resources.targets.slack import Slack
from resources.targets.slack_calls import RecordedSlack, SlackOverHttp
from resources.targets.webhook import Webhook
from resources.twins.jira import jira_answer
from resources.twins.pagerduty import pagerduty_answer
from resources.twins.recorded import twin_store
from resources.twins.services import Service
from resources.twins.store import TwinStore
from resources.twins.webhook import webhook_answer
from resources.twins.wire import TwinKeys

_KEYS = TwinKeys()


def connected_targets(wanted: Actions, secrets: ActionSecrets, *, outbox: Outbox, data: Path) -> list[Target]:
    """Return the targets; without its secret or address each is its local twin, to be read by `recorded_messages`."""
    store = twin_store(data)
    makers: dict[str, Callable[[], Target]] = {
        "slack": lambda: _slack(wanted, secrets, store),
        "flags": lambda: flags_of(wanted, data, outbox),
        "pagerduty": lambda: _pagerduty(wanted, secrets, store),
        "jira": lambda: _jira(wanted, secrets, store),
        "webhook": lambda: _webhook(wanted, secrets, store),
    }
    return [makers[name]() for name in dict.fromkeys(wanted.targets)]


def flags_of(wanted: Actions, data: Path, outbox: Outbox) -> Flags:
    """Return the file of flags with what is known of it; a relative path begins at the data folder."""
    record = FlagRecord(outbox.state, outbox.clock)
    return Flags(FlagFile(data / wanted.flag_file, record), record)


def _slack(wanted: Actions, secrets: ActionSecrets, store: TwinStore) -> Slack:
    token = secrets.slack_token
    if token:
        return Slack(SlackOverHttp(wanted.slack_url, token), wanted.channel, rate_per_s=wanted.rate_per_s)
    return Slack(RecordedSlack(store), wanted.channel, settle_s=0.0)


def _pagerduty(wanted: Actions, secrets: ActionSecrets, store: TwinStore) -> PagerDuty:
    key = secrets.pagerduty_routing_key
    if key:
        return PagerDuty(OverHttp("PagerDuty", wanted.pagerduty_url), key, rate_per_s=wanted.rate_per_s)
    recording = _recording("PagerDuty", pagerduty_answer, store)
    return PagerDuty(recording, SecretStr(_KEYS.pagerduty_routing_key), settle_s=0.0)


def _jira(wanted: Actions, secrets: ActionSecrets, store: TwinStore) -> Jira:
    where = (wanted.jira_project, wanted.jira_issue_type)
    if wanted.jira_url and secrets.jira_user and secrets.jira_token:
        calls = OverHttp("Jira", wanted.jira_url)
        return Jira(calls, secrets.jira_user, secrets.jira_token, *where, rate_per_s=wanted.rate_per_s)
    recording = _recording("Jira", jira_answer, store)
    return Jira(recording, _KEYS.jira_user, SecretStr(_KEYS.jira_token), *where, settle_s=0.0)


def _webhook(wanted: Actions, secrets: ActionSecrets, store: TwinStore) -> Webhook:
    deduplicates, secret = wanted.webhook_deduplicates, secrets.webhook_secret
    if wanted.webhook_url and secret:
        calls = OverHttp("the webhook", wanted.webhook_url)
        return Webhook(calls, secret, utc_now, deduplicates, rate_per_s=wanted.rate_per_s)
    recording = _recording("the webhook", webhook_answer, store)
    return Webhook(recording, SecretStr(_KEYS.webhook_secret), utc_now, deduplicates, settle_s=0.0)


def _recording(name: str, service: Service, store: TwinStore) -> InProcess:
    return InProcess(name, lambda request: service(store, request, _KEYS))
