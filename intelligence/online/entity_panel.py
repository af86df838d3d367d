"""What became true of events later, and the rows that a model of entities learns from."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec
import polars as pl

from intelligence.core.errors import OnlineError
from intelligence.online.settings import Outcomes
from intelligence.telemetry.contract import IDENTIFIER_LIMIT

MOST_OUTCOMES: Final = 1_000
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=IDENTIFIER_LIMIT, pattern=r"^[^\x00-\x1f\x7f]+$")]
ISOLATION_ROWS: Final = 20_000
ISOLATION_DAYS: Final = 28
FEWEST_ISOLATION_ROWS: Final = 50


class Outcome(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What became true of an event."""

    id: Annotated[Name, msgspec.Meta(description="Id of the event, and so of the decision on it.")]
    outcome: Annotated[Name, msgspec.Meta(description="One of the names in `online: outcomes` of product.yaml.")]
    at: Annotated[
        datetime | None, msgspec.Meta(description="When it became true; without it now. UTC without a zone.")
    ] = None
    value: Annotated[
        Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)] | None, msgspec.Meta(description="What it cost.")
    ] = None


_many = msgspec.json.Decoder(Outcome | Annotated[list[Outcome], msgspec.Meta(min_length=1, max_length=MOST_OUTCOMES)])
EXAMPLE: Final = {"id": "4711", "outcome": "chargeback", "at": "2026-05-11T09:30:00Z"}


def outcomes_of(text: bytes, settings: Outcomes, *, now: datetime) -> list[Outcome]:
    """Return the outcomes in a message or the body of a request: one, or a list of them; each has a time in UTC with its zone.

    Args:
        text: The JSON text.
        settings: Which names there are.
        now: The current time with its zone, for those without one.

    Raises:
        OnlineError: It is not JSON of that form, an outcome has a name that is not known, or it lies in the future.
    """
    hint = f"Send for example {msgspec.json.encode(EXAMPLE).decode()}."
    try:
        found = _many.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OnlineError("outcome", f"is no outcome and no list of outcomes: {error}.", hint=hint) from error
    names = (*settings.harmful, *settings.sound)
    outcomes = []
    for each in found if isinstance(found, list) else [found]:
        if each.outcome not in names:
            known = f"Use one of {', '.join(names)}, or name it in `online: outcomes` of product.yaml."
            raise OnlineError(
                "outcome", f"of the event {each.id!r} is {each.outcome!r}, which is not known.", hint=known
            )
        at = each.at or now
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
        if at > now + timedelta(hours=1):
            raise OnlineError(
                "outcome", f"of the event {each.id!r} lies in the future ({at:%Y-%m-%d %H:%M} UTC).", hint=hint
            )
        outcomes.append(msgspec.structs.replace(each, at=at))
    return outcomes


def entity_panel(
    decisions: pl.DataFrame, outcomes: pl.DataFrame, predictors: Sequence[str], settings: Outcomes, *, as_of: datetime
) -> pl.DataFrame:
    """Return rows to learn from: one event of each entity and day, its windows, and whether it or a later one that day did harm.

    The event is chosen by the hash of its id, so that frequent entities do not count more. What was blocked could do no harm and is
    left out, as are events whose windows are not known. A row has a label once its days are over: harm that is known earlier has to
    wait, since of rows that young only the harmful ones would be known.

    Args:
        decisions: One row per decision of the stream: `event_id`, `event_time`, `entity`, `answer`, `level`, `windows` as JSON.
        outcomes: One row per outcome: `event_id`, `outcome`, `at`; may be empty.
        predictors: Names of the windows' figures.
        settings: What the outcomes mean.
        as_of: Until when outcomes are known, UTC without a zone.

    Returns:
        `event_date`, `entity`, `label` (null while it is unknown), the predictors, `velocity` and `isolation`, by day and entity.
    """
    newest = outcomes.filter(pl.col("at") <= as_of).sort("at").group_by("event_id", maintain_order=True).last()
    harmed = newest.select("event_id", is_harm=pl.col("outcome").is_in(list(settings.harmful)))
    over = pl.col("event_date") < (as_of - timedelta(days=settings.days)).date()
    day = ["event_date", "entity"]
    rows = (
        decisions.filter(
            pl.col("windows").is_not_null() & ~((pl.col("answer") == "block") & (pl.col("level") == "auto"))
        )
        .join(harmed, on="event_id", how="left")
        .with_columns(event_date=pl.col("event_time").dt.date(), order=pl.col("event_id").hash(7))
        .sort("event_date", "entity", "event_time", "event_id")
    )
    # Of this event and the later ones of its day.
    harmful = pl.col("is_harm").fill_null(value=False).cast(pl.Int8).cum_max(reverse=True).over(day) == 1
    rows = rows.with_columns(label=pl.when(over).then(harmful))
    chosen = rows.filter(pl.col("order") == pl.col("order").min().over(day)).unique(
        day, keep="first", maintain_order=True
    )
    figures = pl.Struct(dict.fromkeys(predictors, pl.Float64))
    panel = chosen.with_columns(pl.col("windows").str.json_decode(figures)).select(
        *day, "label", *(pl.col("windows").struct.field(name) for name in predictors)
    )
    fastest = next((name for name in predictors if name.startswith("events_")), None)
    velocity = pl.col(fastest) if fastest else pl.lit(None, dtype=pl.Float64)
    return panel.with_columns(velocity=velocity, isolation=_isolation(panel, predictors))


def _isolation(panel: pl.DataFrame, predictors: Sequence[str]) -> pl.Series:
    """Return how unusual each row is among those of the days before (Isolation Forest, Liu et al. 2008); null without such days."""
    import numpy as np
    from sklearn.ensemble import IsolationForest

    values = np.nan_to_num(panel.select(predictors).to_numpy().astype(np.float64), nan=-1.0)
    days = panel["event_date"].to_list()
    found = np.full(len(days), np.nan)
    for day in sorted(set(days)):
        before = np.array([day - timedelta(days=ISOLATION_DAYS) <= each < day for each in days], dtype=bool)
        if before.sum() < FEWEST_ISOLATION_ROWS:
            continue
        learned = values[before]
        if len(learned) > ISOLATION_ROWS:
            learned = learned[np.random.default_rng(7).choice(len(learned), ISOLATION_ROWS, replace=False)]
        own = np.array([each == day for each in days], dtype=bool)
        found[own] = -IsolationForest(n_estimators=50, random_state=7).fit(learned).score_samples(values[own])
    return pl.Series("isolation", found).fill_nan(None)
