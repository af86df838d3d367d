"""Whether anything is to be done at all, so that nothing has to be loaded that would do it."""

from dataclasses import dataclass
from datetime import date

from intelligence.catalog.layers import DELIVERED, claims_of
from intelligence.drift.episodes import Retraining
from resources.lake.door import Lake
from resources.services.due import DueService
from resources.services.entity_decisions import EntityDecisionService
from resources.services.intake import IntakeService
from resources.services.retraining import RetrainingService


@dataclass(frozen=True, slots=True)
class UpToDateService:
    """Reads whether a product is up to date."""

    lake: Lake
    intake: IntakeService
    due: DueService
    retraining: RetrainingService
    entity_decisions: EntityDecisionService

    def holds(self, *, today: date) -> bool:
        """Return whether nothing waits and nothing is due: files, decisions of the stream, tables, scores, trainings, decisions.

        A check of the delivered tables that fails is due too.

        Args:
            today: Today on the product's clock; earlier days are over.
        """
        if not self.lake.exists():
            return False
        with self.lake.one_snapshot():
            return (
                self.intake.finds_nothing()
                and not self.entity_decisions.is_behind()
                and not self.due.is_anything_due(today=today)
                and not any(isinstance(found, Retraining) for _, found in self.retraining.retrainings())
                and self._checks_pass()
            )

    def _checks_pass(self) -> bool:
        days = self.lake.newest_day()
        return all(self.lake.is_sound(table, claims_of(table), days) for table in DELIVERED)
