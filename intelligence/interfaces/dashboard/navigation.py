"""The pages of the dashboard, their addresses and their titles."""

from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from intelligence.interfaces.dashboard.links import PAGES_OF_RUN
from intelligence.interfaces.dashboard.views import (
    answers,
    causes,
    coming,
    decisions,
    experiments,
    feature,
    features,
    people,
    platform_health,
    today,
)

# Each page by its address, with its title; the first is shown at `/`.
PAGES: Final[dict[str, tuple[str, Callable[[], None]]]] = {
    "today": ("Today", today.show),
    "features": ("Features", features.show),
    "feature": ("One feature", feature.show),
    "people": ("People", people.show),
    "experiments": ("Experiments", experiments.show),
    "answers": ("AI answers", answers.show),
    "causes": ("Causes", causes.show),
    "coming": ("What comes next", coming.show),
    "decisions": ("Decisions", decisions.show),
    "platform": ("Health of the platform", platform_health.show),
}


def pages() -> dict[str, Any]:
    """Return the pages of this run by address, and let links find them."""
    found = {
        name: st.Page(show, title=title, url_path=name, default=name == "today")
        for name, (title, show) in PAGES.items()
    }
    st.session_state[PAGES_OF_RUN] = found
    return found
