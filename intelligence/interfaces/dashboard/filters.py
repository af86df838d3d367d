"""Filters of pages: each is kept in the address, so that a link restores it, and what an address asks for is checked."""

from collections.abc import Mapping, Sequence
from typing import Final

import streamlit as st

from intelligence.core.foreign import harmless

PERIODS: Final = (28, 56, 90, 182, 365)
USUAL_DAYS: Final = 90


def days() -> int:
    """Return the number of days that a person chose; 90 where none, or no known one, was chosen."""
    found: int | None = st.selectbox(
        "Days",
        PERIODS,
        index=PERIODS.index(USUAL_DAYS),
        key="days",
        bind="query-params",
        format_func=lambda each: f"{each} days",
    )
    return found or USUAL_DAYS


def choice(
    label: str,
    key: str,
    names: Sequence[str],
    *,
    nothing: str = "",
    first: str = "",
    words: Mapping[str, str] | None = None,
) -> str:
    """Return the name that a person chose; what an address asks for and is no choice is offered too, and said to be unknown.

    Args:
        label: What the filter is called.
        key: Its name in the address.
        names: What can be chosen.
        nothing: What choosing none is called; empty where one has to be chosen.
        first: What is chosen at first.
        words: How names are called, where not by themselves.
    """
    asked = st.query_params.get(key, "")
    offered = [*([""] if nothing else []), *names]
    if asked and asked not in offered:
        offered.append(asked)
    if not offered:
        return ""
    start = asked or first
    chosen: str | None = st.selectbox(
        label,
        offered,
        index=offered.index(start) if start in offered else 0,
        format_func=lambda each: harmless((words or {}).get(each, each)) if each else nothing,
        key=f"choice_{key}",
    )
    picked = chosen or ""
    if picked:
        st.query_params[key] = picked
    elif key in st.query_params:
        del st.query_params[key]
    return picked
