"""Target trials: observational rows laid out as the trial that one would have liked to run (Hernán and Robins 2016).

At each time zero, a day, those are eligible who are active on it. Treated is who uses the feature on that very day, untreated who
is active but does not, whatever they do later. Everything that is adjusted for is counted up to the day before, everything that
is compared begins the day after. So nobody is sorted into an arm by what happens in the follow-up, and no arm has days in which
its members could not have left (immortal time). A user may take part at several times zero: intervals are clustered by user.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import polars as pl

from intelligence.causality.covariates import present
from intelligence.core.errors import CausalityError, NotEnoughEvidence

MEASURES: Final = ("events", "sessions", "features", "duration_s", "errors", "conversions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The windows of a trial, in days from its time zero.

    Attributes:
        history: Days before time zero that confounders are counted over, 1 to `history` days back.
        earlier: Days before those, for the negative control.
        follow_up: Days after time zero that outcomes are counted over.
        step: Days from one time zero to the next.
    """

    history: int = 28
    earlier: int = 28
    follow_up: int = 28
    step: int = 7


DEFAULT: Final = Layout()


def times_zero(first: date, last: date, layout: Layout = DEFAULT) -> list[date]:
    """Return the times zero whose history, earlier days and follow-up all lie within the days of data.

    Args:
        first: First day of data.
        last: Last whole day of data.
        layout: The windows.

    Raises:
        NotEnoughEvidence: The data is shorter than one trial.

    >>> times_zero(date(2026, 1, 1), date(2026, 4, 1))
    [datetime.date(2026, 3, 4)]
    """
    lowest = first + timedelta(days=layout.history + layout.earlier)
    newest = last - timedelta(days=layout.follow_up)
    if newest < lowest:
        need = layout.history + layout.earlier + layout.follow_up + 1
        raise NotEnoughEvidence(
            "target trial", f"{(last - first).days + 1} days of data are too few.", hint=f"One trial takes {need} days."
        )
    count = (newest - lowest).days // layout.step + 1
    return sorted(newest - timedelta(days=layout.step * number) for number in range(count))


def eligible(
    user_days: pl.DataFrame,
    zeros: Sequence[date],
    layout: Layout = DEFAULT,
    *,
    first_days: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return one row per user and time zero on which the user is active, with confounders, negative control and outcomes.

    Columns: `user_id`, `day_zero`, `segment` on the last day before (null for new users), `tenure_days`, `days_since_visit`,
    `active_days_7d`, `active_days_28d`, a `…_28d` column for each measure that the frame has, `active_days_earlier`,
    `retained_7d`, `retained_28d`, `active_days_after` and `churned`. The names say 7 and 28 for the default layout's windows.

    Args:
        user_days: One row per user and active day: `user_id`, `event_date`, and any of `segment` and MEASURES.
        zeros: Times zero, as from `times_zero`.
        layout: The windows.
        first_days: `user_id` and `first_day` of each user, where `user_days` do not reach back to it; else their first row.

    Raises:
        CausalityError: A column is missing, or a user has two rows on one day.
    """
    present(user_days, ["user_id", "event_date"])
    if user_days.select("user_id", "event_date").is_duplicated().any():
        raise CausalityError("user days", "have two rows of one user and day.", hint="Sum them up by user and day.")
    measures = [name for name in MEASURES if name in user_days.columns]
    first = user_days.group_by("user_id").agg(first_day=pl.col("event_date").min())
    if first_days is not None:
        present(first_days, ["user_id", "first_day"])
        first = first_days.select("user_id", "first_day")
    return pl.concat([_at(user_days, zero, measures, layout) for zero in zeros]).join(first, on="user_id").select(
        "user_id",
        "day_zero",
        "segment",
        (pl.col("day_zero") - pl.col("first_day")).dt.total_days().alias("tenure_days"),
        pl.exclude("user_id", "day_zero", "segment", "first_day"),
    ).sort("day_zero", "user_id")  # fmt: skip


def arms(trials: pl.DataFrame, uses: pl.DataFrame, layout: Layout = DEFAULT) -> pl.DataFrame:
    """Return the trials with the arm of each row in one feature, null where the user is not eligible for it.

    `adopted`: true for a first use on day zero, null for users who used the feature before it within the history.
    `met_errors`: among those who used it on day zero, whether the first use of the day met an error; null for all others. Who uses a
    feature more often meets an error sooner or later, and is another kind of user: the first use is one for everybody.

    Args:
        trials: Rows from `eligible`.
        uses: One row per user and day with the feature: `user_id`, `event_date`, and
            `errors` of the first use of the day.
        layout: The windows.

    Raises:
        CausalityError: A column is missing.
    """
    present(uses, ["user_id", "event_date", "errors"])
    by_day = uses.group_by("user_id", "event_date").agg(pl.col("errors").sum())
    on_zero = by_day.rename({"event_date": "day_zero", "errors": "errors_on_zero"})
    back = pl.duration(days=layout.history)
    before = (
        trials.select("user_id", "day_zero")
        .join(by_day.select("user_id", "event_date"), on="user_id")
        .filter((pl.col("event_date") < pl.col("day_zero")) & (pl.col("event_date") >= pl.col("day_zero") - back))
        .select("user_id", "day_zero", used_before=True)
        .unique()
    )
    used = pl.col("errors_on_zero").is_not_null()
    return (
        trials.join(on_zero, on=["user_id", "day_zero"], how="left", maintain_order="left")
        .join(before, on=["user_id", "day_zero"], how="left", maintain_order="left")
        .with_columns(
            adopted=pl.when(pl.col("used_before").is_null()).then(used),
            met_errors=pl.when(used).then(pl.col("errors_on_zero") > 0),
        )
        .drop("errors_on_zero", "used_before")
    )


def _at(user_days: pl.DataFrame, zero: date, measures: Sequence[str], layout: Layout) -> pl.DataFrame:
    ago = (pl.lit(zero) - pl.col("event_date")).dt.total_days()
    window = user_days.with_columns(ago=ago).filter(
        pl.col("ago").is_between(-layout.follow_up, layout.history + layout.earlier)
    )
    here = pl.col("ago").is_between(1, layout.history)
    segment = pl.col("segment") if "segment" in user_days.columns else pl.lit(None, pl.String)
    return (
        window.with_columns(segment=segment)
        .group_by("user_id")
        .agg(
            is_active=(pl.col("ago") == 0).any(),
            segment=pl.col("segment").filter(here).sort_by(pl.col("ago").filter(here)).first(),
            # Users without a visit in the history come after all others.
            days_since_visit=pl.col("ago").filter(here).min().fill_null(layout.history + 1),
            active_days_7d=pl.col("ago").is_between(1, min(7, layout.history)).sum(),
            active_days_28d=here.sum(),
            **{f"{name}_28d": pl.col(name).filter(here).sum() for name in measures},
            active_days_earlier=(pl.col("ago") > layout.history).sum(),
            retained_7d=pl.col("ago").is_between(-min(7, layout.follow_up), -1).any(),
            retained_28d=pl.col("ago").is_between(-layout.follow_up, min(-1, 6 - layout.follow_up)).any(),
            active_days_after=(pl.col("ago") < 0).sum(),
        )
        .filter("is_active")
        .with_columns(day_zero=pl.lit(zero), churned=pl.col("active_days_after") == 0)
        .drop("is_active")
    )
