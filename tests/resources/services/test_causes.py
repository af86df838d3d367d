"""What the service reads of the lake for trials, and that its answers are those of the same rows in memory."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from intelligence.causality import feature_effects as library
from intelligence.causality.feature_effects import feature_effects, trial_days
from intelligence.causality.graph import OUTCOMES, TREATMENTS
from intelligence.causality.tables import FEATURE_EFFECTS
from intelligence.core.tables import Days, standard_claims
from intelligence.metrics.tables import FEATURE_HEALTH
from resources.services.causes import READS, CauseService
from tests.intelligence.causality.test_feature_effects import CLAIM, DAYS, FEATURES, FIRST, HELPS, Product
from tests.platforms import platform_in

LAST = FIRST + timedelta(days=DAYS - 1)


@pytest.fixture(scope="module")
def product() -> Product:
    return Product(5, lift=0.5)


@pytest.fixture(scope="module")
def causes(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CauseService]:
    platform = platform_in(tmp_path_factory.mktemp("lake"))
    seen = pl.col("first_day").cast(pl.Datetime("us"))
    frames = {
        "metrics.user_day": product.user_days,
        "warehouse.dim_users": product.first_days.select(
            "user_id", first_seen_at=seen, last_seen_at=seen, is_bot=pl.lit(False)
        ),
        "warehouse.dim_feature_metadata": pl.DataFrame({"feature": FEATURES, "first_seen_date": FIRST}),
        "telemetry.raw_events": product.uses.select(
            "feature", "user_id", "event_date", error_count="errors",
            session_id=pl.lit("s"), is_duplicate=pl.lit(False),
        ),
    }  # fmt: skip

    def insert(connection: Any) -> None:
        for name, frame in frames.items():
            connection.register("rows_to_insert", frame)
            connection.execute(f"INSERT INTO {name} BY NAME FROM rows_to_insert")
            connection.unregister("rows_to_insert")

    platform.lake.commit(insert)
    yield platform.causes
    platform.lake.close()


@pytest.fixture(scope="module")
def found(causes: CauseService) -> pl.DataFrame:
    return causes.effects_of(LAST)


def test_answers_are_those_of_the_same_rows_in_memory(product: Product, found: pl.DataFrame) -> None:
    days = trial_days(FIRST, LAST)
    rows = feature_effects(product.user_days, product.first_days, product.bits(days), FEATURES, days)
    wanted = FEATURE_EFFECTS.frame([{"event_date": LAST, **row} for row in rows])
    numbers = [name for name, kind in FEATURE_EFFECTS.schema().items() if kind == pl.Float64]
    key = list(FEATURE_EFFECTS.key)
    pairs = found.join(wanted, on=key, suffix="_wanted", validate="1:1")
    assert pairs.height == found.height == wanted.height
    for name in numbers:
        both = pairs.select(one=name, other=f"{name}_wanted")
        assert both.filter(pl.col("one").is_null() != pl.col("other").is_null()).is_empty()
        assert both.drop_nulls().filter((pl.col("one") - pl.col("other")).abs() > 1e-9).is_empty(), name
    assert found["estimate"].drop_nulls().len() > len(FEATURES)


def test_every_row_has_an_interval_and_a_grade_or_a_reason(causes: CauseService, found: pl.DataFrame) -> None:
    assert found.height == len(FEATURES) * len(TREATMENTS) * len(OUTCOMES)
    for row in found.iter_rows(named=True):
        if row["estimate"] is None:
            assert row["grade"] is row["low"] is row["high"] is None
            assert row["grade_reason"].startswith("not enough evidence: ")
        else:
            assert row["low"] <= row["estimate"] <= row["high"]
            assert row["grade"] in ("A", "B", "C", "D")
            assert row["last_zero"] <= LAST - timedelta(days=28)
        assert row["grade"] == "A" or not CLAIM.search(row["answer"])
    claimed = found.filter(pl.col("grade") == "C", pl.col("low") > 0, pl.col("q_value") < 0.05)
    assert set(claimed["feature"]) == {HELPS}
    lake, days = causes.lake, Days(LAST, LAST + timedelta(days=1))
    lake.replace(FEATURE_EFFECTS, days, "FROM found", frames={"found": found})
    claims = (*standard_claims(FEATURE_EFFECTS), *FEATURE_EFFECTS.claims)
    assert {
        name: rows.height for name, rows in lake.inspected(FEATURE_EFFECTS, claims, days).contradictions.items()
    } == {claim.name: 0 for claim in claims}


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        ("low = NULL", "estimates_have_interval_and_grade"),
        ("grade = NULL", "estimates_have_interval_and_grade"),
        ("low = estimate + 1", "intervals_hold_their_estimates"),
        ("refuted = true, grade = 'C'", "refuted_estimates_are_associations"),
    ],
)
def test_claims_find_rows_that_contradict_them(
    causes: CauseService, found: pl.DataFrame, change: str, claim: str
) -> None:
    lake, days = causes.lake, Days(LAST, LAST + timedelta(days=1))
    lake.replace(FEATURE_EFFECTS, days, "FROM found", frames={"found": found})
    update = f"UPDATE {FEATURE_EFFECTS.path} SET {change} WHERE estimate IS NOT NULL"
    lake.commit(lambda connection: connection.execute(update))
    assert lake.inspected(FEATURE_EFFECTS, FEATURE_EFFECTS.claims, days).contradictions[claim].height > 0


def test_nothing_after_the_day_is_known(causes: CauseService, found: pl.DataFrame) -> None:
    early = LAST - timedelta(days=7)
    before = causes.effects_of(early)
    assert before["last_zero"].max() < found["last_zero"].max()
    too_early = causes.effects_of(FIRST + timedelta(days=40))
    assert too_early["estimate"].null_count() == too_early.height
    assert "One trial takes 85 days" in too_early["answer"][0]


def test_of_a_large_product_a_sample_of_users_is_asked(
    causes: CauseService, found: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "MOST_ROWS", 6_000)
    few = causes.effects_of(LAST)
    assert few.height == found.height
    assert few["units"].max() < 0.8 * found["units"].max()


def test_the_declared_days_cover_what_trials_read() -> None:
    users, uses = (each.days_before for each in READS[FEATURE_EFFECTS][:2])
    days = trial_days(date(2024, 1, 1), date(2026, 1, 1)).parameters
    assert (date(2026, 1, 1) - days["first_day"]).days == users
    assert (date(2026, 1, 1) - days["first_use_day"]).days == uses


def test_a_calm_day_of_a_trouble_is_explained_by_the_promise_that_was_broken(tmp_path: Path) -> None:
    platform = platform_in(tmp_path)
    rows = [
        {"feature": "tutor", "event_date": FIRST + timedelta(days=n), "state": "degraded", "since": FIRST,
         "worst_objective": objective, "calm_days": calm, "excess_bad_events": 1.0}
        for n, (objective, calm) in enumerate([("errors", 0), ("answers", 0), (None, 0), ("errors", 1)])
    ]  # fmt: skip
    days = Days(FIRST, FIRST + timedelta(days=4))
    platform.lake.replace(FEATURE_HEALTH, days, "SELECT * FROM rows", frames={"rows": FEATURE_HEALTH.frame(rows)})
    found = {each: platform.causes.degradations(each).row(0, named=True)["metric"] for each in days.each[1:]}
    assert found == dict.fromkeys(days.each[1:], "bad_answer_rate")
    platform.lake.close()
