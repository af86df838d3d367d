"""Annotations: what happened on the days of a product, read from the lake and from the notes of people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from intelligence.catalog.annotations import (
    HOLIDAY,
    KINDS,
    KNOWN_TO_METRICS,
    NOTE,
    QUERIES,
    Annotation,
    about,
    holidays_between,
    in_order,
    most_telling,
)
from intelligence.catalog.product import Product
from intelligence.core.errors import StateError
from intelligence.core.marks import Mark
from intelligence.core.tables import Days
from resources.lake.door import Lake
from resources.state.glance import holds_nothing

LONGEST_NOTE = 500
# Days that a note may be about, before and after the newest one.
MOST_BEFORE, MOST_AFTER = timedelta(days=3_650), timedelta(days=366)
# Charts go back this far.
SHOWN_DAYS = 90
_KNOWN = "SELECT count(*) FROM warehouse.dim_feature_metadata WHERE feature = $feature"


@dataclass(frozen=True, slots=True)
class AnnotationService:
    """Reads what happened, and records what people write.

    Attributes:
        product: The product.
        lake: Its lake.
        state: SQLAlchemy URL of the store with the notes.
        clock: Returns the current time in UTC.
    """

    product: Product
    lake: Lake
    state: str
    clock: Callable[[], datetime]

    def over(self, lake: Lake) -> "AnnotationService":
        """Return the service over the lake of a run."""
        return replace(self, lake=lake)

    def between(
        self,
        first: date,
        last: date,
        *,
        feature: str | None = None,
        kinds: Sequence[str] = KINDS,
        known_until: date | None = None,
    ) -> tuple[Annotation, ...]:
        """Return what happened on these days, in order.

        Args:
            first: First day.
            last: Last day; for days to come there are holidays and notes.
            feature: Only what concerns this feature: its own annotations, and those of the whole product.
            kinds: Which kinds are looked for.
            known_until: Nothing that the lake knows of later days is shown.
        """
        queries = {kind: QUERIES[kind] for kind in kinds if kind in QUERIES}
        parameters = {"first": first, "last": min(last, known_until or last)}
        found: list[Annotation] = []
        if queries and self.lake.exists():
            _, read = self.lake.read(queries, parameters)
            for kind, rows in read.items():
                found += [
                    Annotation(row["day"], kind, row["text"], row["feature"], about=row.get("about"))
                    for row in rows.iter_rows(named=True)
                ]
        if HOLIDAY in kinds:
            found += holidays_between(self.product.holidays, first, last)
        if NOTE in kinds:
            found += self._notes(first, last)
        return in_order(about(found, feature))

    def marks(
        self,
        first: date,
        last: date,
        *,
        feature: str | None = None,
        kinds: Sequence[str] = KINDS,
        known_until: date | None = None,
    ) -> tuple[Mark, ...]:
        """Return the marks of a chart over these days, at most three.

        Args:
            first: First day of the chart.
            last: Last day of it.
            feature: The feature that it is about; None for the whole product.
            kinds: Which kinds are looked for.
            known_until: Nothing that the lake knows of later days is shown.
        """
        found = self.between(first, last, feature=feature, kinds=kinds, known_until=known_until)
        return most_telling(found, feature=feature)

    def on_kpis(self, days: Days) -> tuple[Mark, ...]:
        """Return the marks of a chart in the layer metrics that ends with the last of these days."""
        last = days.end - timedelta(days=1)
        kinds = [kind for kind in KNOWN_TO_METRICS if kind != "incident"]
        return self.marks(days.end - timedelta(days=SHOWN_DAYS), last, kinds=kinds)

    def on_forecasts(self, days: Days) -> tuple[Mark, ...]:
        """Return the marks of a chart that goes on after the last of these days: of the days to come, holidays and notes."""
        last = days.end - timedelta(days=1)
        return self.marks(
            days.end - timedelta(days=SHOWN_DAYS),
            last + timedelta(days=self.product.forecasts.days),
            kinds=KNOWN_TO_METRICS,
            known_until=last,
        )

    def around(self, days: int, *, feature: str | None = None) -> tuple[Annotation, ...]:
        """Return what happened on the newest days, and what is known of as many days after them.

        Args:
            days: Number of days, before and after the end of the newest one.
            feature: Only what concerns this feature.

        Raises:
            StateError: There is no such feature.
        """
        self._require_known(feature)
        newest = self._newest()
        return self.between(
            newest - timedelta(days=days - 1), newest + timedelta(days=days), feature=feature, known_until=newest
        )

    def _newest(self) -> date:
        """Return the newest day of the lake, or today without one."""
        if self.lake.exists() and not self.lake.is_empty():
            return self.lake.newest_day().start
        return self.clock().date()

    def noted(self, text: str, *, day: date | None = None, feature: str | None = None, by: str) -> Annotation:
        """Return the note, which is recorded.

        Args:
            text: What is to be noted.
            day: The day that it is about; the newest day of the lake where it is not given, or today without one.
            feature: The product feature; None for the whole product.
            by: Who writes it.

        Raises:
            StateError: The note is empty or too long, its day is far away, or there is no such feature.
        """
        plain = " ".join(text.split())
        if not plain or len(plain) > LONGEST_NOTE:
            problem = "it is empty." if not plain else f"it has {len(plain)} characters, more than {LONGEST_NOTE}."
            raise StateError("note", problem, hint="Say in a sentence what happened.")
        self._require_known(feature)
        about_day, newest = day or self._newest(), self._newest()
        if not newest - MOST_BEFORE <= about_day <= newest + MOST_AFTER:
            reach = f"{newest - MOST_BEFORE} to {newest + MOST_AFTER}"
            raise StateError(str(about_day), "is too far away for any chart.", hint=f"Name a day from {reach}.")
        from resources.state.notes import NoteRecord
        from resources.state.store import state_at

        NoteRecord(state_at(self.state), self.clock).add(about_day, plain, feature=feature, actor=by)
        return Annotation(about_day, NOTE, plain, feature, by)

    def _require_known(self, feature: str | None) -> None:
        has_days = self.lake.exists() and not self.lake.is_empty()
        if feature is not None and not (has_days and self.lake.frame(_KNOWN, {"feature": feature}).item()):
            raise StateError(feature, "is no known feature.", hint="Leave `--feature` out for the whole product.")

    def _notes(self, first: date, last: date) -> list[Annotation]:
        if holds_nothing(self.state, ("notes",)):
            return []
        from resources.state.notes import NoteRecord
        from resources.state.store import state_at

        record = NoteRecord(state_at(self.state), self.clock)
        return [Annotation(each.day, NOTE, each.text, each.feature, each.actor) for each in record.between(first, last)]
