"""What the preview of a source found, before any of it is ingested."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from intelligence.telemetry.gaps import Gap
from intelligence.telemetry.mapped import MappedField


@dataclass(frozen=True, slots=True)
class SampleFindings:
    """What a sample of a source's rows shows.

    Attributes:
        fields: From which column or expression each contract field is filled.
        warnings: What looks odd, in sentences.
        next_steps: A better next step for some of the reasons for which rows were rejected.
        lost: Features of which every row was rejected.
        features: Features with an accepted event.
        event_types: Types of accepted events, the most frequent first.
        feature_days: Counts with which the features' promises are compared, one row per feature and day.
    """

    fields: tuple[MappedField, ...] = ()
    warnings: tuple[str, ...] = ()
    next_steps: Mapping[str, str] = field(default_factory=dict)
    lost: tuple[Gap, ...] = ()
    features: frozenset[str] = frozenset()
    event_types: tuple[str, ...] = ()
    feature_days: pl.DataFrame = field(default_factory=pl.DataFrame)


@dataclass(frozen=True, slots=True)
class PreviewedSource:
    """The preview of one source.

    Attributes:
        name: The source's name in product.yaml.
        found: What was found, in words.
        problem: The problem that prevents its ingestion; None where there is none.
        warnings: What may be a mistake, in sentences; it prevents nothing.
        rejections: Why rows would be rejected: reason, number of rows and an example value, the most frequent first.
        unmapped: The columns of its files that are not used.
        found_in: What a sample of its rows shows; None where none could be read.
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
        """Return whether a problem prevents the source from being ingested."""
        return self.problem is not None
