"""An action in the words of each target, with whatever stands in it made inert."""

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
    """Return the text without control characters and marks that turn the direction of reading; lines stay.

    >>> plain("a\\x1b[31m\\u202eb\\r\\nc")
    'a[31mb\\nc'
    """
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = (sign for sign in unified if sign == "\n" or unicodedata.category(sign) not in ("Cc", "Cf", "Cs", "Co"))
    return "".join(kept)


def line(text: str, *, limit: int = SUMMARY_LIMIT) -> str:
    """Return the text in one line of at most `limit` signs.

    >>> line("a\\n\\n b", limit=10), line("abcdef", limit=4)
    ('a b', 'abc…')
    """
    return _cut(" ".join(plain(text).split()), limit)


def slack_text(text: str) -> str:
    """Return the text so that Slack shows it as it is: no mention, no link, no formatting comes of it.

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
    """Return the message for Slack; `latest` is the title of the newest message of its thread."""
    parts = [f"*{slack_text(line(action.title))}*", slack_text(_cut(action.text, SLACK_TEXT_LIMIT)).strip()]
    if latest:
        parts.append(f"_Now:_ {slack_text(line(latest))}")
    return "\n".join(part for part in parts if part)


def jira_document(action: Action) -> dict[str, Any]:
    """Return the text as Jira's document format, in which a text node is nothing but text."""
    lines = [each for each in plain(action.text).split("\n") if each.strip()] or [line(action.title)]
    paragraphs = [{"type": "paragraph", "content": [{"type": "text", "text": each}]} for each in lines]
    return {"type": "doc", "version": 1, "content": paragraphs}


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
