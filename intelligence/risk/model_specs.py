"""The two models that the platform trains on its own data: which features will degrade, and which users will leave."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from intelligence.risk.candidates import asked_for
from intelligence.risk.predictors import FEATURE_PREDICTORS, USER_PREDICTORS, Predictor, directions_of, names_of
from intelligence.risk.settings import Risk
from intelligence.risk.task import Task
from intelligence.risk.training import Rules

LONGEST_TRAINING_DAYS: Final = 365
USER_STRIDE_DAYS: Final = 3
USER_WINDOW_DAYS: Final = 28
USER_ROWS: Final = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A model spec: the task of a model, how it is trained, and the texts about it.

    Attributes:
        model: Name of the model in the registry.
        title: Name of the model for people.
        asks: The task, worded as a question.
        use: What the scores are meant for.
        limits: Known limitations, a sentence each.
        tables: Tables that the training data comes from.
        predictors: Predictors with their wordings.
        task: The task on the panel.
        rules: How the model is trained and evaluated.
        medium: Probability from which on a risk counts as medium, in [0, 1].
        high: Probability from which on a risk counts as high, in [0, 1].
        reasons_from: Probability from which on a score gets reasons, in [0, 1].
        left_out: Which candidate is not trained though product.yaml asks for it, in a sentence; empty where none is.
    """

    model: str
    title: str
    asks: str
    use: str
    limits: Sequence[str]
    tables: Sequence[str]
    predictors: tuple[Predictor, ...]
    task: Task
    rules: Rules
    medium: float
    high: float
    reasons_from: float = 0.0
    left_out: str = ""

    def with_candidates(self, *, neural_network: bool) -> "ModelSpec":
        """Return the spec with the candidates that are asked for and can be trained with what is installed.

        Args:
            neural_network: Whether a neural network is asked for.
        """
        candidates, left_out = asked_for(neural_network=neural_network)
        return replace(self, rules=replace(self.rules, candidates=candidates), left_out=left_out)


def feature_spec(risk: Risk) -> ModelSpec:
    """Return the model spec of feature risk by the section `risk` of product.yaml."""
    return ModelSpec(
        model="feature_risk",
        title="Feature risk",
        asks=f"How probable is it that a feature which is not degraded today will be within {risk.horizon_days} days?",
        use="Ranking features for attention ahead of a breach, as one line of evidence for decisions.",
        limits=(
            "It foresees what shows early signs; a bad release that breaks a sound feature overnight cannot be foreseen.",
            "A state is what metrics/feature_health says; where that has too little evidence, so has this.",
            "It finds what goes with trouble, not what causes it.",
        ),
        tables=("risk.feature_panel", "metrics.feature_health"),
        predictors=FEATURE_PREDICTORS,
        task=Task(
            unit="feature",
            time="event_date",
            label="label",
            predictors=names_of(FEATURE_PREDICTORS),
            horizon=risk.horizon_days,
            directions=directions_of(FEATURE_PREDICTORS),
            floors={"persistence": "degraded_days_28d", "ewma": "error_ewma"},
        ),
        rules=Rules(folds=5, capacity=risk.capacity, threshold=risk.high),
        medium=risk.medium,
        high=risk.high,
    )


def user_spec(risk: Risk) -> ModelSpec:
    """Return the model spec of user churn by the section `risk` of product.yaml."""
    churn = risk.churn
    return ModelSpec(
        model="user_churn",
        title="User churn",
        asks=(
            f"How probable is it that a user who was active in the last {churn.window_days} days will not come back within"
            f" {churn.horizon_days} days?"
        ),
        use="Telling how many users are about to leave and why, and whom to ask first.",
        limits=(
            "Holidays look like leaving; scores of the days before a break are too high.",
            "A user is an id in the telemetry: somebody who changes ids leaves and arrives.",
            "It finds what goes with leaving, not what causes it.",
        ),
        tables=("metrics.user_day", "warehouse.dim_users"),
        predictors=USER_PREDICTORS,
        task=Task(
            unit="user_id",
            time="event_date",
            label="label",
            predictors=names_of(USER_PREDICTORS),
            horizon=churn.horizon_days,
            directions=directions_of(USER_PREDICTORS),
            floors={"persistence": "days_since_visit", "ewma": "absence_against_rhythm"},
        ),
        rules=Rules(folds=3, capacity=risk.capacity, threshold=churn.high),
        medium=churn.medium,
        high=churn.high,
        # Reasons for users who will probably stay are of little use, and take most of the time where users are many.
        reasons_from=churn.medium,
    )


def entity_spec(predictors: Sequence[str], *, horizon_days: int, threshold: float, capacity: float) -> ModelSpec:
    """Return the model spec of entity risk.

    Args:
        predictors: Names of the windows' figures.
        horizon_days: Number of days after which an event without a harmful outcome counts as sound.
        threshold: Probability from which on an entity is throttled, in [0, 1].
        capacity: Share of the entities of a day that can be looked at, in (0, 1].
    """
    figures = tuple(Predictor(name, f"{name} of {{:g}}") for name in predictors)
    return ModelSpec(
        model="entity_risk",
        title="Entity risk",
        asks="How probable is it that this event of an entity, or a later one of the same day, turns out to have done harm?",
        use="The score of a decision on the stream, below the rules: throttling, and never blocking by itself.",
        limits=(
            "It learns from the outcomes that were reported: harm that nobody reports is taken for none.",
            "Whoever was blocked is not learned from.",
            "It finds what goes with harm, not what causes it.",
        ),
        tables=("decisions.entity_decisions",),
        predictors=figures,
        task=Task(
            unit="entity",
            time="event_date",
            label="label",
            predictors=tuple(predictors),
            horizon=horizon_days,
            floors={"velocity": "velocity", "isolation_forest": "isolation"},
        ),
        rules=Rules(folds=3, capacity=capacity, threshold=threshold),
        medium=threshold,
        high=threshold,
    )


def user_training_days(first_day: date, last_day: date, *, horizon_days: int) -> list[date]:
    """Return the days whose rows users are trained on, in order: every third one with a known outcome, of at most a year.

    Args:
        first_day: First day of the telemetry.
        last_day: Last day of it.
        horizon_days: Number of days after which the outcome of a day is known.

    >>> user_training_days(date(2026, 1, 1), date(2026, 2, 20), horizon_days=14)[-2:]
    [datetime.date(2026, 2, 3), datetime.date(2026, 2, 6)]
    """
    earliest = max(first_day + timedelta(days=USER_WINDOW_DAYS - 1), last_day - timedelta(days=LONGEST_TRAINING_DAYS))
    latest = last_day - timedelta(days=horizon_days)
    length = (latest - earliest).days
    return [latest - timedelta(days=back) for back in range(length - length % USER_STRIDE_DAYS, -1, -USER_STRIDE_DAYS)]


def users_per_thousand(users: int, days: int) -> int:
    """Return how many of 1,000 users to train on, so that there are about USER_ROWS rows.

    Args:
        users: Number of users of the product.
        days: Number of training days.

    >>> users_per_thousand(5_000, 17)
    352
    """
    return max(1, min(1000, USER_ROWS * 1000 // max(1, users * days)))
