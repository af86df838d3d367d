"""Links between pages, which keep the filters in the address, and links to the UIs of the platform."""

from typing import Any, Final
from urllib.parse import quote

import streamlit as st

from intelligence.interfaces.dashboard.text import label_of
from resources.config.settings import settings

# Under this name a run keeps its pages for links to them.
PAGES_OF_RUN: Final = "pages_of_run"


def to(page: str, label: str, **asked: str) -> None:
    """Show a link to a page.

    Args:
        page: Its address.
        label: What the link says; text of any origin.
        asked: What the page is asked for, as it stands in the address.
    """
    found: dict[str, Any] = st.session_state[PAGES_OF_RUN]
    st.page_link(
        found[page], label=label_of(label), query_params={name: value for name, value in asked.items() if value}
    )


def dagster(path: str = "") -> str:
    """Return the address of a page of the Dagster UI.

    Args:
        path: Path below its start page.
    """
    from resources.config.serving_lock import served_addresses

    return f"{served_addresses(settings().data).get('dagster', 'http://127.0.0.1:3000')}/{path.lstrip('/')}"


def report(name: str) -> str:
    """Return the address of an Evidently page.

    Args:
        name: Name of its file.
    """
    return f"{settings().reports_ui}/{quote(name)}"
