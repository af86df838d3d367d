"""`product.yaml` as typed, frozen values: sources, features with their promises, and the rules of the deployment."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from intelligence.actions.settings import Actions
from intelligence.answers.settings import Judge
from intelligence.briefs.settings import Briefs
from intelligence.catalog.annotations import is_country
from intelligence.catalog.mistakes import in_plain_words, nearest, without_follow_up_errors
from intelligence.core.errors import PlatformError, ProductFileError
from intelligence.core.sections import Section
from intelligence.core.yaml_text import settings_in
from intelligence.decisions.rollout_settings import Rollout
from intelligence.decisions.settings import ActionKind, Advance, Decisions, Doubt, Entities, Limits, Signs
from intelligence.drift.settings import Drift
from intelligence.experiments.settings import Experiment, MetricUse
from intelligence.forecasts.settings import Forecasts
from intelligence.metrics.settings import Funnel, FunnelStep, Health, Retention, repeated_names
from intelligence.online.settings import Guard, Online, OnlineRule, Outcomes
from intelligence.risk.settings import Risk
from intelligence.signals.settings import KnownDays, Signals
from intelligence.simulation.planned_changes import PlannedDrift, PlannedFault
from intelligence.telemetry.answers import ANSWER
from intelligence.telemetry.contract import CONTRACT, PAIR, EventField
from intelligence.telemetry.local_time import UTC_NAME, known_zone
from intelligence.telemetry.names import NOBODY, Naming, normalised_name
from intelligence.telemetry.settings import AcceptedChange, Telemetry
from intelligence.telemetry.values import PLAIN_NUMERALS, UNKNOWN_WORDS, Numerals
from intelligence.warehouse.settings import AnswerFormat, Answers, Promises

if TYPE_CHECKING:
    from intelligence.simulation.answers import AnswerPlan
    from intelligence.simulation.plan import SimulationPlan


# A country by its ISO code, and a part of it after a hyphen.
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,6})?$")]


# The name of a Kafka topic.
Topic = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


class Simulate(Section):
    """Size and seed of a simulated product."""

    features: int = Field(120, ge=1, le=5_000)
    days: int = Field(90, ge=1, le=3_650)
    events_per_day: int = Field(50_000, ge=100)
    seed: int = 7
    first_day: date = date(2026, 5, 4)
    planted: bool = True
    drift: PlannedDrift | None = None
    fault: PlannedFault | None = None

    @model_validator(mode="after")
    def _can_be_simulated(self) -> "Simulate":
        try:
            self.plan()
        except PlatformError as error:
            raise ValueError(f"cannot be: `{error.culprit}` {error.problem} {error.hint.rstrip('.')}") from error
        return self

    def plan(self) -> "SimulationPlan":
        """Return the settings as a plan of the simulator."""
        from intelligence.simulation.plan import SimulationPlan

        return SimulationPlan(**dict(self))


class SimulateAnswers(Section):
    """Size and seed of the simulated answers of a product; its users are those of a simulated stream of events."""

    answers_per_day: int = Field(480, ge=1, le=1_000_000)
    days: int = Field(90, ge=1, le=3_650)
    seed: int = Field(7, ge=0)
    first_day: date = date(2026, 5, 4)
    events_per_day: int = Field(50_000, ge=100)
    people_seed: int = Field(7, ge=0)

    def plan(self) -> "AnswerPlan":
        """Return the settings as a plan of the simulator."""
        from intelligence.simulation.answers import AnswerPlan

        return AnswerPlan(**dict(self))


class FileSource(Section):
    """Files of one format: their globs, and a mapping from their columns to `fields`."""

    fields: ClassVar[tuple[EventField, ...]]

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    files: tuple[str, ...] = ()
    mapping: Mapping[str, str] = Field(default_factory=dict)
    delimiter: str = Field(",", min_length=1, max_length=1)
    null_values: tuple[str, ...] = ("",)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that may be mapped."""
        return tuple(field.name for field in self.fields)

    @property
    def numerals(self) -> Numerals:
        """Return the number format of its text."""
        return PLAIN_NUMERALS

    @property
    def is_mapped(self) -> bool:
        """Return whether its columns are mapped to the contract."""
        return bool(self.files)

    @model_validator(mode="before")
    @classmethod
    def _one_glob_is_a_list_of_one(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("files"), str):
            return {**data, "files": [data["files"]]}
        return data

    @model_validator(mode="after")
    def _maps_to_its_columns(self) -> Self:
        for column in self.mapping if self.is_mapped else ():
            if column not in self.columns:
                raise ValueError(f"maps to `{column}`, which is no contract column{nearest(column, self.columns)}")
        return self


