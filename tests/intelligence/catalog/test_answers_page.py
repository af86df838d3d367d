"""The page about answers says what changed, for whom, and nothing where there is nothing."""

from datetime import date

import polars as pl

from intelligence.briefs.answers import worse_answer_sentences
from intelligence.catalog.pages import AsOf
from intelligence.catalog.reading.answers import QUERIES, answers_page

DAY = date(2026, 7, 20)
AS_OF = AsOf("Demo", 1, date(2026, 7, 1), DAY, "whole", DAY)


def quality(segment: str, measure: str, hits: int, total: int = 400) -> dict[str, object]:
    return {
        "feature": "tutor", "model_version": "m", "prompt_version": "4", "segment": segment, "measure": measure,
        "event_date": DAY, "total": total, "hits": hits, "users": total, "hit_square_sum": hits, "cross_sum": hits,
        "total_square_sum": total,
    }  # fmt: skip


def change(measure: str, before: int, after: int, verdict: str = "worse") -> dict[str, object]:
    return {
        "feature": "tutor", "changed": "prompt_version", "version": "4", "since": date(2026, 7, 15), "measure": measure,
        "shown_on": date(2026, 7, 16), "event_date": DAY, "hits_before": before, "total_before": 200,
        "hits_after": after, "total_after": 200, "difference": (after - before) / 200, "low": 0.05, "high": 0.3,
        "verdict": verdict, "grade": "D",
    }  # fmt: skip


def read(*rows: dict[str, object], changes: tuple[dict[str, object], ...] = ()) -> dict[str, pl.DataFrame]:
    empty = pl.DataFrame(schema={"event_date": pl.Date, "feature": pl.String})
    return {
        "quality": pl.DataFrame(rows),
        "changes": pl.DataFrame(changes) if changes else pl.DataFrame(schema=dict.fromkeys(change("", 0, 0), pl.String)),
        "course": empty,
        "costs": empty.with_columns(
            answers=pl.lit(0), erased_answers=pl.lit(0), cost_per_good_answer=pl.lit(None, pl.Float64)
        ),
        "raters": empty.with_columns(answers=pl.lit(0), agreed=pl.lit(0)),
    }  # fmt: skip


def test_a_product_without_answers_is_told_how_to_deliver_them() -> None:
    page = answers_page(AS_OF, {name: pl.DataFrame() for name in QUERIES})
    assert page.is_empty
    assert "answer_sources" in page.sentences[0]


def test_the_page_names_the_version_its_day_and_the_fault() -> None:
    rows = [quality(who, what, n) for who in ("student", "teacher") for what, n in (("bad", 80), ("refusal", 60))]
    page = answers_page(AS_OF, read(*rows, changes=(change("refusal", 4, 50), change("bad", 6, 60))))
    assert page.sentences[0] == (
        "tutor answers worse since prompt version 4 of 2026-07-15: bad answers went from 3.0% to 30.0%"
        " (difference +5.0 to +30.0 points), above all refusal; shown on 2026-07-16, grade D."
    )
    refusals = page["scores"].rows.row(0, named=True)
    assert refusals["true_low"] <= refusals["true_rate"] <= refusals["true_high"]
    assert refusals["true_rate"] > refusals["rate"], "one refusal in five is missed"
    assert "student 20.0%, teacher 20.0%" in page["segments"].finding


def test_what_did_not_become_worse_is_not_told() -> None:
    assert worse_answer_sentences(pl.DataFrame([change("bad", 60, 6, "better")])) == ()
    page = answers_page(AS_OF, read(quality("student", "bad", 8)))
    assert page.sentences[0] == "No version changed the quality of answers beyond chance."


def test_answers_that_were_erased_are_said_to_be_missing_from_the_rates() -> None:
    there = read(quality("student", "bad", 8))
    costs = pl.DataFrame({"feature": ["tutor"], "event_date": [DAY], "answers": [1_200], "erased_answers": [3]})
    there["costs"] = costs.with_columns(cost_per_good_answer=pl.lit(None, pl.Float64))
    told = answers_page(AS_OF, there).sentences[-1]
    assert told.startswith("3 answers of 1,200 had their texts erased")
    assert not any("erased" in each for each in answers_page(AS_OF, read(quality("student", "bad", 8))).sentences)
