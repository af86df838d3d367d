"""All twins at one address: which path belongs to which service."""

from collections.abc import Callable

from resources.twins import jira, pagerduty, slack, webhook
from resources.twins.store import TwinStore
from resources.twins.wire import TwinAnswer, TwinKeys, TwinRequest

Service = Callable[[TwinStore, TwinRequest, TwinKeys], TwinAnswer]


def service_at(path: str) -> tuple[str, Service] | None:
    """Return the name of the service with this path and the function that answers for it; None where there is none."""
    if path.startswith(slack.PREFIX):
        return slack.SERVICE, slack.slack_answer
    return {
        pagerduty.PATH: (pagerduty.SERVICE, pagerduty.pagerduty_answer),
        jira.CREATE: (jira.SERVICE, jira.jira_answer),
        jira.SEARCH: (jira.SERVICE, jira.jira_answer),
        webhook.PATH: (webhook.SERVICE, webhook.webhook_answer),
    }.get(path)


def twin_answer(store: TwinStore, request: TwinRequest, keys: TwinKeys | None = None) -> TwinAnswer:
    """Return the answer of the service to which the request's path belongs; a status of 404 where there is none.

    Args:
        store: Where accepted messages are stored.
        request: The request as it was received.
        keys: The credentials that the twins accept; None: the default ones.
    """
    service = service_at(request.path)
    if service is None:
        return TwinAnswer(404, {"error": "there is no such service"})
    return service[1](store, request, keys or TwinKeys())