class AliasSource(FileSource):
    """Files of aliases: pairs of an alias and the user to whom it belongs."""

    fields: ClassVar[tuple[EventField, ...]] = PAIR

    name: str = Field("aliases", pattern=r"^[a-z][a-z0-9_]*$")
    files: tuple[str, ...] = Field(min_length=1)


class AnswerSource(FileSource):
    """Files of answers that language models gave, or the simulator of them."""

    fields: ClassVar[tuple[EventField, ...]] = ANSWER

    simulate: SimulateAnswers | None = None
    timezone: str | None = None

    @field_validator("timezone")
    @classmethod
    def _is_a_time_zone(cls, name: str | None) -> str | None:
        return name if name is None else known_zone(name)

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if bool(self.files) == bool(self.simulate):
            raise ValueError("needs one of `files` and `simulate`, and only one")
        return self


class Source(FileSource):
    """One stream of events: file globs or Kafka topics with a mapping from their columns to the contract, or the simulator."""

    fields: ClassVar[tuple[EventField, ...]] = CONTRACT

    topics: tuple[Topic, ...] = ()
    simulate: Simulate | None = None
    timezone: str | None = None
    ids_with: str | None = None
    replaces: bool = False
    decimal: Literal[".", ","] = "."
    thousands: str = Field("", max_length=1)

    @property
    def is_mapped(self) -> bool:
        """Return whether its columns, or the keys of its messages, are mapped to the contract."""
        return bool(self.files or self.topics)

    @model_validator(mode="before")
    @classmethod
    def _one_topic_is_a_list_of_one(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("topics"), str):
            return {**data, "topics": [data["topics"]]}
        return data

    @field_validator("timezone")
    @classmethod
    def _is_a_time_zone(cls, name: str | None) -> str | None:
        return name if name is None else known_zone(name)

    @property
    def numerals(self) -> Numerals:
        """Return the number format of the source's text."""
        return Numerals(self.decimal, self.thousands)

    @model_validator(mode="after")
    def _signs_of_numbers_differ(self) -> "Source":
        if self.thousands and (self.thousands == self.decimal or self.thousands in "0123456789+-eE"):
            raise ValueError(
                f"writes `{self.thousands}` between thousands and `{self.decimal}` before decimals;"
                " `thousands` is another sign, such as `.`, `,`, `'` or a blank"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _is_not_left_empty(cls, data: Any) -> Any:
        others = isinstance(data, dict) and (data.get("files") or data.get("topics"))
        if isinstance(data, dict) and "simulate" in data and data["simulate"] is None and not others:
            raise ValueError("has an empty `simulate`: write `simulate: {}` for the default size, or `files`")
        return data

    @model_validator(mode="after")
    def _is_complete(self) -> "Source":
        if [bool(self.files), bool(self.topics), bool(self.simulate)].count(True) != 1:
            raise ValueError("needs one of `files`, `topics` and `simulate`, and only one")
        if self.topics and self.replaces:
            raise ValueError("reads topics, in which nothing replaces anything: `replaces` is for files")
        return self


class Names(Section):
    """How names in events are normalised, and which words count as no name."""

    case: Literal["keep", "fold"] = "keep"
    placeholders: tuple[str, ...] = UNKNOWN_WORDS
    nobody: tuple[str, ...] = NOBODY

    @property
    def naming(self) -> Naming:
        """Return the settings as rules for names."""
        return Naming(self.case == "fold", self.placeholders, self.nobody)


class Product(Section):
    """A product: the content of `product.yaml`."""

    name: str = Field(min_length=1)
    owner: str = Field("team:product-intelligence", pattern=r"^(team:[\w-]+|[^@\s]+@[^@\s]+)$")
    timezone: str = "UTC"
    start: date | None = None
    end: date | None = None
    session_gap_minutes: int = Field(30, ge=1)
    bots: tuple[str, ...] = ()
    holidays: tuple[Country, ...] = ()
    conversion_events: tuple[str, ...] = ("complete", "subscribe")
    max_lag_hours: float | None = Field(None, gt=0)
    keep_runs_days: int = Field(30, ge=1)
    sources: tuple[Source, ...] = Field(min_length=1)
    aliases: tuple[AliasSource, ...] = ()
    answer_sources: tuple[AnswerSource, ...] = ()
    answers: Answers = Answers()
    judge: Judge = Judge()
    feature_defaults: Promises = Promises()
    features: Mapping[str, Promises] = Field(default_factory=dict)
    names: Names = Names()
    telemetry: Telemetry = Telemetry()
    health: Health = Health()
    retention: Retention = Retention()
    funnels: tuple[Funnel, ...] = ()
    signals: Signals = Signals()
    forecasts: Forecasts = Forecasts()
    risk: Risk = Risk()
    drift: Drift = Drift()
    experiments: tuple[Experiment, ...] = ()
    rollouts: tuple[Rollout, ...] = ()
    actions: Actions = Actions()
    briefs: Briefs = Briefs()
    decisions: Decisions = Decisions()
    online: Online = Online()

    @model_validator(mode="before")
    @classmethod
    def _features_inherit_the_defaults(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("features"), dict):
            return data
        defaults = data.get("feature_defaults") or {}
        if not isinstance(defaults, dict):
            return data
        features = {
            name: {**defaults, **(own or {})} if isinstance(own, dict | None) else own
            for name, own in data["features"].items()
        }
        return {**data, "features": features}

    @model_validator(mode="before")
    @classmethod
    def _names_are_written_as_in_events(cls, data: Any) -> Any:
        """Normalise the names of features and event types as `names` does for events; raises ValueError for duplicates."""
        if not isinstance(data, dict):
            return data
        section = data.get("names")
        fold = isinstance(section, dict) and section.get("case") == "fold"
        found = dict(data)
        features, kinds = data.get("features"), data.get("conversion_events")
        if isinstance(features, dict) and all(isinstance(name, str) for name in features):
            written = {name: normalised_name(name, fold=fold) for name in features}
            twice = sorted(name for name, alike in written.items() if list(written.values()).count(alike) > 1)
            if twice:
                raise ValueError(f"has features that are the same one when written down: {', '.join(map(repr, twice))}")
            found["features"] = {written[name]: promises for name, promises in features.items()}
        if isinstance(kinds, list | tuple) and all(isinstance(kind, str) for kind in kinds):
            found["conversion_events"] = tuple(normalised_name(kind, fold=fold) for kind in kinds)
        if isinstance(data.get("experiments"), list | tuple):
            found["experiments"] = [_as_in_events(each, fold=fold) for each in data["experiments"]]
        if isinstance(data.get("funnels"), list | tuple):
            found["funnels"] = [_steps_as_in_events(each, fold=fold) for each in data["funnels"]]
        return found

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> "Product":
        if self.start and self.end and self.end < self.start:
            raise ValueError(f"ends on {self.end}, before it starts on {self.start}")
        return self

    @field_validator("start", "end")
    @classmethod
    def _has_a_day_after_it(cls, day: date | None) -> date | None:
        if day == date.max:
            raise ValueError(f"is {day}, the last day that a calendar has: write an earlier one, or leave it out")
        return day

    @model_validator(mode="after")
    def _source_names_differ(self) -> "Product":
        names = [source.name for source in self.all_sources]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"names the source {', '.join(repeated)} more than once")
        return self

    @model_validator(mode="after")
    def _topics_differ(self) -> "Product":
        topics = [*(topic for source in self.sources for topic in source.topics), *self.online.outcomes.topics]
        repeated = sorted({name for name in topics if topics.count(name) > 1})
        if repeated:
            raise ValueError(f"reads the topic {', '.join(repeated)} more than once")
        return self

    @field_validator("timezone")
    @classmethod
    def _is_a_time_zone(cls, name: str) -> str:
        return known_zone(name)

    @model_validator(mode="before")
    @classmethod
    def _aliases_of_one_source_are_a_list_of_one(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("aliases"), dict):
            return {**data, "aliases": [data["aliases"]]}
        return data

    @field_validator("holidays", mode="before")
    @classmethod
    def _one_country_is_a_list_of_one(cls, data: Any) -> Any:
        return [data] if isinstance(data, str) else data

    @field_validator("holidays")
    @classmethod
    def _countries_are_known(cls, countries: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [each for each in countries if not is_country(each)]
        if unknown:
            raise ValueError(f"has {', '.join(unknown)}, of which no holidays are known; write DE, or DE-BY")
        return countries

    @field_validator("experiments")
    @classmethod
    def _experiments_differ(cls, experiments: tuple[Experiment, ...]) -> tuple[Experiment, ...]:
        names = [each.name for each in experiments]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"declares {', '.join(repeated)} more than once")
        return experiments

    @field_validator("funnels")
    @classmethod
    def _funnels_differ(cls, funnels: tuple[Funnel, ...]) -> tuple[Funnel, ...]:
        repeated = repeated_names(funnels)
        if repeated:
            raise ValueError(f"declares {', '.join(repeated)} more than once")
        return funnels

    @field_validator("rollouts")
    @classmethod
    def _rollouts_differ(cls, rollouts: tuple[Rollout, ...]) -> tuple[Rollout, ...]:
        flags = [each.flag for each in rollouts]
        repeated = sorted({flag for flag in flags if flags.count(flag) > 1})
        if repeated:
            raise ValueError(f"raises the flag {', '.join(repeated)} more than once")
        return rollouts

    @property
    def all_sources(self) -> tuple[FileSource, ...]:
        """Return all sources, those of events last: the others take precedence where a wide glob of events matches the same file."""
        return (*self.aliases, *self.answer_sources, *self.sources)

    def clock_of(self, source: FileSource) -> str:
        """Return the time zone of times without one: the source's own, else UTC, or the product's for a simulator."""
        if not isinstance(source, Source | AnswerSource):
            return UTC_NAME
        return source.timezone or (self.timezone if source.simulate else UTC_NAME)

    @model_validator(mode="after")
    def _ids_are_shared_with_sources(self) -> "Product":
        names = [source.name for source in self.sources]
        for source in self.sources:
            if source.ids_with is not None and (source.ids_with not in names or source.ids_with == source.name):
                others = [name for name in names if name != source.name]
                raise ValueError(
                    f"shares the ids of `{source.name}` with `{source.ids_with}`, which is no other"
                    f" source{nearest(source.ids_with, others)}"
                )
        return self

    def sources_of_one_id(self, name: str) -> tuple[str, ...]:
        """Return the sources that share event ids with the named one, sorted: itself, and all that `ids_with` links to it."""
        linked = {name}
        while True:
            links = {s.name for s in self.sources if s.ids_with in linked}
            links |= {s.ids_with for s in self.sources if s.name in linked and s.ids_with}
            if links <= linked:
                return tuple(sorted(linked))
            linked |= links

    def flag_of(self, feature: str) -> str | None:
        """Return the key of the feature's flag; None where it has none."""
        return self.features.get(feature, self.feature_defaults).flag_of(feature)

    def is_simulated(self) -> bool:
        """Return whether every source is a simulator, whose days are created in quick succession, whatever their dates."""
        return all(source.simulate for source in self.sources)

    def first_declared_day(self) -> date | None:
        """Return the first day of the data by `start` or by the simulators; None where it is not declared."""
        simulated = [source.simulate.first_day for source in self.sources if source.simulate]
        return self.start or (min(simulated) if len(simulated) == len(self.sources) else None)

    def last_declared_day(self) -> date | None:
        """Return the last day of the data by `end` or by the simulators; None where the data continues."""
        simulated = [
            each.first_day + timedelta(days=each.days - 1) for each in (s.simulate for s in self.sources) if each
        ]
        return self.end or (max(simulated) if len(simulated) == len(self.sources) else None)


