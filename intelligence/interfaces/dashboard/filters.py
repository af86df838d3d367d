"""Filters of pages: each is kept in the address, so that a link restores it, and what an address asks for is checked."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import streamlit as st

from intelligence.core.foreign import harmless

PERIODS: Final = ("28", "56", "90", "182", "365")
USUAL_DAYS: Final = "90"
MOST_DAYS: Final = 3_660
_WHOLE: Final = re.compile(r"-?[0-9]{1,6}", re.ASCII)


def days() -> int:
    """Return the number of days that a person or the address chose; 90 where none was, or none that is a number of days."""
    asked = st.query_params.get("days", "")
    if asked and not (asked.isdecimal() and 1 <= int(asked) <= MOST_DAYS):
        del st.query_params["days"]
    return int(choice("Days", "days", PERIODS, first=USUAL_DAYS, unit="days"))


def choice(
    label: str,
    key: str,
    names: Sequence[str],
    *,
    nothing: str = "",
    first: str = "",
    words: Mapping[str, str] | None = None,
    unit: str = "",
    of: str = "",
) -> str:
    """Return the name that a person chose, or else the one in the address; what is no choice there is offered too.

    What is chosen at first does not enter the address: each change of it is a step that the browser's way back undoes, and
    a page that wrote there by itself could not be left by it.

    Args:
        label: What the filter is called.
        key: Its name in the address.
        names: What can be chosen.
        nothing: What choosing none is called; empty where one has to be chosen.
        first: What is chosen at first.
        words: How names are called, where not by themselves.
        unit: What follows each name.
        of: What the filter belongs to; when a person turns to another one, the choice begins anew.
    """
    asked, widget = _asked(key, of), f"choice_{key}"
    offered = [*([""] if nothing else []), *names]
    if asked and asked not in offered:
        offered.append(asked)
    if not offered:
        return ""
    usual = first if first in offered else offered[0]
    # The address differs from what the filter wrote into it last: a link, or the way back, leads here.
    is_led = asked != st.session_state.get(f"address_{key}")
    # What is chosen at first may depend on other filters, and follows them until a person chooses.
    is_led = is_led or (not asked and usual != st.session_state.get(f"usual_{key}"))
    now = st.session_state.get(widget)
    # It is written even if it stays: otherwise a filter of the same name on another page would begin at its first choice.
    st.session_state[widget] = asked or usual if is_led or now not in offered else now

    def called(name: str) -> str:
        return harmless(f"{(words or {}).get(name, name)} {unit}".strip()) if name else nothing

    picked: str = st.selectbox(label, offered, format_func=called, key=widget) or ""
    if picked != (asked or usual):
        if picked:
            st.query_params[key] = picked
        else:
            del st.query_params[key]
    st.session_state[f"address_{key}"], st.session_state[f"usual_{key}"] = st.query_params.get(key, ""), usual
    return picked


def number(label: str, key: str, *, low: int, high: int, first: int, unit: str = "", of: str = "") -> int:
    """Return the whole number that a person chose with a slider, or else the one in the address; what is no such number is left out.

    Args:
        label: What the filter is called.
        key: Its name in the address.
        low: The least number.
        high: The greatest number.
        first: What is chosen at first.
        unit: What follows the number.
        of: What the filter belongs to; when a person turns to another one, the choice begins anew.
    """
    asked, widget = _asked(key, of), f"choice_{key}"
    is_led = asked != st.session_state.get(f"address_{key}")
    chosen = st.session_state.get(widget)
    if is_led or not (isinstance(chosen, int) and low <= chosen <= high):
        is_number = _WHOLE.fullmatch(asked) is not None and low <= int(asked) <= high
        st.session_state[widget] = int(asked) if is_number else first
    picked: int = st.slider(label, low, high, key=widget, format=f"%d {unit.replace('%', '%%')}".strip())
    st.query_params[key] = st.session_state[f"address_{key}"] = str(picked)
    return picked


def _asked(key: str, of: str) -> str:
    """Return what the address asks of a filter: nothing where a person turned to something else that the filter belongs to."""
    asked = st.query_params.get(key, "")
    is_led = asked != st.session_state.get(f"address_{key}", "")
    if st.session_state.get(f"of_{key}", of) != of and not is_led:
        asked = ""
        st.session_state.pop(f"choice_{key}", None)
    st.session_state[f"of_{key}"] = of
    return asked
