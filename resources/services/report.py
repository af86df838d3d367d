"""The report: the pages of the read model with pictures, as one HTML document of one snapshot."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from intelligence.catalog.pages import Page
from intelligence.catalog.report import html_report
from intelligence.core.marks import Mark
from resources.lake.door import Lake
from resources.services.annotations import AnnotationService
from resources.services.reading import SHOWN_DAYS, ReadService

_DAYS: Final = "FROM {} WHERE event_date > $day - CAST($days AS INTEGER) AND event_date <= $day"
_WEEKLY: Final = "FROM metrics.retention_cohorts WHERE grain = 'week' AND dimension = 'all' AND definition = 'n_week'"
_NEWEST: Final = "FROM {0} WHERE event_date = (SELECT max(event_date) FROM {0})"


@dataclass(frozen=True, slots=True)
class ReportService:
    """Makes the report. It writes nothing."""

    lake: Lake
    read: ReadService
    annotations: AnnotationService

    def html(self) -> str:
        """Return the report as one HTML document; where the lake is empty it says so."""
        if not self.lake.exists():
            return html_report({"Today": self.read.today()}, {})
        with self.lake.one_snapshot():
            pages = {
                "Today": self.read.today(),
                "Features": self.read.features(),
                "People": self.read.people(),
                "Experiments": self.read.experiments(),
                "Causes": self.read.causes(),
                "What comes next": self.read.coming(),
                "Decisions": self.read.decisions(),
                "Health of the platform": self.read.health(),
            }
            day = pages["Today"].as_of.day
            return html_report(pages, self._pictures(pages, day) if day else {})

    def _pictures(self, pages: Mapping[str, Page], day: date) -> dict[tuple[str, str], bytes]:
        """Return the pictures of the parts that have rows, by page and part."""
        marks = self.annotations.marks(day - timedelta(days=SHOWN_DAYS - 1), day)
        made = self._drawn(day, marks)
        return {place: draw() for place, draw in made.items() if not _is_empty(pages, place)}

    def _drawn(self, day: date, marks: tuple[Mark, ...]) -> dict[tuple[str, str], Callable[[], bytes]]:
        """Return how each picture is made."""
        from intelligence.causality.pictures import forest_picture as effects_picture
        from intelligence.core.plots import health_picture, kpi_picture
        from intelligence.drift.pictures import watch_picture
        from intelligence.experiments.pictures import forest_picture, path_picture
        from intelligence.forecasts.pictures import fan_picture
        from intelligence.metrics.pictures import funnel_picture, lifecycle_picture, triangle_picture

        asked = {"day": day, "days": SHOWN_DAYS}
        frame = self.lake.frame
        kpis = frame(_DAYS.format("metrics.kpi_day"), asked)
        results = frame(_DAYS.format("experiments.experiment_results"), asked)
        coming = self.annotations.marks(
            day - timedelta(days=SHOWN_DAYS - 1), day + timedelta(days=SHOWN_DAYS), known_until=day
        )
        return {
            ("Today", "pulse"): lambda: kpi_picture(kpis, marks),
            ("Today", "trouble"): lambda: health_picture(frame(_DAYS.format("metrics.feature_health"), asked), marks),
            ("People", "retention"): lambda: triangle_picture(frame(_WEEKLY)),
            ("People", "funnels"): lambda: funnel_picture(frame(_DAYS.format("metrics.funnel_day"), asked)),
            ("People", "lifecycle"): lambda: lifecycle_picture(
                frame(_DAYS.format("metrics.lifecycle_day") + " AND dimension = 'all'", asked), marks
            ),
            ("Experiments", "goals"): lambda: forest_picture(results),
            ("Experiments", "course"): lambda: path_picture(results),
            ("Causes", "effects"): lambda: effects_picture(frame(_NEWEST.format("causality.feature_effects"))),
            ("What comes next", "forecast"): lambda: fan_picture(
                frame(_NEWEST.format("forecasts.forecasts")), kpis, coming
            ),
            ("Health of the platform", "models"): lambda: watch_picture(
                frame(_DAYS.format("drift.model_watch"), asked)
            ),
        }


def _is_empty(pages: Mapping[str, Page], place: tuple[str, str]) -> bool:
    title, name = place
    part = pages[title].parts.get(name)
    return part is None or part.is_empty
