"""The risk library on a panel of others: which flights out of New York will arrive half an hour late?

The task, the predictors and the published result are those of the tidymodels article "Preprocess your data with
recipes" (https://www.tidymodels.org/start/recipes/): a logistic regression on a random three quarters of the flights
ranks the others with an area under the ROC curve of 0.76 (0.761 to 0.765 in its editions).

    python examples/flights/late_flights.py
"""

import argparse
from pathlib import Path

import polars as pl

from intelligence.risk.task import Task
from intelligence.risk.training import Rules, Training, trained

FLIGHTS = Path(__file__).with_name("flights.parquet")
PUBLISHED = (0.761, 0.765)
MOST_DESTINATIONS = 40
MINUTES_A_DAY = 24 * 60


def flights_panel(rows: int, *, seed: int = 7) -> pl.DataFrame:
    """Return a sample of the flights that arrived: the minute, a shuffled order, the label `late`, the article's predictors."""
    flights = pl.read_parquet(FLIGHTS).drop_nulls(["arr_delay", "dep_time", "air_time", "tailnum"])
    chosen = flights.sample(min(rows, flights.height), seed=seed, shuffle=True).with_row_index("shuffled")
    day = pl.date("year", "month", "day")
    minute = (
        day.dt.epoch("d").cast(pl.Int64) * MINUTES_A_DAY + pl.col("dep_time") // 100 * 60 + pl.col("dep_time") % 100
    )
    panel = chosen.select(
        "tailnum",
        "dep_time",
        "flight",
        "air_time",
        "distance",
        shuffled=pl.col("shuffled").cast(pl.Int64),
        minute=minute,
        late=pl.col("arr_delay") >= 30,
        **{f"weekday_{number}": (day.dt.weekday() == number).cast(pl.Float64) for number in range(1, 8)},
        **{f"month_{number}": (pl.col("month") == number).cast(pl.Float64) for number in range(1, 13)},
        **{
            f"{column}_{value}": (pl.col(column) == value).cast(pl.Float64)
            for column in ("carrier", "origin", "dest")
            for value in chosen[column].value_counts(sort=True)[column].head(MOST_DESTINATIONS)
        },
    )
    return panel.unique(["tailnum", "minute"], keep="first", maintain_order=True)


def late_flights(panel: pl.DataFrame, *, time: str) -> Training:
    """Return the training with the rows in the order of `time`: `shuffled` splits as the article did, `minute` honestly."""
    others = ("tailnum", "shuffled", "minute", "late")
    task = Task(
        unit="tailnum",
        time=time,
        label="late",
        predictors=tuple(name for name in panel.columns if name not in others),
        horizon=MINUTES_A_DAY if time == "minute" else 1,
        floors={"departure time": "dep_time"},
    )
    return trained(panel, task, rules=Rules(folds=2, draws=50))


def main() -> None:
    """Print the area under the ROC curve of each rival, split as the article did and by time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=60_000, help="flights to take")
    panel = flights_panel(parser.parse_args().rows)
    print(f"published: {PUBLISHED[0]} to {PUBLISHED[1]} by a logistic regression on a random split")
    for time, told in (("shuffled", "split at random"), ("minute", "split by time, as it would be used")):
        for evaluation in late_flights(panel, time=time).evaluations:
            area = evaluation.measures["roc_auc"]
            print(f"{told}: {evaluation.name:<20} {area.value:.3f} ({area.low:.3f} to {area.high:.3f})")


if __name__ == "__main__":
    main()
