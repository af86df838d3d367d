"""The text of an action in the format of each target, escaped so that nothing in it is interpreted."""

import re
import unicodedata
from typing import Any

from intelligence.actions.action import Action

SLACK_TEXT_LIMIT = 3_500
SUMMARY_LIMIT = 250
_ZERO_WIDTH = "\u200b"
_MENTION = re.compile(r"@(?=\w)")
_MARKER = re.compile(r"(?<!\w)([*_~`])|([*_~`])(?!\w)")
_SCHEME = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*):(?=//)|\b(mailto|tel|javascript|data):")


def plain(text: str) -> str:
    """Return the text without control characters and marks that change the reading direction; line feeds are kept.

    >>> plain("a\\x1b[31m\\u202eb\\r\\nc")
    'a[31mb\\nc'
    """
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = (each for each in unified if each == "\n" or unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Co"))
    return "".join(kept)


def line(text: str, *, limit: int = SUMMARY_LIMIT) -> str:
    """Return the text in one line.

    Args:
        text: Text of any origin.
        limit: Greatest number of characters.

    >>> line("a\\n\\n b", limit=10), line("abcdef", limit=4)
    ('a b', 'abc…')
    """
    return _cut(" ".join(plain(text).split()), limit)


def slack_text(text: str) -> str:
    """Return the text escaped so that Slack shows it literally, without mentions, links or formatting.

    >>> slack_text("<!channel> & <http://x.y|click>") == "&lt;!channel&gt; &amp; &lt;http:\\u200b//x.y|click&gt;"
    True
    >>> slack_text("tutor_answer")
    'tutor_answer'
    """
    escaped = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    broken = _MENTION.sub(f"@{_ZERO_WIDTH}", escaped)
    broken = _SCHEME.sub(lambda found: f"{found[0]}{_ZERO_WIDTH}", broken)
    return _MARKER.sub(lambda found: f"{_ZERO_WIDTH}{found[0]}", broken)


def slack_message(action: Action, *, latest: str | None = None) -> str:
    """Return the message for Slack.

    Args:
        action: The action to announce.
        latest: Title of the newest message of its thread; None where it is the only one.
    """
    parts = [f"*{slack_text(line(action.title))}*", slack_text(_cut(action.text, SLACK_TEXT_LIMIT)).strip()]
    if latest:
        parts.append(f"_Now:_ {slack_text(line(latest))}")
    return "\n".join(part for part in parts if part)


def jira_document(action: Action) -> dict[str, Any]:
    """Return the text in the Atlassian Document Format of Jira, in which text nodes are shown literally."""
    lines = [each for each in plain(action.text).split("\n") if each.strip()] or [line(action.title)]
    paragraphs = [{"type": "paragraph", "content": [{"type": "text", "text": each}]} for each in lines]
    return {"type": "doc", "version": 1, "content": paragraphs}


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
