"""What decides on entities: the versions of the model and of the policy with the alias `champion`, followed while the stream runs."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from intelligence.core.errors import ModelError
from intelligence.decisions.learned_policy import EntityPolicy
from intelligence.online.deciding import NO_MODEL, Known, Learned
from intelligence.online.events import StreamEvent
from intelligence.online.policy_log import policy_predictors
from intelligence.online.scoring import Score, Scorer
from intelligence.risk.model import Floats
from resources.models.registry import Registry

ENTITY_RISK: Final = "entity_risk"
ENTITY_POLICY: Final = "entity_policy"
LOOK_EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Scoring:
    """What scores entities at present.

    Attributes:
        scorer: The champion, ready to score; None where there is none or it cannot score these windows.
        why_none: Why there is no scorer, in words; empty where there is one.
        run_id: The MLflow run that made the champion.
        learned: The learned policy that decides between safe answers; None where there is none or it cannot be used.
    """

    scorer: Scorer | None = None
    why_none: str = NO_MODEL
    run_id: str = ""
    learned: Learned | None = None

    def scores(self, windows: Floats) -> "Scores":
        """Return the score of each row of windows, or why there are none; never raises.

        Args:
            windows: The windows' figures, shape (rows, predictors).
        """
        if self.scorer is None:
            return Scores((), self.why_none)
        try:
            return Scores(self.scorer.scored(windows), "")
        except Exception as error:  # the stream and the API always answer
            return Scores((), f"{type(error).__name__} while scoring")


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of rows, or why there are none.

    Attributes:
        found: One score for each row; empty where there are none.
        why_none: Why there are none, in words.
    """

    found: Sequence[Score]
    why_none: str

    def known(self, place: int, event: StreamEvent, windows: Mapping[str, float]) -> Known:
        """Return what is known of the entity of a row.

        Args:
            place: The row.
            event: Its event.
            windows: Its windows just after the event, by name of predictor.
        """
        score = self.found[place] if self.found else None
        return Known.scored(event.entity, event.value, windows, score, self.why_none, event_id=event.id)


class FollowedChampion:
    """Asks the registry every few seconds which version is the champion, in a thread: a slow registry delays no decision."""

    def __init__(
        self, registry: Registry, predictors: Sequence[str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Look for the champion, and wait for the answer this once.

        Args:
            registry: The models of the product.
            predictors: The windows' figures, in the order of their columns.
            clock: Returns a time in seconds.
        """
        self._registry, self._predictors, self._clock = registry, tuple(predictors), clock
        self._present, self._looking = Scoring(), threading.Lock()
        self._looked_at = self._clock()
        self.look()

    def present(self) -> Scoring:
        """Return what scores now, and have the registry asked again where the last answer is some seconds old."""
        if self._clock() - self._looked_at >= LOOK_EVERY_S and not self._looking.locked():
            self._looked_at = self._clock()
            threading.Thread(target=self.look, daemon=True).start()
        return self._present

    def look(self) -> None:
        """Ask the registry now. The last champions stay where it does not answer; one that cannot be used decides nothing."""
        with self._looking:
            self._looked_at = self._clock()
            try:
                found = self._found()
            except ModelError as error:
                found = Scoring(why_none=f"the champion cannot score: {error.problem.rstrip('.')}")
            try:
                learned = self._learned()
            except ModelError:
                learned = None
            self._present = replace(found, learned=learned)

    def _found(self) -> Scoring:
        found = self._registry.champion(ENTITY_RISK)
        if found is None:
            return Scoring()
        present = self._present
        if present.scorer and (present.scorer.version, present.run_id) == (found.version, found.run_id):
            return present
        return Scoring(Scorer(found.model, found.version, predictors=self._predictors), "", found.run_id)

    def _learned(self) -> Learned | None:
        found = self._registry.champion(ENTITY_POLICY)
        policy: object = found.model if found else None
        if found is None or not isinstance(policy, EntityPolicy):
            return None
        is_known = set(policy.predictors) <= set(policy_predictors(self._predictors))
        return Learned(policy, found.version) if is_known else None
