"""Pages for the dashboard: read once for each snapshot of the lake, and kept until there is a newer one."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import streamlit as st

from intelligence.catalog.annotations import NOTE
from intelligence.catalog.pages import Page
from resources.config.settings import Settings, settings
from resources.platform import Platform
from resources.services.reading import Choices, ReadService

# The dashboard reads small tables: the server is to stay small too. What needs more is spilled to disk.
MEMORY_LIMIT: Final = "256MB"
KEPT_PAGES: Final = 64
KEPT_S: Final = 3_600
Key = tuple[str, str, float]


@st.cache_resource(show_spinner=False, max_entries=4)
def _platform(key: Key) -> Platform:
    del key
    now = settings()
    return Platform.of(replace(now, memory_limit=MEMORY_LIMIT, threads=now.threads or 2))


def _key(now: Settings) -> Key:
    """Return what a platform depends on: its folders, and when the product's file was changed."""
    file = Path(now.product_file)
    return str(file), now.catalog, file.stat().st_mtime if file.exists() else 0.0


def platform() -> Platform:
    """Return the platform of this process; raises ProductFileError where the product cannot be read."""
    return _platform(_key(settings()))


def reading() -> ReadService:
    """Return the read model."""
    return platform().reading


def snapshot() -> int | None:
    """Return the id of the lake's newest snapshot; None without a lake."""
    return reading().snapshot_id()


@st.cache_data(show_spinner="Reading the lake", max_entries=KEPT_PAGES, ttl=KEPT_S)
def _page(key: Key, snapshot_id: int | None, notes: int, name: str, asked: tuple[tuple[str, Any], ...]) -> Page:
    del key, snapshot_id, notes
    page: Page = getattr(reading(), name)(**dict(asked))
    return page


def _notes() -> int:
    """Return how many notes people have written: they stand beside the lake, and on its charts."""
    return len(platform().annotations.between(date.min, date.max, kinds=(NOTE,)))


def page_of(name: str, /, **asked: Any) -> Page:
    """Return a page of the read model as of the newest snapshot, with the notes that were written since.

    Args:
        name: Method of ReadService.
        asked: Its arguments.
    """
    return _page(_key(settings()), snapshot(), _notes(), name, tuple(sorted(asked.items())))


@st.cache_data(show_spinner=False, max_entries=4, ttl=KEPT_S)
def _choices(key: Key, snapshot_id: int | None) -> Choices:
    del key, snapshot_id
    return reading().choices()


def choices() -> Choices:
    """Return the features and segments that can be chosen."""
    return _choices(_key(settings()), snapshot())
