"""What a look at a source found, before anything of it is ingested."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from intelligence.telemetry.gaps import Gap
from intelligence.telemetry.mapped import MappedField


@dataclass(frozen=True, slots=True)
class SampleFindings:
    """What a sample of a source says of it.

    Attributes:
        fields: Which contract field is filled from what.
        warnings: What looks odd, in sentences.
        next_steps: A better next step for some of the reasons for which rows were rejected.
        lost: Features of which every row was rejected.
        features: Features with an accepted event.
        event_types: Types of accepted events, the most frequent first.
        feature_days: Counts by feature and day, as promises are compared with.
    """

    fields: tuple[MappedField, ...] = ()
    warnings: tuple[str, ...] = ()
    next_steps: Mapping[str, str] = field(default_factory=dict)
    lost: tuple[Gap, ...] = ()
    features: frozenset[str] = frozenset()
    event_types: tuple[str, ...] = ()
    feature_days: pl.DataFrame = field(default_factory=pl.DataFrame)


@dataclass(frozen=True, slots=True)
class ExaminedSource:
    """A source, what was found in words, the problem that stops it if there is one, and why rows would be rejected.

    `warnings` are what may be meant, or not: it stops nothing. `rejections` holds (reason, rows, example value), the most frequent first;
    `unmapped` the columns of its files that nothing is made from.
    """

    name: str
    found: str
    problem: str | None = None
    warnings: tuple[str, ...] = ()
    rejections: tuple[tuple[str, int, str | None], ...] = ()
    unmapped: tuple[str, ...] = ()
    found_in: SampleFindings | None = None

    @property
    def is_wrong(self) -> bool:
        """Return whether the source needs mending before it delivers everything."""
        return self.problem is not None
