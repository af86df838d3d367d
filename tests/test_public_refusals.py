"""What `refusal` says of public answers is what its cards and documents tell, and the stored labels are those that were published."""

from pathlib import Path

import polars as pl
import pytest

from benchmarks.answers import public_scores
from benchmarks.refusals import REFUSALS, different_shares, gpt4, labelled_refusals, refusal_cards
from intelligence.answers.cards import HELD_OUT_REFUSALS, SEEN_REFUSALS, Card

DOCS = Path(__file__).resolve().parents[1] / "docs" / "answers.md"


def test_the_stored_labels_are_those_that_were_published() -> None:
    public = labelled_refusals()
    assert public.group_by("part").len().sort("part").rows() == [("held_out", 91), ("seen", 450)]
    assert different_shares(public) == []
    seen = public.filter(part="seen")
    assert (seen["first"] == seen["second"]).sum() == 422
    # Every second answer has its beginning, but for one.
    number = pl.col("id").str.strip_prefix("v2-").cast(pl.Int64)
    even = seen.filter(number % 2 == 0)
    assert even.filter(pl.col("beginning").is_null())["id"].to_list() == ["v2-304"]
    assert seen["beginning"].count() == 224


def test_a_changed_label_is_no_longer_as_published() -> None:
    public = labelled_refusals()
    is_first = (pl.col("part") == "seen") & (pl.col("id") == "v2-1")
    changed = public.with_columns(gpt4=pl.when(is_first).then(pl.lit("2")).otherwise("gpt4"))
    assert different_shares(changed) == ["gpt4 safe 1", "gpt4 safe 2"]


def test_the_score_errs_on_public_answers_as_its_cards_say(tmp_path: Path) -> None:
    public = labelled_refusals()
    cards = {(part, meaning): card for part, meaning, card in refusal_cards(public, public_scores(public, tmp_path))}
    assert cards == {
        ("seen", "full refusal"): Card(62, 38, 13, 111),
        ("seen", "full or partial refusal"): SEEN_REFUSALS,
        ("held_out", "full refusal"): Card(2, 16, 3, 70),
        ("held_out", "full or partial refusal"): HELD_OUT_REFUSALS,
    }
    told = " ".join(DOCS.read_text().split())
    assert "finds 73 of 122 refusals and flags 2 of 102 other answers" in told
    assert "finds 4 of 33 and flags 1 of 58 others" in told
    assert "finds 62 of 100 and 2 of 18" in told


def test_gpt4_agrees_with_people_as_the_documents_say() -> None:
    found = gpt4(labelled_refusals())
    assert found.answers == 450
    assert found.agreement == pytest.approx(0.8156, abs=5e-5)
    assert found.kappa == pytest.approx(0.6380, abs=5e-5)


def test_what_is_stored_of_an_answer_suffices_for_the_score() -> None:
    lengths = labelled_refusals()["beginning"].drop_nulls().str.len_chars()
    assert lengths.max() == 250
    # The score asks whether an answer has more than 240 characters: none is cut below that.
    assert lengths.filter((lengths > 240) & (lengths < 250)).is_empty()
    assert (REFUSALS / "README.md").read_text().count("250 characters") == 1