def _as_in_events(experiment: Any, *, fold: bool) -> Any:
    """Return a declared experiment with the names of itself, its variants and its feature normalised; anything else as it is."""
    if not isinstance(experiment, dict):
        return experiment
    found = dict(experiment)
    for key in ("name", "control", "feature"):
        if isinstance(found.get(key), str):
            found[key] = normalised_name(found[key], fold=fold)
    variants = found.get("variants")
    if isinstance(variants, dict) and all(isinstance(name, str) for name in variants):
        found["variants"] = {normalised_name(name, fold=fold): share for name, share in variants.items()}
        if len(found["variants"]) < len(variants):
            raise ValueError(f"has an experiment with variants that are the same one: {', '.join(map(repr, variants))}")
    return found


def _steps_as_in_events(funnel: Any, *, fold: bool) -> Any:
    """Return a declared funnel with the types and features of its steps normalised; anything else as it is."""
    if not isinstance(funnel, dict) or not isinstance(funnel.get("steps"), list | tuple):
        return funnel
    normalised = [
        {
            key: normalised_name(value, fold=fold) if key != "name" and isinstance(value, str) else value
            for key, value in step.items()
        }
        if isinstance(step, dict)
        else step
        for step in funnel["steps"]
    ]
    return {**funnel, "steps": normalised}


