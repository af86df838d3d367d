"""The versions of a model and the history of its champions, as people read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One line of the table of a model's versions."""

    version: str
    aliases: tuple[str, ...]
    created_at: datetime
    kind: str
    metrics: Mapping[str, float]
    trained_through: str
    verdict: str | None
    run_id: str


@dataclass(frozen=True, slots=True)
class Move:
    """One line of the history of the alias `champion`; a version is None where the alias was on none."""

    sequence: int
    at: datetime
    model: str
    from_version: str | None
    to_version: str | None
    actor: str
    cause: str
    reason: str
    run_id: str | None = None
