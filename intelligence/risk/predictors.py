"""The predictors of the risk models: names, wordings for reasons, and the direction in which each may change the risk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Predictor:
    """A column of a panel that a model uses.

    Attributes:
        name: Name of the column.
        words: A phrase with a place for the value; `{exp}` stands for e to the power of the value.
        direction: 1 where a higher value can only raise the risk, -1 where it can only lower it, 0 where it may do both.
    """

    name: str
    words: str
    direction: Literal[-1, 0, 1] = 0


FEATURE_PREDICTORS: Final = (
    Predictor("error_burn_1d", "errors today at {:.1f}x what is promised", 1),
    Predictor("error_burn_3d", "errors of 3 days at {:.1f}x what is promised", 1),
    Predictor("error_burn_7d", "errors of 7 days at {:.1f}x what is promised", 1),
    Predictor("error_burn_28d", "errors of 28 days at {:.1f}x what is promised", 1),
    Predictor("error_rise_3d", "errors of 3 days {:+.1f} standard errors from the 4 weeks before", 1),
    Predictor("error_rise_7d", "errors of 7 days {:+.1f} standard errors from the 4 weeks before", 1),
    Predictor("error_residual_1d", "errors today {:+.1f} standard errors from the same weekday", 1),
    Predictor("error_ewma", "smoothed rise of errors of {:+.1f} standard errors", 1),
    Predictor("retries_7d", "{:.2f} errors per failed event over 7 days"),
    Predictor("retry_growth_7d", "errors per failed event at {exp:.2f}x those of the 4 weeks before", 1),
    Predictor("crash_burn_7d", "crashes of 7 days at {:.1f}x what is promised", 1),
    Predictor("crash_rise_7d", "crashes of 7 days {:+.1f} standard errors from the 4 weeks before", 1),
    Predictor("slow_burn_3d", "slow responses of 3 days at {:.1f}x what is promised", 1),
    Predictor("slow_burn_7d", "slow responses of 7 days at {:.1f}x what is promised", 1),
    Predictor("slow_rise_3d", "slow responses of 3 days {:+.1f} standard errors from the 4 weeks before", 1),
    Predictor("slow_rise_7d", "slow responses of 7 days {:+.1f} standard errors from the 4 weeks before", 1),
    Predictor("median_latency_growth_3d", "median latency of 3 days at {exp:.2f}x that of the 4 weeks before", 1),
    Predictor("p95_latency_growth_3d", "95th percentile latency of 3 days at {exp:.2f}x that of the 4 weeks before", 1),
    Predictor("latency_volatility_14d", "day-to-day spread of the 95th percentile latency of {:.2f} (log)"),
    Predictor("rating_burn_7d", "bad ratings of 7 days at {:.1f}x what is promised", 1),
    Predictor("rating_rise_7d", "bad ratings of 7 days {:+.1f} standard errors from the 4 weeks before", 1),
    Predictor("mean_rating_change_7d", "mean rating of 7 days {:+.2f} from the 4 weeks before", -1),
    Predictor("usage_7d", "{exp:.0f} events a day over 7 days"),
    Predictor("usage_growth_7d", "usage of 7 days at {exp:.2f}x the 7 days before"),
    Predictor("usage_residual_1d", "usage today at {exp:.2f}x the same weekday"),
    Predictor("usage_volatility_28d", "day-to-day spread of usage of {:.2f} (log)"),
    Predictor("users_growth_7d", "users of 7 days at {exp:.2f}x the 7 days before"),
    Predictor("degraded_days_28d", "{:.0f} degraded days in the last 28", 1),
    Predictor("days_in_state", "{:.0f} days in its present state (28 at most)"),
    Predictor("is_warned", "{:.0f} warning today that a promise is nearly spent", 1),
    Predictor("unjudged_days", "{:.0f} days without enough evidence"),
    Predictor("release_age_days", "newest release {:.0f} days old"),
    Predictor("releases_7d", "{:.0f} releases in 7 days"),
    Predictor("feature_age_days", "feature {:.0f} days old (56 at most)"),
    Predictor("is_beta", "lifecycle beta: {:.0f}"),
    Predictor("is_sunset", "lifecycle sunset: {:.0f}"),
    Predictor("error_burn_against_age", "errors of 7 days {:+.1f}x what features of its age show", 1),
    Predictor("product_error_rise_3d", "errors of the whole product {:+.1f} standard errors from the 4 weeks before"),
)

USER_PREDICTORS: Final = (
    Predictor("days_since_visit", "last visit {:.0f} days ago", 1),
    Predictor("active_days_7d", "active on {:.0f} of 7 days"),
    Predictor("active_days_14d", "active on {:.0f} of 14 days"),
    Predictor("active_days_28d", "active on {:.0f} of 28 days"),
    Predictor("visit_rhythm_days", "used to come every {:.1f} days"),
    Predictor("absence_against_rhythm", "away for {:.1f}x the usual gap", 1),
    Predictor("events_7d", "{:.0f} events in 7 days"),
    Predictor("events_28d", "{:.0f} events in 28 days"),
    Predictor("event_change_14d", "events of 14 days at {exp:.2f}x the 14 before"),
    Predictor("day_change_14d", "active days of 14 days {:+.0f} from the 14 before"),
    Predictor("events_per_day_28d", "{:.1f} events per active day"),
    Predictor("features_per_day_28d", "{:.1f} features per active day"),
    Predictor("minutes_per_day_28d", "{:.1f} minutes per active day"),
    Predictor("error_rate_28d", "{:.1%} errors per event"),
    Predictor("crashed_events_28d", "{:.0f} crashes in 28 days"),
    Predictor("conversions_28d", "{:.0f} conversions in 28 days"),
    Predictor("mean_rating_28d", "mean rating of {:.1f}"),
    Predictor("value_28d", "worth {:.2f} in 28 days"),
    Predictor("tenure_days", "known for {:.0f} days (90 at most)"),
)


def names_of(predictors: Sequence[Predictor]) -> tuple[str, ...]:
    """Return the names of the predictors, in order."""
    return tuple(predictor.name for predictor in predictors)


def directions_of(predictors: Sequence[Predictor]) -> Mapping[str, int]:
    """Return the direction of each predictor that has one, by name."""
    return {predictor.name: predictor.direction for predictor in predictors if predictor.direction}
