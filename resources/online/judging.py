"""Which messages are events: plain ones by a glance, all others by the SQL that judges files."""

import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from intelligence.catalog.product import Product, Source
from intelligence.core.errors import SourceFileError
from intelligence.online.events import PlainEvents, StreamEvent
from intelligence.online.windows import HOUR_MS
from intelligence.telemetry.contract import EARLIEST_EVENT, FUTURE_TOLERANCE_HOURS
from intelligence.telemetry.local_time import start_of_day
from resources.intake.delivery import delivered_file
from resources.intake.validation import Group, validate_files
from resources.lake.door import Lake

_ACCEPTED: Final = """
SELECT source_row, event_id, epoch_ms(event_time), user_id, feature, coalesce(platform, ''), coalesce(app_version, ''),
    coalesce(error_count, 0) > 0, coalesce(crashed, false), value, latency_ms
FROM identified
"""


class Bounds:
    """Between which times the contract of events lets an event of a product be."""

    def __init__(self, product: Product) -> None:
        """Prepare for a product.

        Args:
            product: The product, which may declare its first and its last day.
        """
        earliest = product.first_declared_day() or date.fromisoformat(EARLIEST_EVENT)
        self.earliest_ms = _ms(start_of_day(earliest, product.timezone))
        last_day = product.last_declared_day()
        self._end_ms = _ms(start_of_day(last_day + timedelta(days=1), product.timezone)) if last_day else None

    def latest_ms(self, now_ms: int) -> int:
        """Return the latest time of an event, in ms since 1970.

        Args:
            now_ms: The current time, in ms since 1970.
        """
        latest_ms = now_ms + FUTURE_TOLERANCE_HOURS * HOUR_MS
        return latest_ms if self._end_ms is None else min(latest_ms, self._end_ms - 1)


class Judge:
    """Judges the messages of one source."""

    def __init__(self, lake: Lake, product: Product, source: Source) -> None:
        """Prepare for a source.

        Args:
            lake: The product's lake, for temporary tables.
            product: The product, which sets bounds of days, names and the time zone.
            source: One of its sources, which reads topics.

        Raises:
            SourceFileError: The mapping fits no message, such as one with an expression that cannot be evaluated.
        """
        self._lake, self._product, self._source = lake, product, source
        self._plain = PlainEvents(
            source.mapping,
            naming=product.names.naming,
            numerals=source.numerals,
            clock=product.clock_of(source),
            null_values=source.null_values,
        )
        self._bounds = Bounds(product)
        try:
            self._by_one_query(["null"], now=datetime(2000, 1, 1))
        except SourceFileError as error:
            raise SourceFileError(source.name, error.problem, hint=error.hint) from error

    def judged(self, lines: Sequence[str], *, now: datetime) -> list[StreamEvent | str]:
        """Return the event of each line, or the reason for which it is none, in the words of the quarantine.

        Args:
            lines: Messages as `text_of` returns them.
            now: The current time, UTC without a time zone; events too far after it are rejected.
        """
        earliest_ms, latest_ms = self._bounds.earliest_ms, self._bounds.latest_ms(_ms(now))
        found: list[StreamEvent | str | None] = [
            self._plain.event(line, earliest_ms=earliest_ms, latest_ms=latest_ms) for line in lines
        ]
        others = [place for place, event in enumerate(found) if event is None]
        if others:
            judged = self._by_sql([lines[place] for place in others], now=now)
            for place, event in zip(others, judged, strict=True):
                found[place] = event
        return [event for event in found if event is not None]

    def _by_sql(self, lines: Sequence[str], *, now: datetime) -> list[StreamEvent | str]:
        try:
            return self._by_one_query(lines, now=now)
        except SourceFileError as error:
            # An expression of the mapping may fail on a single message: it must not take others with it.
            if len(lines) == 1:
                return [f"an expression of the mapping fails: {error.problem}"]
        half = len(lines) // 2
        return [*self._by_sql(lines[:half], now=now), *self._by_sql(lines[half:], now=now)]

    def _by_one_query(self, lines: Sequence[str], *, now: datetime) -> list[StreamEvent | str]:
        with tempfile.TemporaryDirectory() as folder, self._lake.staging() as connection:
            path = Path(folder, "messages.jsonl")
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
            group = Group(self._source, "jsonl", "none", (), (delivered_file(self._source.name, path),))
            validate_files(connection, group, self._product, now=now)
            found: dict[int, StreamEvent | str] = {
                row: StreamEvent(*facts) for row, *facts in connection.execute(_ACCEPTED).fetchall()
            }
            found.update(connection.execute("SELECT source_row, reason FROM rejected").fetchall())
        return [found[row] for row in range(1, len(lines) + 1)]


def _ms(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)
