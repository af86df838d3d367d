"""The rows of the two models as the lake would have contained them on a day, from the files of `benchmarks.drift_history`."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from intelligence.risk.labels import onset_labels
from intelligence.risk.model_specs import user_training_days, users_per_thousand

if TYPE_CHECKING:
    from intelligence.risk.model_specs import ModelSpec
    from intelligence.risk.settings import Risk


@dataclass(frozen=True)
class Rows:
    """One subject's rows of a product that was written to `folder`."""

    folder: Path
    subject: "ModelSpec"
    risk: "Risk"

    @property
    def unit(self) -> str:
        """Return the column that names the feature or user."""
        return self.subject.task.unit

    @property
    def horizon_days(self) -> int:
        """Return after how many days an outcome is known."""
        return self.subject.task.horizon

    @cached_property
    def first_day(self) -> date:
        """Return the first day of the product."""
        return self._read("panel")["event_date"].min()  # type: ignore[return-value]

    @cached_property
    def last_day(self) -> date:
        """Return the last day of the product."""
        return self._read("panel")["event_date"].max()  # type: ignore[return-value]

    @cached_property
    def faulty_days(self) -> list[tuple[date, str]]:
        """Return the days whose telemetry is not whole, with the reason."""
        quality = self._read("quality").filter(pl.col("verdict").is_in(["partial", "empty"])).sort("event_date")
        return list(quality.select("event_date", "reason").iter_rows())

    def of_days(self, first: date, last: date, *, as_of: date) -> pl.DataFrame:
        """Return the rows of these days with the outcomes known at the end of `as_of`, of users the product's sample."""
        first = max(first, self.first_day)
        start, end = (
            self._all["event_date"].search_sorted(day, side) for day, side in ((first, "left"), (last, "right"))
        )
        return self._known(self._all[start:end], (last - first).days + 1, as_of)

    def to_train_on(self, as_of: date) -> pl.DataFrame:
        """Return the rows that a training as of that day reads."""
        if self.unit == "feature":
            return self.of_days(self.first_day, as_of, as_of=as_of)
        days = user_training_days(self.first_day, as_of, horizon_days=self.horizon_days)
        return self._known(self._all.filter(pl.col("event_date").is_in(days)), len(days), as_of)

    def _known(self, rows: pl.DataFrame, day_count: int, as_of: date) -> pl.DataFrame:
        if self.unit != "feature":
            seen = (self._users["first_day"] <= as_of).sum()
            rows = rows.filter(pl.col("place") < users_per_thousand(seen, day_count))
        is_known = pl.col("event_date") <= as_of - timedelta(days=self.horizon_days)
        return rows.with_columns(label=pl.when(is_known).then("label"))

    @cached_property
    def _users(self) -> pl.DataFrame:
        return self._read("users")

    @cached_property
    def _all(self) -> pl.DataFrame:
        if self.unit == "feature":
            labels = onset_labels(self._read("health"), horizon_days=self.horizon_days)
            rows = self._read("panel").join(labels, on=["event_date", "feature"], how="inner")
        else:
            rows = self._read("user_panel").join(self._users.select("user_id", "place"), on="user_id")
        return rows.sort("event_date", self.unit)

    def _read(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.folder / f"{name}.parquet")
