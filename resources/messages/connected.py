"""The targets that product.yaml switches on: connected where there is a secret for them, else recorded by their twins."""

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


def connected_targets(settings: Actions, secrets: ActionSecrets, *, outbox: Outbox, data: Path) -> list[Target]:
    """Return the targets; without its secret or address each is its local twin, to be read by `recorded_messages`.

    Args:
        settings: The section `actions` of product.yaml.
        secrets: Tokens and keys from the environment; each may be missing.
        outbox: The store of actions; the record of flags is in the same store.
        data: The data folder; twins and a flag file with a relative path are in it.
    """
    store = twin_store(data)
    makers: dict[str, Callable[[], Target]] = {
        "slack": lambda: _slack(settings, secrets, store),
        "flags": lambda: flags_of(settings, data, outbox),
        "pagerduty": lambda: _pagerduty(settings, secrets, store),
        "jira": lambda: _jira(settings, secrets, store),
        "webhook": lambda: _webhook(settings, secrets, store),
    }
    return [makers[name]() for name in dict.fromkeys(settings.targets)]


def flags_of(settings: Actions, data: Path, outbox: Outbox) -> Flags:
    """Return the file of flags as a target, with its record.

    Args:
        settings: The section `actions` of product.yaml, which names the file.
        data: The data folder, at which a relative path begins.
        outbox: The store of actions; the record of flags is in the same store.
    """
    record = FlagRecord(outbox.state, outbox.clock)
    return Flags(FlagFile(data / settings.flag_file, record), record)


def _slack(settings: Actions, secrets: ActionSecrets, store: TwinStore) -> Slack:
    token = secrets.slack_token
    if token:
        return Slack(SlackOverHttp(settings.slack_url, token), settings.channel, rate_per_s=settings.rate_per_s)
    return Slack(RecordedSlack(store), settings.channel, settle_s=0.0)


def _pagerduty(settings: Actions, secrets: ActionSecrets, store: TwinStore) -> PagerDuty:
    key = secrets.pagerduty_routing_key
    if key:
        return PagerDuty(OverHttp("PagerDuty", settings.pagerduty_url), key, rate_per_s=settings.rate_per_s)
    recording = _recording("PagerDuty", pagerduty_answer, store)
    return PagerDuty(recording, SecretStr(_KEYS.pagerduty_routing_key), settle_s=0.0)


def _jira(settings: Actions, secrets: ActionSecrets, store: TwinStore) -> Jira:
    where = (settings.jira_project, settings.jira_issue_type)
    if settings.jira_url and secrets.jira_user and secrets.jira_token:
        calls = OverHttp("Jira", settings.jira_url)
        return Jira(calls, secrets.jira_user, secrets.jira_token, *where, rate_per_s=settings.rate_per_s)
    recording = _recording("Jira", jira_answer, store)
    return Jira(recording, _KEYS.jira_user, SecretStr(_KEYS.jira_token), *where, settle_s=0.0)


def _webhook(settings: Actions, secrets: ActionSecrets, store: TwinStore) -> Webhook:
    deduplicates, secret = settings.webhook_deduplicates, secrets.webhook_secret
    if settings.webhook_url and secret:
        calls = OverHttp("the webhook", settings.webhook_url)
        return Webhook(calls, secret, utc_now, deduplicates, rate_per_s=settings.rate_per_s)
    recording = _recording("the webhook", webhook_answer, store)
    return Webhook(recording, SecretStr(_KEYS.webhook_secret), utc_now, deduplicates, settle_s=0.0)


def _recording(name: str, service: Service, store: TwinStore) -> InProcess:
    return InProcess(name, lambda request: service(store, request, _KEYS))