SECTIONS: Final = tuple(Product.model_fields)


def product_from(text: str, *, origin: str = "product.yaml") -> Product:
    """Return the product that the YAML `text` describes.

    Args:
        text: Content of the file.
        origin: Name of the file, for error messages.

    Raises:
        ProductFileError: The text is not strict YAML or its settings are wrong; the message contains every mistake.

    >>> product_from("name: Demo\\nsources: [{name: app, simulate: {}}]").sources[0].simulate.features
    120
    """
    try:
        return Product.model_validate(settings_in(text, origin=origin))
    except ValidationError as error:
        mistakes = "; ".join(
            in_plain_words(item, _settings_allowed_at(item["loc"])) for item in without_follow_up_errors(error.errors())
        )
        raise ProductFileError(
            origin, f"{mistakes}.", hint="Mend these settings; `intelligence check` tells when all is well."
        ) from None


def _settings_allowed_at(location: Sequence[object]) -> Sequence[str]:
    if len(location) == 1:
        return SECTIONS
    return (
        *Source.model_fields,
        *Promises.model_fields,
        *Simulate.model_fields,
        *SimulateAnswers.model_fields,
        *Answers.model_fields,
        *AnswerFormat.model_fields,
        *Judge.model_fields,
        *PlannedDrift.model_fields,
        *PlannedFault.model_fields,
        *Names.model_fields,
        *Telemetry.model_fields,
        *AcceptedChange.model_fields,
        *Health.model_fields,
        *Signals.model_fields,
        *KnownDays.model_fields,
        *Forecasts.model_fields,
        *Retention.model_fields,
        *Funnel.model_fields,
        *FunnelStep.model_fields,
        *Risk.model_fields,
        *Drift.model_fields,
        *Experiment.model_fields,
        *MetricUse.model_fields,
        *Rollout.model_fields,
        *Actions.model_fields,
        *Briefs.model_fields,
        *Online.model_fields,
        *OnlineRule.model_fields,
        *Guard.model_fields,
        *Outcomes.model_fields,
        *(
            name
            for section in (Decisions, ActionKind, Advance, Limits, Doubt, Signs, Entities)
            for name in section.model_fields
        ),
    )


def with_simulated_days(product: Product, days: int) -> Product:
    """Return the product with another number of simulated days; raises PlatformError where that is not possible.

    Args:
        product: The product.
        days: Number of days that every simulator delivers.
    """
    sources = tuple(
        source.model_copy(update={"simulate": source.simulate.model_copy(update={"days": days})})
        if source.simulate
        else source
        for source in product.sources
    )
    for source in sources:
        if source.simulate:
            source.simulate.plan()
    answers = tuple(
        source.model_copy(update={"simulate": source.simulate.model_copy(update={"days": days})})
        if source.simulate
        else source
        for source in product.answer_sources
    )
    return product.model_copy(update={"sources": sources, "answer_sources": answers})
