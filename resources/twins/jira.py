"""The twin of Jira's REST API v3: issues are created, and found by project and label."""

import base64
import re
from collections.abc import Mapping
from typing import Any

from resources.twins.store import Record, TwinStore
from resources.twins.wire import TwinAnswer, TwinKeys, TwinRequest

SERVICE = "jira"
CREATE, SEARCH = "/rest/api/3/issue", "/rest/api/3/search/jql"
_JQL = re.compile(r'project = "(\w+)" AND labels = "([\w-]+)"')
_FIELDS = {"project", "issuetype", "summary", "description", "labels"}


def jira_answer(store: TwinStore, request: TwinRequest, keys: TwinKeys) -> TwinAnswer:
    """Return Jira's answer; a new issue is stored.

    Args:
        store: Where accepted messages are stored.
        request: The request as it was received.
        keys: The credentials that the twin accepts.
    """
    credentials = base64.b64encode(f"{keys.jira_user}:{keys.jira_token}".encode()).decode()
    if request.headers.get("authorization") != f"Basic {credentials}":
        return TwinAnswer(401, {"errorMessages": ["Client must be authenticated to access this resource."]})
    try:
        document = request.json()
    except ValueError:
        return _wrong({}, "There was an error parsing JSON. Check that your request body is valid.")
    return _created(store, document) if request.path == CREATE else _searched(store, document)


def _created(store: TwinStore, document: Any) -> TwinAnswer:
    fields = document.get("fields") if isinstance(document, dict) else None
    if not isinstance(fields, dict):
        return _wrong({}, "Invalid request payload. Refer to the REST API documentation and try again.")
    errors = _errors(fields)
    if errors:
        return _wrong(errors)
    project = fields["project"]["key"]
    record = store.added(SERVICE, project, {"text": fields["summary"], "fields": fields}, key=fields["labels"][-1])
    return TwinAnswer(201, _issue(record))


def _errors(fields: Mapping[str, Any]) -> dict[str, str]:
    errors = {
        name: f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."
        for name in sorted(set(fields) - _FIELDS)
    }
    summary, labels, description = fields.get("summary"), fields.get("labels", []), fields.get("description")
    if not isinstance(summary, str) or not summary.strip():
        errors["summary"] = "You must specify a summary of the issue."
    elif "\n" in summary:
        errors["summary"] = "The summary is invalid because it contains newline characters."
    elif len(summary) > 255:
        errors["summary"] = "Summary can't exceed 255 characters."
    if not isinstance(fields.get("project"), dict) or not fields["project"].get("key"):
        errors["project"] = "Specify a valid project ID or key"
    if not isinstance(fields.get("issuetype"), dict) or not fields["issuetype"].get("name"):
        errors["issuetype"] = "Specify an issue type"
    if not labels or any(not isinstance(label, str) or " " in label or len(label) > 255 for label in labels):
        errors["labels"] = "The label contains spaces which is invalid."
    if not _is_document(description):
        errors["description"] = "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
    return errors


def _is_document(value: Any) -> bool:
    if not isinstance(value, dict) or (value.get("type"), value.get("version")) != ("doc", 1):
        return False
    nodes = [node for paragraph in value.get("content", []) for node in paragraph.get("content", [])]
    return bool(nodes) and all(set(node) == {"type", "text"} and node["text"] for node in nodes)


def _searched(store: TwinStore, document: Any) -> TwinAnswer:
    asked = _JQL.fullmatch(str(document.get("jql"))) if isinstance(document, dict) else None
    if asked is None:
        return _wrong({}, "Error in the JQL Query.")
    found = store.records(SERVICE, place=asked[1], key=asked[2])
    return TwinAnswer(200, {"issues": [_issue(record) for record in found], "isLast": True})


def _issue(record: Record) -> dict[str, str]:
    return {"id": str(10_000 + record.sequence), "key": f"{record.place}-{record.sequence}"}


def _wrong(errors: Mapping[str, str], *messages: str) -> TwinAnswer:
    return TwinAnswer(400, {"errorMessages": list(messages), "errors": dict(errors)})
