"""Texts of answers are shown where the product keeps them, and erased for a user who wants it."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from intelligence.catalog.product import Product, product_from
from intelligence.core.errors import UsageError
from intelligence.core.sql import sql
from intelligence.core.tables import Days
from intelligence.warehouse.tables import FACT_ANSWERS
from resources.intake.delivery import deliveries
from resources.intake.ingest import ingested
from resources.lake.door import Lake
from resources.services.answers import AnswerService

NOW = datetime(2026, 7, 20, tzinfo=UTC)
DAY = date(2026, 7, 1)


def service(folder: Path, texts: str = "keep") -> AnswerService:
    product: Product = product_from(
        f"name: D\nsources: [{{name: app, files: nothing.csv}}]\nanswers: {{texts: {texts}}}\n"
        f"answer_sources: [{{name: answers, files: '{folder}/*.jsonl'}}]"
    )
    rows = [
        {"answer_id": f"a{n}", "event_time": f"{DAY}T10:00:00", "user_id": user, "feature": "tutor", "rating": rating,
         "question": "How many?", "context": "12 apples.", "answer": "There are 99 apples."}
        for n, (user, rating) in enumerate((("u1", 5), ("u2", 5), ("u1", 9)))
    ]  # fmt: skip
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    lake = Lake(catalog=f"sqlite:{folder}/catalog.sqlite", store=f"{folder}/files")
    ingested(lake, product, deliveries(product, folder), now=NOW.replace(tzinfo=None))
    days = Days(DAY, DAY + timedelta(days=1))
    lake.replace(FACT_ANSWERS, days, sql("warehouse/fact_answers.sql"), product.answers.parameters())
    return AnswerService(product, lake, lambda: NOW)


def test_flagged_answers_are_shown_with_their_flags(tmp_path: Path) -> None:
    shown = service(tmp_path).examples("tutor").to_dicts()
    assert [(row["answer_id"], row["flags"]) for row in shown] == [
        ("a0", ["ungrounded_number"]), ("a1", ["ungrounded_number"]),
    ]  # fmt: skip


def test_nothing_is_shown_where_texts_are_not_kept(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no texts are shown: `texts` is cut"):
        service(tmp_path, "cut").examples()


def test_a_users_texts_are_erased_once_and_what_was_counted_stays(tmp_path: Path) -> None:
    asked = service(tmp_path)
    gone = asked.erased("u1")
    assert (gone.answers, gone.rejected) == (1, 1)
    assert asked.erased("u1").answers == 0
    kept = asked.lake.frame("SELECT user_id, answer, erased_at IS NOT NULL FROM telemetry.raw_answers ORDER BY ALL")
    assert kept.rows() == [("u1", None, True), ("u2", "There are 99 apples.", False)]
    assert "99" not in str(asked.lake.frame("SELECT payload FROM telemetry.rejected_events").rows())
    assert asked.lake.frame("SELECT count(*) FROM warehouse.fact_answers WHERE is_bad").item() == 2
    assert [row["answer_id"] for row in asked.examples().to_dicts()] == ["a1"]
