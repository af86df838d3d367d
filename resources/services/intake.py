"""Takes delivered files into the lake, and lists the files that wait."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from intelligence.catalog.product import Product
from intelligence.core.errors import LakeError
from intelligence.core.tables import Days
from intelligence.telemetry.beginnings import set_aside_sentences
from resources.intake.arrivals import Arrivals, arrivals, finds_nothing
from resources.intake.delivery import deliveries
from resources.intake.ingest import IngestReport, ingested
from resources.intake.product_file import ProductFile
from resources.lake.door import Lake


@dataclass(frozen=True, slots=True)
class TakenIn:
    """The result of an intake.

    Attributes:
        report: The result of each batch.
        days: The range of days that gained or lost events; the newest day where none did.
        said: Sentences by topic: which days were set aside, which files replaced others.
    """

    report: IngestReport
    days: Days
    said: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class IntakeService:
    """Takes in what the sources of one product deliver."""

    product: Product
    product_file: ProductFile
    lake: Lake

    def over(self, lake: Lake) -> "IntakeService":
        """Return the same service over the lake of a run."""
        return replace(self, lake=lake)

    def take_in(self, *, progress: Callable[[str], None] = lambda _: None) -> TakenIn:
        """Take in every file that the sources name and that is not in the lake yet, and return the result."""
        files = deliveries(self.product, self._landing, flags=self.product_file.flags, progress=progress)
        now = datetime.now(UTC).replace(tzinfo=None)
        report = ingested(self.lake, self.product, files, now=now, progress=progress)
        if report.batches:
            self._merge_small_files(progress)
        days = Days(report.days[0], report.days[-1] + timedelta(days=1)) if report.days else self.lake.newest_day()
        said = {
            "set_aside": " ".join(set_aside_sentences(self.lake.set_aside())),
            "replaced": " ".join(report.replaced.said),
        }
        return TakenIn(report, days, {subject: text for subject, text in said.items() if text})

    def waiting(self) -> Arrivals:
        """Return the files that an intake would take."""
        return arrivals(self.lake, self.product, self._landing, flags=self.product_file.flags)

    def finds_nothing(self) -> bool:
        """Return whether `take_in` would change nothing and has nothing to report."""
        return finds_nothing(self.lake, self.product, self._landing, flags=self.product_file.flags)

    @property
    def _landing(self) -> Path:
        return Path(self.product_file.landing)

    def _merge_small_files(self, progress: Callable[[str], None]) -> None:
        try:
            merged = self.lake.merged_files()
        except LakeError as error:
            progress(str(error))
            return
        if merged:
            progress(f"{merged} small files of the lake were merged into larger ones")
