"""Jira: one issue for each action, with the action's id as a label, by which it is found again."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from intelligence.actions.action import Action
from intelligence.actions.rendering import jira_document, line
from intelligence.actions.target import Precedent, Receipt, Refused, Unavailable, Unknown
from resources.targets.http import Calls

NAME = "jira"
CREATE, SEARCH = "/rest/api/3/issue", "/rest/api/3/search/jql"
LABEL = "intelligence"
# Jira's search finds an issue only some time after it was created.
INDEXED_AFTER_S = 60.0


@dataclass(frozen=True, slots=True)
class Jira:
    """A project of a Jira site."""

    calls: Calls
    user: str
    token: SecretStr
    project: str
    issue_type: str
    name: str = NAME
    settle_s: float = INDEXED_AFTER_S
    rate_per_s: float | None = None

    def sent(self, action: Action, precedent: Precedent | None) -> Receipt:  # noqa: ARG002
        """Return the receipt of a new issue.

        Args:
            action: The action; its id is the idempotency key.
            precedent: Not used: each action gets an issue of its own.

        Raises:
            Unavailable: Where nothing happened and the call may be repeated.
            Refused: Where nothing happened and repeating will not help.
            Unknown: Where it may have happened or not.
        """
        fields = {
            "project": {"key": self.project},
            "issuetype": {"name": self.issue_type},
            "summary": line(action.title) or "(untitled)",
            "description": jira_document(action),
            "labels": [LABEL, _label(action)],
        }
        return _receipt(self._answered(CREATE, {"fields": fields}))

    def found(self, action: Action, precedent: Precedent | None, *, since: datetime) -> Receipt | None:  # noqa: ARG002
        """Return the receipt of the issue with the action's label; None where there is none.

        Args:
            action: The action; its id is the idempotency key.
            precedent: Not used: each action has an issue of its own.
            since: Not used: the label identifies the action.

        Raises:
            Unavailable: Where the search did not answer; it changes nothing and may be repeated.
            Refused: Where Jira refuses the search.
        """
        jql = f'project = "{self.project}" AND labels = "{_label(action)}"'
        try:
            said = self._answered(SEARCH, {"jql": jql, "fields": ["summary"], "maxResults": 2})
        except Unknown as error:
            raise Unavailable(str(error)) from None
        issues = said.get("issues", [])
        return _receipt(issues[0]) if issues else None

    def undone(self, action: Action, receipt: Receipt) -> Receipt:  # noqa: ARG002
        """Raise Refused: only the people who work on an issue close it.

        Args:
            action: The action to undo.
            receipt: Its receipt, which names the issue.
        """
        raise Refused(f"close {receipt.reference} in Jira")

    def _answered(self, path: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        credentials = base64.b64encode(f"{self.user}:{self.token.get_secret_value()}".encode()).decode()
        headers = {"authorization": f"Basic {credentials}", "content-type": "application/json"}
        said = self.calls.answer(path, json.dumps(document).encode(), headers).document
        if not isinstance(said, Mapping):
            raise Unknown("Jira's answer is no JSON object")
        return said


def _label(action: Action) -> str:
    return f"{LABEL}-{action.id}"


def _receipt(issue: Mapping[str, Any]) -> Receipt:
    return Receipt(str(issue.get("key")), {"key": issue.get("key"), "id": issue.get("id")})
