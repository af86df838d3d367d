"""The composition root: everything that an interface needs for one product, built from settings.

One process may hold any number of platforms.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from intelligence.catalog.product import Product
from resources.config.settings import Settings
from resources.intake.product_file import ProductFile, product_at
from resources.lake.builds import build_rules
from resources.lake.door import Lake
from resources.messages.announcer import Announcer
from resources.models.registry import Registry
from resources.reports.drift import DriftReports
from resources.services.actions import ActionService
from resources.services.annotations import AnnotationService
from resources.services.answers import AnswerService
from resources.services.briefs import BriefService
from resources.services.causes import CauseService
from resources.services.decisions import DecisionService
from resources.services.drift import DriftService
from resources.services.drift_pages import DriftPageService
from resources.services.due import Clock, DueService
from resources.services.entity_decisions import EntityDecisionService
from resources.services.entity_policies import EntityPolicyService
from resources.services.experiments import ExperimentService
from resources.services.explanations import ExplanationService
from resources.services.export import ExportService
from resources.services.forecasts import ForecastService
from resources.services.intake import IntakeService
from resources.services.judging import JudgeService
from resources.services.models import ModelService
from resources.services.outcomes import OutcomeService
from resources.services.panels import Panels
from resources.services.people import PeopleService
from resources.services.questions import QuestionService
from resources.services.reading import ReadService
from resources.services.report import ReportService
from resources.services.retraining import RetrainingService
from resources.services.rewriting import RewritingService
from resources.services.rollouts import RolloutService
from resources.services.rows import RowService
from resources.services.signals import SignalService
from resources.services.up_to_date import UpToDateService
from resources.services.usage import UsageService
from resources.services.verification import VerificationService


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Platform:
    """One product with its lake, registry, reports and messages, and the services over them.

    Attributes:
        product: What `product.yaml` says.
        product_file: Where that file is, and the folder into which its simulator delivers.
        lake: The tables.
        registry: The models.
        drift_reports: The folder of Evidently pages.
        announcer: The outbox, the flags and the targets of messages.
        clock: Returns the current time in UTC, which decides which days are over.
    """

    product: Product
    product_file: ProductFile
    lake: Lake
    registry: Registry
    drift_reports: DriftReports
    announcer: Announcer
    clock: Clock = _now

    @classmethod
    def of(cls, settings: Settings) -> "Platform":
        """Return the platform of these settings; raises ProductFileError where the product cannot be read."""
        product = product_at(settings.product_file)
        return cls(
            product=product,
            product_file=ProductFile(path=str(settings.product_file), landing=str(settings.landing)),
            lake=Lake.of(settings, rules=build_rules(product), timezone=product.timezone),
            registry=Registry.of(settings),
            drift_reports=DriftReports.of(settings),
            announcer=Announcer.of(settings),
        )

    @property
    def landing(self) -> Path:
        """Return the folder into which the simulator delivers."""
        return Path(self.product_file.landing)

    @cached_property
    def intake(self) -> IntakeService:
        """Return the service that takes in delivered files."""
        return IntakeService(self.product, self.product_file, self.lake)

    @cached_property
    def entity_decisions(self) -> EntityDecisionService:
        """Return the service that brings decisions of the stream into the lake."""
        return EntityDecisionService(self.lake, self.landing.parent)

    @cached_property
    def entity_policies(self) -> EntityPolicyService:
        """Return the service that learns the policy of entities."""
        return EntityPolicyService(self.product, self.lake, self.registry, self.panels)

    @cached_property
    def signals(self) -> SignalService:
        """Return the service that finds what is unusual in the metrics."""
        return SignalService(self.product, self.lake)

    @cached_property
    def usage(self) -> UsageService:
        """Return the service that builds the tables of usage."""
        return UsageService(self.product, self.lake)

    @cached_property
    def rows(self) -> RowService:
        """Return the service that reads rows for those who ask from outside."""
        return RowService(self.lake)

    @cached_property
    def report(self) -> ReportService:
        """Return the service that makes the report."""
        return ReportService(self.lake, self.reading, self.annotations)

    @cached_property
    def export(self) -> ExportService:
        """Return the service that writes what the lake holds into files."""
        return ExportService(self.product, self.lake)

    @cached_property
    def panels(self) -> Panels:
        """Return the service that reads the rows for models."""
        return Panels(self.product, self.lake, self.registry.state)

    @cached_property
    def models(self) -> ModelService:
        """Return the service that trains, evaluates and scores."""
        return ModelService(self.product, self.lake, self.registry, self.panels)

    @cached_property
    def drift(self) -> DriftService:
        """Return the service that compares champions with their training data."""
        return DriftService(self.product, self.lake, self.registry, self.panels)

    @cached_property
    def drift_pages(self) -> DriftPageService:
        """Return the service that makes Evidently pages."""
        return DriftPageService(self.product, self.lake, self.drift_reports, self.panels, self.drift)

    @cached_property
    def experiments(self) -> ExperimentService:
        """Return the service that analyses experiments."""
        return ExperimentService(self.product, self.lake, self.rollouts.flags)

    @cached_property
    def answers(self) -> AnswerService:
        """Return the service that shows and erases texts of answers."""
        return AnswerService(self.product, self.lake, self.clock)

    @cached_property
    def judging(self) -> JudgeService:
        """Return the service that asks a judge about answers."""
        return JudgeService(self.product, self.lake, self.announcer.state, self.clock)

    @cached_property
    def people(self) -> PeopleService:
        """Return the service that compares users by their payments, their segments and what they do."""
        return PeopleService(self.lake)

    @cached_property
    def annotations(self) -> AnnotationService:
        """Return the service that says what happened on a day, and records what people write."""
        return AnnotationService(self.product, self.lake, self.announcer.state, self.clock)

    @cached_property
    def reading(self) -> ReadService:
        """Return the service that reads the pages about the product."""
        return ReadService(self.product, self.lake, self.annotations, self.forecasts, self.experiments)

    @cached_property
    def forecasts(self) -> ForecastService:
        """Return the service that forecasts figures and says how earlier forecasts turned out."""
        return ForecastService(self.product, self.lake)

    @cached_property
    def causes(self) -> CauseService:
        """Return the service that estimates effects and says where a metric's change lies."""
        return CauseService(self.product, self.lake)

    @cached_property
    def decisions(self) -> DecisionService:
        """Return the service that decides about features."""
        return DecisionService(self.product, self.lake, self.registry, self.announcer, self.rollouts)

    @cached_property
    def rollouts(self) -> RolloutService:
        """Return the service that starts, stops and decides rollouts."""
        return RolloutService(self.product, self.lake, self.announcer)

    @cached_property
    def verification(self) -> VerificationService:
        """Return the service that checks in the telemetry whether changes of flags had their effect."""
        return VerificationService(self.product, self.lake, self.announcer)

    @cached_property
    def actions(self) -> ActionService:
        """Return the service that plans and carries out actions."""
        return ActionService(self.product, self.lake, self.announcer, self.verification)

    @cached_property
    def outcomes(self) -> OutcomeService:
        """Return the service that measures what actions achieved."""
        return OutcomeService(self.lake)

    @cached_property
    def briefs(self) -> BriefService:
        """Return the service that composes and reads briefs."""
        return BriefService(self.product, self.lake, self.announcer)

    @cached_property
    def questions(self) -> QuestionService:
        """Return the service that answers questions."""
        return QuestionService(self.lake, self.briefs, self.causes, self.rewriting.replying())

    @cached_property
    def rewriting(self) -> RewritingService:
        """Return the service that has briefs put in other words."""
        return RewritingService(self.product, self.announcer.state, self.clock)

    @cached_property
    def explanations(self) -> ExplanationService:
        """Return the service that explains a decision."""
        return ExplanationService(self.product, self.lake, self.announcer)

    @cached_property
    def retraining(self) -> RetrainingService:
        """Return the service that decides whether drift requires a training, and notifies people."""
        return RetrainingService(
            self.product, self.lake, self.registry, self.drift_reports, self.announcer, self.panels
        )

    @cached_property
    def due(self) -> DueService:
        """Return the service that reads from the lake what is due."""
        return DueService(self.product, self.lake, self.actions, self.briefs, self.clock, self.panels)

    @cached_property
    def up_to_date(self) -> UpToDateService:
        """Return the service that reads whether anything is to be done."""
        return UpToDateService(self.lake, self.intake, self.due, self.retraining, self.entity_decisions)
