"""The outcomes of simulated events: what the user does, how long it takes, whether it fails and how the user rates it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from intelligence.simulation.draws import Bools, Floats, Ints, generator
from intelligence.simulation.people import PRICES, People
from intelligence.simulation.planted_effects import Condition
from intelligence.simulation.planted_experiments import Marks
from intelligence.simulation.product import Catalogue

_EVENT_TYPES: Final = ("view", "use", "complete", "rate", "subscribe")
_VIEW, _USE, _COMPLETE, _RATE, _SUBSCRIBE = range(len(_EVENT_TYPES))
_RATE_SHARE: Final = 0.04
_SUBSCRIBE_SHARE: Final = 0.006
_USE_SHARE: Final = 0.38
_ANSWER_RATED_SHARE: Final = 0.25
_UNMEASURED_SHARE: Final = 0.004
_SLOW_TAIL: Final = 4.0
_PLATFORM_LATENCY: Final = np.array([1.0, 0.95, 1.1])
_ANSWER_PROPERTIES: Final = (
    *(f'{{"model":"{model}","tokens":{tokens}}}' for model in ("tutor-1", "tutor-2") for tokens in range(64, 1024, 32)),
    None,
)


@dataclass(frozen=True, slots=True)
class Events:
    """The events of one day as codes; each array has one element per event.

    Attributes:
        seed: Seed of the plan.
        index: The day, counted from 0 on the plan's first day.
        user: Position of the user in `People`.
        feature: Position of the feature in `Catalogue`.
        platform: Position in `PLATFORMS`.
        release: Column of a `Condition`.
        marks: The experiments and variants that the events carry.
    """

    seed: int
    index: int
    user: Ints
    feature: Ints
    platform: Ints
    release: Ints
    marks: Marks

    def uniform(self, subject: str) -> Floats:
        """Return a random number in [0, 1) per event, independent of those of other subjects."""
        return generator(self.seed, f"event {subject}", self.index).random(len(self.user))

    def normal(self, subject: str) -> Floats:
        """Return a standard normal random number per event, independent of those of other subjects."""
        return generator(self.seed, f"event {subject}", self.index).standard_normal(len(self.user))


def labels(names: Sequence[str | None], position: Ints) -> pl.Series:
    """Return the name at each position, as text.

    Args:
        names: The names; None becomes null.
        position: Positions in `names`, one element per event.
    """
    return pl.Series(names, dtype=pl.String).gather(pl.Series(position.astype(np.uint32)))


def _numbers(values: Floats) -> pl.Series:
    return pl.Series(values).fill_nan(None)


def _event_types(events: Events, product: Catalogue, crowd: People, failed: Bools) -> Ints:
    complete = product.completion_rate[events.feature] * crowd.diligence[events.user]
    complete = complete * (1 + events.marks.lift(events.index))
    rate = complete + _RATE_SHARE
    subscribe = rate + _SUBSCRIBE_SHARE * (crowd.subscription[events.user] > 0)
    draw = events.uniform("type")
    found = np.where(draw < subscribe + _USE_SHARE, _USE, _VIEW)
    for threshold, code in ((subscribe, _SUBSCRIBE), (rate, _RATE), (complete, _COMPLETE)):
        found[draw < threshold] = code
    found[failed & ((found == _COMPLETE) | (found == _SUBSCRIBE))] = _USE
    return found


def _latency_ms(events: Events, product: Catalogue, state: Condition, crashed: Bools) -> Floats:
    median = (product.median_latency_ms * state.latency_multiplier)[events.feature]
    tail = np.where(events.uniform("slowness") < state.slow_share[events.feature], _SLOW_TAIL, 1.0)
    spread = np.exp(0.4 * events.normal("latency"))
    found: Floats = np.round(median * _PLATFORM_LATENCY[events.platform] * tail * spread, 1)
    found[crashed | (events.uniform("unmeasured") < _UNMEASURED_SHARE)] = np.nan
    return found


def _ratings(events: Events, product: Catalogue, state: Condition, rated: Bools, failed: Bools) -> Floats:
    drop = state.rating_drop[events.feature, events.release] + 1.5 * failed
    stars: Floats = np.clip(np.round(product.mean_rating[events.feature] - drop + 0.9 * events.normal("rating")), 1, 5)
    stars[~rated] = np.nan
    return stars


def outcomes(events: Events, product: Catalogue, crowd: People, state: Condition) -> dict[str, pl.Series]:
    """Return the columns that describe how each event went, with one element per event.

    A failed event has an `error_count` above 0 and is neither a completion nor a subscription; every crashed event failed.
    No event crashes because of an experiment.

    Args:
        events: The events of a day.
        product: The features of the product.
        crowd: The users.
        state: How sound each feature is on that day.
    """
    broken = events.uniform("failure") < state.error_rate[events.feature, events.release]
    crashed = broken & (events.uniform("crash") < state.crash_share[events.feature, events.release])
    failed = broken | (events.uniform("failure of the treatment") < events.marks.added_error_rate())
    retries = np.floor(-np.log1p(-events.uniform("retries")) * state.retries[events.feature]).astype(np.int64)
    event_type = _event_types(events, product, crowd, failed)
    answered = product.answers[events.feature] & (event_type == _USE)
    rated = (event_type == _RATE) | (answered & (events.uniform("answer rated") < _ANSWER_RATED_SHARE))
    price = np.array(PRICES)[crowd.subscription[events.user]]
    none = len(_ANSWER_PROPERTIES) - 1
    answer = np.where(answered, np.floor(events.uniform("answer") * none), none).astype(np.int64)
    return {
        "event_type": labels(_EVENT_TYPES, event_type),
        "latency_ms": _numbers(_latency_ms(events, product, state, crashed)),
        "error_count": pl.Series(np.where(failed, 1 + retries, 0)),
        "crashed": pl.Series(crashed),
        "rating": _numbers(_ratings(events, product, state, rated, failed)),
        "duration_s": pl.Series(np.round(30 * np.exp(0.8 * events.normal("duration")), 2)),
        "value": _numbers(np.where(event_type == _SUBSCRIBE, price, np.nan)),
        "properties": labels(_ANSWER_PROPERTIES, answer),
    }
