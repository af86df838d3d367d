"""Labelled answers in a declared format, sound and broken, for the score `broken_format`, which the simulator does not plant."""

import json
from collections.abc import Iterator
from typing import Final

import polars as pl

from intelligence.answers.cards import Card
from intelligence.warehouse.settings import AnswerFormat, Answers

FEATURE: Final = "made_card"
LONGEST: Final = 400
SETTINGS: Final = Answers(formats={FEATURE: AnswerFormat(json_object=True, keys=("title", "steps"), longest=LONGEST)})
NUMBER: Final = 300


def _told() -> Iterator[tuple[str, bool]]:
    """Yield answers and whether each breaks the format, those that look as if they did or did not included."""
    for place in range(NUMBER):
        sound = {"title": f"Fraction {place}", "steps": ["Draw it.", "Colour one part {of it}."], "more": {"a": place}}
        text = json.dumps(sound)
        yield text, False
        yield json.dumps(sound, indent=2, ensure_ascii=False) + "\n", False
        yield text[: len(text) - 1 - place % 20], True
        yield f"Here you are: {text}", True
        yield json.dumps({"title": sound["title"], "more": {"steps": []}}), True
        yield json.dumps([sound]), True
        yield json.dumps({**sound, "steps": ["Draw it."] * LONGEST}), True


def as_answers(like: pl.DataFrame) -> pl.DataFrame:
    """Return the answers in the columns of others, with `format` in `planted` where one breaks the format.

    Args:
        like: Answers as the scores take them.
    """
    told = pl.DataFrame(list(_told()), ["answer", "is_broken"], orient="row").select(
        "answer",
        pl.format("f{}", pl.int_range(pl.len())).alias("answer_id"),
        pl.lit(like["event_time"][0], like.schema["event_time"]).alias("event_time"),
        pl.lit("u").alias("user_id"),
        pl.lit(FEATURE).alias("feature"),
        pl.when("is_broken").then(pl.lit("format")).alias("planted"),
    )
    return pl.concat([like.clear(), told], how="diagonal")


def card_of(flagged: pl.DataFrame) -> Card:
    """Return how often the score errs.

    Args:
        flagged: `planted` and `broken_format` of each answer.
    """
    counts = dict.fromkeys([(True, True), (True, False), (False, True), (False, False)], 0)
    for planted, flag in flagged.select("planted", "broken_format").iter_rows():
        counts[planted is not None, bool(flag)] += 1
    return Card(
        found=counts[True, True], missed=counts[True, False], false=counts[False, True], passed=counts[False, False]
    )
