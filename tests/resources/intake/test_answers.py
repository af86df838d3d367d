"""Answers are delivered by the contract of answers: each counts once, the others are in quarantine, and texts are kept as asked for."""

import json
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from intelligence.catalog.product import Product, product_from
from intelligence.core.errors import ProductFileError
from intelligence.core.sql import sql
from intelligence.core.tables import Days
from intelligence.warehouse.tables import FACT_ANSWERS
from resources.intake.delivery import deliveries
from resources.intake.ingest import IngestReport, ingested
from resources.intake.redrive import redriven
from resources.lake.door import Lake

NOW = datetime(2026, 7, 20)
DAY = Days(date(2026, 7, 1), date(2026, 7, 2))
ROW = {
    "answer_id": "a1", "event_time": "2026-07-01T10:00:00", "user_id": "u1", "feature": "tutor", "question": "How many?",
    "context": "There are 12 apples.", "answer": "There are 12 apples.", "rating": 4,
}  # fmt: skip

# More than a short answer has.
LONG = (
    "It is important to be kind to others, and to ask a teacher or a friend where something is not clear to you. " * 3
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(catalog=f"sqlite:{tmp_path}/catalog.sqlite", store=f"{tmp_path}/files")


def product_in(folder: Path, more: str = "") -> Product:
    return product_from(
        "name: Demo\nsources: [{name: app, files: nothing.csv}]\n"
        f"answer_sources: [{{name: answers, files: '{folder}/in/*.jsonl'}}]\n{more}"
    )


def delivered(folder: Path, lake: Lake, *rows: dict[str, object], name: str = "a", more: str = "") -> IngestReport:
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / f"{name}.jsonl").write_text("\n".join(json.dumps({**ROW, **row}) for row in rows) + "\n")
    product = product_in(folder, more)
    return ingested(lake, product, deliveries(product, folder / "landing"), now=NOW)


def facts(folder: Path, lake: Lake, more: str = "") -> pl.DataFrame:
    rules = product_in(folder, more)
    lake.replace(FACT_ANSWERS, DAY, sql("warehouse/fact_answers.sql"), rules.answers.parameters())
    return lake.frame("FROM warehouse.fact_answers ORDER BY answer_id")


def contradictions(lake: Lake, name: str) -> pl.DataFrame:
    from intelligence.catalog.layers import TABLES

    (claim,) = (each for table in TABLES for each in table.claims if each.name == name)
    query = claim.contradictions
    return lake.frame(query, DAY.parameters if "$start" in query else {})


def test_rows_are_conserved_and_each_answer_counts_once(tmp_path: Path, lake: Lake) -> None:
    report = delivered(
        tmp_path, lake, {}, {}, {"answer": "Other words."}, {"answer_id": "a2", "rating": 9}, {"answer_id": "a3"}
    )
    (batch,) = report.batches
    assert (batch.rows_in, batch.accepted, batch.duplicates, batch.conflicts, batch.rejected) == (5, 2, 2, 1, 1)
    assert batch.days == (date(2026, 7, 1),)
    assert lake.frame("SELECT column_name, reason FROM telemetry.rejected_events").rows() == [
        ("rating", "rating is outside 1 to 5")
    ]
    again = delivered(tmp_path, lake, {"answer_id": "a3"}, {"answer_id": "a4"}, name="b")
    assert (again.known, again.batches[0].accepted, again.batches[0].duplicates) == (1, 1, 1)
    for claim in ("events_are_conserved", "answers_are_given_once"):
        assert contradictions(lake, claim).is_empty()
    assert facts(tmp_path, lake)["answer_id"].to_list() == ["a1", "a3", "a4"]


def test_answers_alone_make_no_day_of_the_product(tmp_path: Path, lake: Lake) -> None:
    delivered(tmp_path, lake, {})
    assert lake.frame("SELECT days, answer_days FROM telemetry.batches").rows() == [([], [date(2026, 7, 1)])]
    assert lake.span() is None


def test_a_row_in_quarantine_can_be_driven_again(tmp_path: Path, lake: Lake) -> None:
    delivered(tmp_path, lake, {"rating": 9})
    mended = product_in(tmp_path)
    source = mended.answer_sources[0].model_copy(update={"mapping": {"rating": "least(rating::DOUBLE, 5)"}})
    report = redriven(lake, mended.model_copy(update={"answer_sources": (source,)}), source=None, now=NOW)
    assert (report.taken, report.accepted) == (1, 1)
    assert contradictions(lake, "events_are_conserved").is_empty()


