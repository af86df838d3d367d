"""Texts of answers are shown where the product keeps them, and erased for a user who wants it."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from intelligence.answers.tables import ANSWER_DAY
from intelligence.catalog.product import Product, product_from
from intelligence.core.errors import UsageError
from intelligence.core.sql import sql
from intelligence.core.tables import Days, standard_claims
from intelligence.warehouse.tables import FACT_ANSWERS
from resources.intake.delivery import deliveries
from resources.intake.ingest import ingested
from resources.lake.door import Lake
from resources.services.answers import AnswerService

NOW = datetime(2026, 7, 20, tzinfo=UTC)
DAY = date(2026, 7, 1)
GOOD = {
    "answer_id": "x",
    "event_time": f"{DAY}T10:00:00",
    "user_id": "u3",
    "feature": "tutor",
    "rating": 4,
    "answer": "Yes.",
}


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
    # A day that is built again has nothing to score them from.
    days = Days(DAY, DAY + timedelta(days=1))
    asked.lake.replace(FACT_ANSWERS, days, sql("warehouse/fact_answers.sql"), asked.product.answers.parameters())
    rebuilt = asked.lake.frame("SELECT user_id, is_scored, is_bad FROM warehouse.fact_answers ORDER BY ALL").rows()
    assert rebuilt == [("u1", False, None), ("u2", True, True)]
    asked.lake.replace(ANSWER_DAY, days, sql("answers/answer_day.sql"))
    counted = asked.lake.frame("SELECT answers, scored_answers, erased_answers, bad_answers FROM answers.answer_day")
    assert counted.rows() == [(2, 1, 1, 1)]
    assert asked.lake.is_sound(ANSWER_DAY, (*standard_claims(ANSWER_DAY), *ANSWER_DAY.claims), days)


def test_no_text_is_left_in_the_statistics_of_the_catalogue(tmp_path: Path) -> None:
    asked = service(tmp_path)
    # So many rows that DuckLake writes them to a file.
    more = [
        {
            "answer_id": f"m{n}",
            "event_time": f"{DAY}T11:00:00",
            "user_id": "u1",
            "feature": "tutor",
            "answer": f"{n} apples",
        }
        for n in range(3_000)
    ]
    (tmp_path / "more.jsonl").write_text("\n".join(map(json.dumps, more)))
    ingested(asked.lake, asked.product, deliveries(asked.product, tmp_path), now=NOW.replace(tzinfo=None))
    assert asked.erased("u1").answers == 3_001
    held = (
        f"SELECT count(*) FROM __ducklake_metadata_lake.ducklake_{of}_column_stats"
        " WHERE concat(min_value, max_value) SIMILAR TO '.*(apples|How many).*'"
        for of in ("table", "file")
    )
    assert [asked.lake.commit(lambda connection, q=query: connection.execute(q).fetchall()) for query in held] == [
        [(0,)],
        [(0,)],
    ]
    for words, there in (("answer = 'There are 99 apples.'", 1), ("answer > 'A'", 1), ("answer IS NULL", 3_001)):
        found = asked.lake.frame(f"SELECT count(*) FROM telemetry.raw_answers WHERE {words}")
        assert found.item() == there
    assert asked.lake.frame("SELECT max(answer) FROM telemetry.raw_answers").item() == "There are 99 apples."
    (tmp_path / "b.jsonl").write_text(
        json.dumps(
            {"answer_id": "z", "event_time": f"{DAY}T10:00:00", "user_id": "u3", "feature": "tutor", "answer": "Aa."}
        )
    )
    ingested(asked.lake, asked.product, deliveries(asked.product, tmp_path), now=NOW.replace(tzinfo=None))
    for words, there in (("answer = 'There are 99 apples.'", 1), ("answer = 'Aa.'", 1), ("answer < 'B'", 1)):
        found = asked.lake.frame(f"SELECT count(*) FROM telemetry.raw_answers WHERE {words}")
        assert found.item() == there
    assert asked.lake.frame("SELECT min(answer), max(answer) FROM telemetry.raw_answers").row(0) == (
        "Aa.",
        "There are 99 apples.",
    )


def test_nothing_of_the_statistics_of_an_erased_text_is_left_in_the_file_of_the_catalogue(tmp_path: Path) -> None:
    asked = service(tmp_path)
    # Of so many rows that DuckLake writes them to a file; the last is the greatest of its column.
    texts = [*(f"{n} apples" for n in range(3_000)), "zz my secret"]
    rows = [{**GOOD, "answer_id": f"m{n}", "user_id": "u1", "answer": text} for n, text in enumerate(texts)]
    (tmp_path / "more.jsonl").write_text("\n".join(map(json.dumps, rows)))
    ingested(asked.lake, asked.product, deliveries(asked.product, tmp_path), now=NOW.replace(tzinfo=None))
    held = Path(asked.lake.catalog.removeprefix("sqlite:"))

    def written() -> bytes:
        return b"".join(each.read_bytes() for each in held.parent.glob(f"{held.name}*"))

    assert b"zz my secret" in written()
    asked.erased("u1")
    assert b"zz my secret" not in written()
    assert asked.lake.frame("SELECT count(*) FROM telemetry.raw_answers").item() == 3_003


def test_an_erasure_names_a_user(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no user is named"):
        service(tmp_path).erased("")


@pytest.mark.parametrize(
    "broken",
    [
        json.dumps({**GOOD, "answer": f"My secret {'x' * 1_000_001}"}),
        json.dumps({**GOOD, "event_time": "My secret is a flu"}),
        json.dumps({**GOOD, "rating": "My secret is a flu"}),
        '{"answer": "My secret is a flu',
    ],
    ids=["too long", "a text as a time", "a text as a rating", "no JSON"],
)
def test_an_example_of_quarantine_is_no_text_of_an_answer(tmp_path: Path, broken: str) -> None:
    asked = service(tmp_path)
    (tmp_path / "broken.jsonl").write_text(f"{json.dumps(GOOD)}\n{broken}\n")
    ingested(asked.lake, asked.product, deliveries(asked.product, tmp_path), now=NOW.replace(tzinfo=None))
    rows = asked.lake.frame("SELECT value FROM telemetry.rejected_events WHERE contains(payload, 'secret')")
    assert rows["value"].to_list() == [None]
    # What is no text is still shown.
    assert asked.lake.frame("SELECT value FROM telemetry.rejected_events").drop_nulls().rows() == [("9",)]
