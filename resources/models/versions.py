"""The values that the registry takes and returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from intelligence.risk.versions import Move

if TYPE_CHECKING:
    from intelligence.risk.model import RiskModel

CHAMPION = "champion"
REVERT = "revert"


class StoredModel(Protocol):
    """What the registry requires of a model; a protocol, since importing models would load numpy with the code location."""

    @property
    def kind(self) -> str:
        """Return the kind of model, such as `logistic_regression`."""

    @property
    def predictors(self) -> tuple[str, ...]:
        """Return the names of its input columns."""

    def files(self) -> dict[str, bytes]:
        """Return the content of the model's files by name."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate model of a training, or a baseline (floor) with which it was compared.

    Attributes:
        name: Name of its run in MLflow.
        description: The run's description in MLflow.
        metrics: Its evaluation metrics by name.
    """

    name: str
    description: str
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedTraining:
    """What a training logs to MLflow for people.

    Attributes:
        question: The model's task, as one sentence.
        summary: The model card's summary, which describes the version.
        snapshot: Id of the lake's snapshot that the training read.
        trained_through: The last day whose labels the model was trained on, in ISO format.
        tables: The tables of the lake that the training read.
        params: Settings of the training.
        metrics: One number each for the whole training.
        steps: Numbers by step, such as a fold: each metric's values in order.
        files: Artifacts by path, such as `plots/calibration.png`.
        candidates: The candidate models and the baselines (floors); each becomes a child run.
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
    """A version in the registry.

    Attributes:
        model: Name of the registered model.
        version: Number of the version in MLflow.
        run_id: The MLflow run that made the version.
        version_url: The version's page in MLflow.
        run_url: The run's page in MLflow.
        is_new: Whether this call created the version.
    """

    model: str
    version: str
    run_id: str
    version_url: str
    run_url: str
    is_new: bool


class AliasHistory(Protocol):
    """What the registry requires of the history of an alias; a protocol, since importing `Promotions` would load sqlalchemy."""

    def history(self) -> list[Move]:
        """Return every move, the oldest first."""

    def noticed(self) -> Move | None:
        """Return the move that a person made in MLflow since the last call, after recording it; None if there was none."""

    def promoted(self, version: str, *, actor: str, cause: str, reason: str, run_id: str | None) -> Move:
        """Move the alias to a version, and return the move.

        Args:
            version: Number of the version in MLflow.
            actor: Who moves the alias, a person or a part of the platform.
            cause: Kind of the move, such as `revert`.
            reason: Why, in a sentence.
            run_id: The Dagster run that moves it, None outside of one.
        """

    def reverted(self, *, actor: str, reason: str, run_id: str | None) -> Move:
        """Move the alias back to the former champion, and return the move.

        Args:
            actor: Who moves the alias, a person or a part of the platform.
            reason: Why, in a sentence.
            run_id: The Dagster run that moves it, None outside of one.
        """


@dataclass(frozen=True, slots=True)
class Champion:
    """The version to score with.

    Attributes:
        name: Name of the registered model.
        version: Number of the version in MLflow.
        run_id: The MLflow run that made the version.
        model: The model, loaded from verified files.
        tags: The version's tags.
        note: What readers of its scores must know, such as that MLflow was unreachable; None where there is nothing.
    """

    name: str
    version: str
    run_id: str
    model: "RiskModel"
    tags: Mapping[str, str]
    note: str | None = None

    @property
    def trained_through(self) -> str:
        """Return the last day whose labels the model was trained on, in ISO format; empty if unknown."""
        return self.tags.get("trained_through", "")

    @property
    def snapshot(self) -> int | None:
        """Return the id of the lake's snapshot on which the model was trained; None if unknown."""
        text = self.tags.get("lake_snapshot", "")
        return int(text) if text else None