def test_further_ratings_belong_to_the_answer(tmp_path: Path, lake: Lake) -> None:
    delivered(tmp_path, lake, {}, {"rater": "reviewer-1", "rating": 1})
    (row,) = facts(tmp_path, lake).to_dicts()
    assert (row["ratings"], row["good_ratings"], row["bad_ratings"], row["lowest_rating"]) == (2, 1, 1, 1)


@pytest.mark.parametrize(
    ("texts", "kept", "is_scored"),
    [("keep", "There are 12 apples.", True), ("cut, longest_text: 5", "There", True), ("hash", None, False)],
)
def test_texts_are_kept_as_the_product_says(
    tmp_path: Path, lake: Lake, texts: str, kept: str | None, is_scored: bool
) -> None:
    more = f"answers: {{texts: {texts}}}\n"
    delivered(tmp_path, lake, {}, {"answer_id": "a2", "rating": 9}, more=more)
    (text,) = lake.frame("SELECT answer FROM telemetry.raw_answers")["answer"]
    assert text == kept or (kept is None and len(text) == 64)
    (row,) = facts(tmp_path, lake, more).to_dicts()
    assert row["is_scored"] is is_scored
    assert (row["empty"] is None) is (row["is_bad"] is None) is not is_scored
    (payload,) = lake.frame("SELECT payload FROM telemetry.rejected_events")["payload"]
    assert ("apples" in payload) is (texts == "keep")


def test_mistakes_in_the_product_file_are_named() -> None:
    with pytest.raises(ProductFileError, match="needs one of `files` and `simulate`"):
        product_from("name: D\nsources: [{name: app, files: a.csv}]\nanswer_sources: [{name: answers}]")
    with pytest.raises(ProductFileError, match="kindness, which are no scores"):
        product_from("name: D\nsources: [{name: app, files: a.csv}]\nanswers: {harms: [kindness]}")


def test_a_preview_says_how_many_rows_are_answers(tmp_path: Path) -> None:
    from resources.intake.preview import previewed_sources

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text("\n".join(json.dumps({**ROW, "rating": n}) for n in (4, 9)) + "\n")
    product = product_in(tmp_path)
    simulated = product_from(
        "name: D\nsources: [{name: app, files: a.csv}]\nanswer_sources: [{name: made, simulate: {days: 3}}]"
    )
    both = product.model_copy(update={"answer_sources": (*product.answer_sources, *simulated.answer_sources)})
    found = {each.name: each.found for each in previewed_sources(both)}
    assert "of 2 rows looked at" in found["answers"]
    assert found["answers"].endswith("1 are answers")
    assert found["made"] == "simulates 3 days of about 480 answers"


def test_relative_files_of_every_kind_of_source_start_at_the_folder_of_the_product_file(tmp_path: Path) -> None:
    from resources.intake.product_file import product_at

    (tmp_path / "product.yaml").write_text(
        "name: D\nsources: [{name: app, files: 'in/e*.csv'}]\nanswer_sources: [{name: answers, files: 'in/a*.jsonl'}]\n"
        "aliases: [{name: pairs, files: 'in/p*.csv', mapping: {alias: a, user_id: u}}]\n"
    )
    product = product_at(tmp_path / "product.yaml")
    patterns = [pattern for source in product.all_sources for pattern in source.files]
    assert sorted(patterns) == [f"{tmp_path.resolve()}/in/{name}" for name in ("a*.jsonl", "e*.csv", "p*.csv")]


