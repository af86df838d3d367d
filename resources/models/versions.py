"""What the registry is given and what it gives back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from intelligence.risk.versions import Move

if TYPE_CHECKING:
    from intelligence.risk.model import RiskModel

CHAMPION = "champion"
REVERT = "revert"


class StoredModel(Protocol):
    """What the registry asks of a model; `RiskModel` is one, and importing it here would load numpy with the graph."""

    @property
    def kind(self) -> str:
        """Return what sort of model it is."""

    @property
    def predictors(self) -> tuple[str, ...]:
        """Return the names of its input columns."""

    def files(self) -> dict[str, bytes]:
        """Return the model as files by name."""

    def probabilities(self, rows: pl.DataFrame) -> Any:
        """Return the calibrated probability of each row."""

    def contributions(self, rows: pl.DataFrame) -> Any:
        """Return what each predictor adds to each row's raw logit."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate of a training or a floor that it was held against: its name, what is said of it, and its measures."""

    name: str
    description: str
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedTraining:
    """What a training leaves for people in MLflow.

    Attributes:
        question: What the model answers, in one sentence.
        summary: The model card's summary, which describes the version.
        snapshot: The lake's snapshot that the training read.
        trained_through: The last day whose labels the model has seen.
        tables: The tables of the lake that the training read.
        params: Settings of the training.
        metrics: One number each for the whole training.
        steps: Numbers by step, such as a fold: each metric's values in order.
        files: Artifacts by path, such as `plots/calibration.png`.
        candidates: The models among which this one was chosen, and the floors; each becomes a child of the run.
    """

    question: str
    summary: str
    snapshot: int
    trained_through: str
    tables: Sequence[str]
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    steps: Mapping[str, Sequence[float]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    candidates: Sequence[Candidate] = ()


@dataclass(frozen=True, slots=True)
class Registered:
    """A version in the registry; `is_new` tells whether this call made it."""

    model: str
    version: str
    run_id: str
    version_url: str
    run_url: str
    is_new: bool


class AliasHistory(Protocol):
    """What the registry asks of the history of an alias; `Promotions` is one, and importing it here would load sqlalchemy."""

    def history(self) -> list[Move]:
        """Return every move, the oldest first."""

    def noticed(self) -> Move | None:
        """Return the move that was made in MLflow since the last look; None if there was none."""

    def promoted(self, version: str, *, actor: str, cause: str, reason: str, run_id: str | None) -> Move:
        """Return the move of the alias to `version`."""

    def reverted(self, *, actor: str, reason: str, run_id: str | None) -> Move:
        """Return the move back to the champion before the present one."""


@dataclass(frozen=True, slots=True)
class Champion:
    """The version to score with; `note` says what a reader of its scores must know, such as that MLflow was silent."""

    name: str
    version: str
    run_id: str
    model: "RiskModel"
    tags: Mapping[str, str]
    note: str | None = None

    @property
    def trained_through(self) -> str:
        """Return the last day whose labels the model has seen."""
        return self.tags.get("trained_through", "")

    @property
    def snapshot(self) -> int | None:
        """Return the lake's snapshot on which the model was trained."""
        text = self.tags.get("lake_snapshot", "")
        return int(text) if text else None
