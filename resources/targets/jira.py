"""Jira: one issue for each action, which bears its key as a label and is found by it."""

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
# Its search finds an issue only some time after it was made.
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
        """Return the receipt of a new issue."""
        fields = {
            "project": {"key": self.project},
            "issuetype": {"name": self.issue_type},
            "summary": line(action.title) or "(untitled)",
            "description": jira_document(action),
            "labels": [LABEL, _label(action)],
        }
        return _receipt(self._said(CREATE, {"fields": fields}))

    def found(self, action: Action, precedent: Precedent | None, *, since: datetime) -> Receipt | None:  # noqa: ARG002
        """Return the receipt of the issue that bears the action's key."""
        jql = f'project = "{self.project}" AND labels = "{_label(action)}"'
        try:
            said = self._said(SEARCH, {"jql": jql, "fields": ["summary"], "maxResults": 2})
        except Unknown as error:
            raise Unavailable(str(error)) from None
        issues = said.get("issues", [])
        return _receipt(issues[0]) if issues else None

    def undone(self, action: Action, receipt: Receipt) -> Receipt:  # noqa: ARG002
        """Raise Refused: whether an issue is closed is for those who work on it."""
        raise Refused(f"close {receipt.reference} in Jira")

    def _said(self, path: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
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