@pytest.mark.parametrize(
    ("score", "told", "texts"),
    [
        (
            "cut_off",
            False,
            [
                "It is the twelfth of the apples that were counted there.",
                "リンゴは十二個あります。リンゴは十二個あります。リンゴは十二個あります。リンゴは十二個。",
                "आपके पास बारह सेब हैं और वे सब आज सुबह मेज पर रखे गए थे।",
                "هل تريد أن أعد لك التفاح الموجود على الطاولة مرة أخرى؟",
                "There are twelve apples on the table, well counted 🎉",
                "Read all about the apples of the table here: https://example.com/apples",
                "There are twelve apples on the table.\n\nBest regards,\nAnna Smith",
                "There are twelve apples on the table.\nKind regards,\nyour team of the shop",
            ],
        ),
        (
            "cut_off",
            True,
            ["There are twelve apples on the table, and of these the", "Of the apples on the table we counted twelve,"],
        ),
        (
            "refusal",
            False,
            [
                "I'm sorry to hear that! You can send it back.",
                "I am sorry for the delay. It comes tomorrow.",
                "I cannot stress enough that it is 12.",
                f"I cannot see the whole table from here, but there are twelve apples. {LONG}",
                f"I can't wait to help. {LONG}",
                f"Unfortunately it rained. {LONG}",
                f"It is not appropriate to use the past tense here. {LONG}",
                f"Old browsers do not support or promote this. {LONG}",
                f"I am sorry to hear that you cannot help yourself. {LONG}",
            ],
        ),
        (
            "refusal",
            True,
            [
                "I'm sorry to hear that, but I can't help.",
                "I don't have enough information to say.",
                "I do not know.",
                "I’m sorry, but no.",
                f"I'm sorry, but I cannot provide that. {LONG}",
                f"I apologize, but I am unable to say. {LONG}",
                f"I won't write this essay for you. {LONG}",
                f"I am an AI language model and do not condone cheating. {LONG}",
                f"As an AI, I cannot look into your account. {LONG}",
                f"It is not ethical or legal to copy the essay of another. {LONG}",
                f"It's not appropriate to ask for the answers of a test. {LONG}",
                f"I must respectfully decline. {LONG}",
            ],
        ),
        ("personal_data", False, ["Write to help@shop.example or call +49 30 1234567."]),
        (
            "personal_data",
            True,
            ["Write to a@b.example.", "Call (555) 123-4567.", "It is 4111 1111 1111 1111.", "It is 123-45-6789."],
        ),
        ("ungrounded_date", False, ["On March 5th, 2026.", "On the 5th of March 2026.", "On 5 March 2026."]),
        ("ungrounded_date", True, ["On March 6th, 2026.", "On 2026-03-06."]),
        ("ungrounded_quote", False, ["It says “it's what you don’t see” there."]),
    ],
)
def test_a_score_tells_its_fault_and_leaves_what_only_looks_like_it(
    tmp_path: Path, lake: Lake, score: str, told: bool, texts: list[str]
) -> None:
    context = "On 2026-03-05 call +49 30 1234567 or help@shop.example: it’s what you don't see."
    rows = [{"answer_id": f"a{n}", "context": context, "answer": text} for n, text in enumerate(texts)]
    delivered(tmp_path, lake, *rows)
    found = dict(facts(tmp_path, lake).select("answer_id", score).rows())
    assert {text: found[f"a{n}"] for n, text in enumerate(texts)} == dict.fromkeys(texts, told)


def test_an_answer_that_no_reason_ended_is_told_whole(tmp_path: Path, lake: Lake) -> None:
    delivered(
        tmp_path, lake, {}, {"answer_id": "a2", "finish_reason": "length"}, {"answer_id": "a3", "finish_reason": "stop"}
    )
    assert facts(tmp_path, lake)["cut_off"].to_list() == [False, True, False]


def test_each_score_is_told_of_a_whole_answer_that_is_asked_for_it(tmp_path: Path, lake: Lake) -> None:
    row = {
        "question": "What is the name of the girl that is in the house?",
        "context": "On 2026-03-05 the number of apples of Anna Smith rose to 12: she said that it is a lot of apples.",
        "answer": "The number of apples of Anna Smith rose to 12 on 2026-03-05. That is the news. She said: "
        '"it is a lot of apples". And that is all of it.',
    }
    delivered(tmp_path, lake, row, more="answers: {formats: {tutor: {longest: 500}}}\n")
    (found,) = facts(tmp_path, lake, "answers: {formats: {tutor: {longest: 500}}}\n").to_dicts()
    from intelligence.warehouse.answer_scores import NAMES

    assert {name: found[name] for name in NAMES} == dict.fromkeys(NAMES, False)


def test_a_feature_with_accepted_answers_is_not_said_to_have_none(tmp_path: Path, lake: Lake) -> None:
    from intelligence.telemetry.gaps import REJECTED_FEATURES, gaps

    def said() -> list[str]:
        found = gaps(
            sources=(),
            declared=(),
            conversion_events=(),
            delivered=pl.DataFrame(),
            seen=(),
            rejected=lake.frame(REJECTED_FEATURES),
            event_types=(),
        )
        return [gap.says for gap in found]

    delivered(tmp_path, lake, {}, {"answer_id": "a2", "rating": 9}, {"answer_id": "a3", "feature": "b", "rating": 9})
    assert said() == [
        "None of the 1 rows of the feature b was accepted (rating is outside 1 to 5), so it is in no table."
    ]
