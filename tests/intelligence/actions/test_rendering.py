"""Whatever an action contains reaches people as inert text."""

import unicodedata
from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from intelligence.actions.action import Action, Kind
from intelligence.actions.rendering import (
    SUMMARY_LIMIT,
    jira_document,
    line,
    plain,
    slack_message,
    slack_text,
)

HOSTILE = (
    "<!channel> <@U123> <https://evil.example|click> @here *bold* `code` \x1b[31m \u202e javascript:alert(1) & \x00"
)


def action(title: str, text: str) -> Action:
    return Action("d", Kind.ALERT, "slack", None, date(2026, 7, 1), "e", title, text)


def test_hostile_words_neither_call_nor_link_nor_colour() -> None:
    shown = slack_text(HOSTILE)
    assert "<" not in shown
    assert "@here" not in shown
    assert "https://" not in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "*bold*" not in shown
    assert "tutor_answer" in slack_text("tutor_answer")


@given(st.text(), st.text())
def test_no_text_makes_markup_in_slack(title: str, text: str) -> None:
    shown = slack_message(action(title, text), latest=text)
    assert not set(shown) & {"<", ">"}
    assert "&" not in shown.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
    assert len(shown) < 40_000


@given(st.text())
def test_plain_text_bears_no_control_character_and_a_line_is_one(text: str) -> None:
    assert all(sign == "\n" or unicodedata.category(sign) not in ("Cc", "Cf", "Cs") for sign in plain(text))
    assert "\n" not in line(text)
    assert len(line(text)) <= SUMMARY_LIMIT
    assert plain(plain(text)) == plain(text)


@given(st.text(), st.text())
def test_a_jira_document_is_paragraphs_of_text_and_nothing_else(title: str, text: str) -> None:
    document: dict[str, Any] = jira_document(action(title, text))
    nodes = [node for paragraph in document["content"] for node in paragraph["content"]]
    assert all(set(node) == {"type", "text"} for node in nodes)
