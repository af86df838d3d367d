"""A person's word on actions that wait for it: the outbox records who said it and why, and delivers what is allowed."""

import threading
from typing import Final

import streamlit as st

from intelligence.core.errors import PlatformError
from intelligence.interfaces.dashboard import layout, reader
from intelligence.interfaces.dashboard.server import proxy
from intelligence.interfaces.dashboard.text import html_of
from resources.outbox.entries import Entry
from resources.processes.front.people import LONGEST_NAME, as_request, is_direct, person_of
from resources.processes.front.rules import Request

# Streamlit answers a second click while the first is still carried out.
_ONE_WORD: Final = threading.Lock()
LONGEST_REASON: Final = 500


def may_decide() -> bool:
    """Return whether this page takes a person's word: on this machine itself, or from a person whom the proxy may let decide."""
    asked, front = _request(), proxy()
    return is_direct(asked, front) or (front.may_decide and person_of(asked, front) is not None)


def signed_in() -> str | None:
    """Return the name of the person whom the proxy vouches for; None on this machine itself, and where no header is believed."""
    return person_of(_request(), proxy())


def say_who() -> None:
    """Show who is signed in, beside the pages."""
    name = signed_in()
    if name:
        st.sidebar.html(f'<p class="pi-quiet">Signed in as {html_of(name)}</p>')


def _request() -> Request:
    headers = st.context.headers
    return as_request([(name, value) for name in headers for value in headers.get_all(name)])


def waiting() -> list[Entry]:
    """Return the actions that wait for a person, the newest first; none where no action was ever planned."""
    from intelligence.actions.states import ActionState
    from resources.state.glance import holds_nothing

    announcer = reader.platform().announcer
    if holds_nothing(announcer.state, ("outbox",)):
        return []
    return announcer.outbox().entries(states=[ActionState.PLANNED])


def show() -> None:
    """Show what waits for a person, with approval and rejection where this page may take them."""
    entries = waiting()
    st.subheader("What needs a person", anchor=False)
    _say_what_became()
    if not entries:
        layout.set_apart("No action waits for a person.")
        return
    is_open = may_decide()
    if not is_open:
        st.info(
            "Read-only here: approve or reject on the machine itself, with `intelligence approve` and `intelligence reject`."
        )
    name = signed_in() if is_open else None
    for entry in entries:
        _entry(entry, is_open=is_open, name=name)


def _entry(entry: Entry, *, is_open: bool, name: str | None) -> None:
    action = entry.action
    with st.container(border=True):
        st.html(
            f'<p class="pi-finding" style="margin-top:0">{html_of(action.title)}</p>'
            f'<p class="pi-quiet">{html_of(action.kind)} at {html_of(action.target)}, for {html_of(action.day)}; open until'
            f" {entry.expires_at:%Y-%m-%d %H:%M} UTC; action {html_of(entry.id[:12])}</p>"
            f'<div class="pi-sentences"><p style="font-size:1rem">{html_of(action.text)}</p></div>'
        )
        if not is_open:
            return
        with st.form(f"decide_{entry.id}", border=False):
            if name:
                st.html(f'<p class="pi-quiet">In the name of {html_of(name)}</p>')
            else:
                st.text_input("Your name", key=f"who_{entry.id}", max_chars=LONGEST_NAME)
            st.text_input("Why", key=f"why_{entry.id}", max_chars=LONGEST_REASON)
            left, right = st.columns(2)
            left.form_submit_button(
                "Approve", type="primary", key=f"yes_{entry.id}", on_click=_decide, args=(entry.id, True)
            )
            right.form_submit_button("Reject", key=f"no_{entry.id}", on_click=_decide, args=(entry.id, False))
        if refused := st.session_state.get(f"refused_{entry.id}"):
            st.error(refused)


def _decide(action_id: str, approve: bool) -> None:
    """Record the word of a person, and deliver what it allows; say what is missing where it has no name or no reason.

    A click is answered even where the action waits no more, and a second click on the same says again what became of it.
    """
    decided: dict[str, str] = st.session_state.setdefault("decided", {})
    with _ONE_WORD:
        _decide_once(action_id, decided, approve=approve)
    if action_id in decided:
        st.session_state["became"] = decided[action_id]


def _decide_once(action_id: str, decided: dict[str, str], *, approve: bool) -> None:
    """Note in `decided` what became of a word, unless it is there already; say what is missing, or what went wrong."""
    if action_id in decided:
        return
    if not may_decide():
        st.session_state[f"refused_{action_id}"] = "Nothing was done: this page is read-only here."
        return
    # Whom the proxy names is looked up again, whatever the page was sent.
    typed = {key: st.session_state.get(f"{key}_{action_id}", "") for key in ("who", "why")}
    actor, reason = (" ".join(text.split()) for text in (signed_in() or typed["who"], typed["why"]))
    if not actor or not reason:
        st.session_state[f"refused_{action_id}"] = "Nothing was done: say who you are, and why."
        return
    try:
        decided[action_id] = _done(action_id, approve=approve, actor=actor, reason=reason)
    except PlatformError as error:
        st.session_state["became"] = f"Nothing was done. {error.culprit}: {error.problem} {error.hint}"


def _done(action_id: str, *, approve: bool, actor: str, reason: str) -> str:
    """Return what became of a person's word, which is carried out."""
    platform = reader.platform()
    outbox = platform.announcer.outbox()
    if not approve:
        entry = outbox.rejected(action_id, actor=actor, reason=reason)
        return f"{entry.action.title} was rejected by {actor} and will not be done."
    outbox.approved(action_id, actor=actor, reason=reason)
    platform.actions.delivered()
    entry = outbox.entry(action_id)
    return f"{entry.action.title} was approved by {actor} and stands at {entry.standing}."


def _say_what_became() -> None:
    """Say what became of the last word: it stays, since a second click may end the run that a first one began."""
    said = st.session_state.get("became")
    if said:
        layout.set_apart(said)
