"""Precision and recall of each score of answers on labelled ones, what public judges agree with, and the time to score a million."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from benchmarks import formats
from benchmarks.judges import judged, print_judged
from benchmarks.measuring import MEMORY_LIMIT, arguments, demand, tell, temporary
from benchmarks.refusals import (
    as_answers,
    different_shares,
    labelled_refusals,
    print_gpt4,
    print_refusals,
    refusal_cards,
)
from intelligence.answers.cards import Card
from intelligence.core.sql import sql
from intelligence.core.tables import Days
from intelligence.simulation.answers import AnswerPlan, simulated_answers
from intelligence.telemetry.tables import RAW_ANSWERS
from intelligence.warehouse.answer_scores import NAMES
from intelligence.warehouse.settings import Answers
from intelligence.warehouse.tables import FACT_ANSWERS

# By score the fault that is planted in simulated answers; answers in a format are made by `benchmarks.formats`.
PLANTED: Final = {
    "ungrounded_number": "number",
    "ungrounded_date": "date",
    "ungrounded_name": "name",
    "ungrounded_quote": "quote",
    "contradicted_direction": "direction",
    "refusal": "refusal",
    "empty": "empty",
    "cut_off": "cut_off",
    "repetition": "repetition",
    "other_language": "language",
    "unsafe": "unsafe",
    "personal_data": "personal_data",
}
# What a million answers may take on two cores, by the CPU time, which other programs on the machine change little.
MOST_SECONDS: Final = 60.0
CORES: Final = 2
LEAST_RECALL: Final = 0.7
DAY: Final = date(2026, 7, 1)
_RAW: Final = """
CREATE OR REPLACE TEMP TABLE answers_taken AS
SELECT
    given.* REPLACE (given.answer_id || '-' || copy AS answer_id), CAST($day AS DATE) AS event_date,
    'answers' AS source, 'made' AS source_file, row_number() OVER () AS source_row, 'made' AS batch_id,
    CAST($day AS TIMESTAMP) AS ingested_at, NULL AS experiment, NULL AS variant, false AS is_duplicate,
    false AS is_conflict, '' AS content_id, true AS has_texts, CAST(NULL AS TIMESTAMP) AS erased_at
FROM given, range($copies) AS copies (copy)
"""


@dataclass(frozen=True, slots=True)
class Took:
    """Time that work took in this process."""

    wall_s: float
    cpu_s: float


def labelled(path: Path | None) -> pl.DataFrame:
    """Return answers with the fault of each in `planted`: those of a file, or ten simulated days with many faults."""
    if path:
        return pl.read_ndjson(path)
    plan = AnswerPlan(answers_per_day=4_000)
    days = [simulated_answers(plan, plan.first_day + timedelta(days=n)) for n in (0, 1, 2, 3, 60, 61, 62, 70, 71, 72)]
    return pl.concat(days).filter(pl.col("rater").is_null())


def scored(
    given: pl.DataFrame, folder: Path, *, copies: int = 1, settings: Answers | None = None
) -> tuple[pl.DataFrame, int, Took]:
    """Return the scores of the answers, their number and what scoring took, with so many copies of each."""
    from resources.lake.door import Lake

    lake = Lake(catalog=f"sqlite:{folder}/catalog.sqlite", store=f"{folder}/files", memory_limit=MEMORY_LIMIT)
    days = Days(DAY, DAY + timedelta(days=1))
    with lake.staging() as connection:
        connection.register("given", given.drop("planted"))
        connection.execute(_RAW, {"day": DAY, "copies": copies})
        lake.replace(RAW_ANSWERS, days, "FROM answers_taken", on=connection)
    begun, used = time.perf_counter(), time.process_time()
    written = lake.replace(FACT_ANSWERS, days, sql("warehouse/fact_answers.sql"), (settings or Answers()).parameters())
    took = Took(time.perf_counter() - begun, time.process_time() - used)
    found = lake.frame(f"SELECT * FROM {FACT_ANSWERS.path}") if copies == 1 else pl.DataFrame()
    lake.close()
    return found, written, took


def public_scores(public: pl.DataFrame, folder: Path) -> dict[str, bool]:
    """Return whether `refusal` flags each public answer, by its id."""
    like = simulated_answers(AnswerPlan(answers_per_day=1), DAY)
    found, _, _ = scored(as_answers(public, like), folder)
    return {answer_id.removesuffix("-0"): flag for answer_id, flag in found.select("answer_id", "refusal").iter_rows()}


def format_card(folder: Path) -> Card:
    """Return how often `broken_format` errs on answers in a declared format."""
    given = formats.as_answers(simulated_answers(AnswerPlan(answers_per_day=1), DAY))
    found, _, _ = scored(given, folder, settings=formats.SETTINGS)
    labels = given.select(pl.concat_str("answer_id", pl.lit("-0")).alias("answer_id"), "planted")
    return formats.card_of(found.join(labels, on="answer_id"))


def cards(given: pl.DataFrame, found: pl.DataFrame) -> Iterator[tuple[str, Card]]:
    """Yield the card of each score for which faults are labelled, counted over the answers to which it applies."""
    known = found.join(
        given.select(pl.concat_str("answer_id", pl.lit("-0")).alias("answer_id"), "planted"), on="answer_id"
    )
    for score, fault in PLANTED.items():
        applies = known.filter(pl.col(score).is_not_null())
        is_faulty = applies["planted"].fill_null("") == fault
        is_flagged = applies[score]
        yield (
            score,
            Card(
                found=int((is_faulty & is_flagged).sum()),
                missed=int((is_faulty & ~is_flagged).sum()),
                false=int((~is_faulty & is_flagged).sum()),
                passed=int((~is_faulty & ~is_flagged).sum()),
            ),
        )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--labelled", type=Path, help="JSON lines of answers with the fault of each in `planted`")
    parser.add_argument("--answers", type=int, default=1_000_000, help="how many answers are scored for the time")
    asked = parser.parse_args()
    answers = labelled(asked.labelled)
    with temporary("answers", asked.folder) as folder:
        found, _, _ = scored(answers, folder)
    measured = dict(cards(answers, found))
    with temporary("answers", asked.folder) as folder:
        measured["broken_format"] = format_card(folder)
    print(f"{answers.height:,} labelled answers, and for broken_format {7 * formats.NUMBER:,} made ones:")
    assert measured.keys() == set(NAMES), "each score has labels"
    print(f"{'score':24}{'recall':>8}{'precision':>11}{'false alarms':>14}   found, missed, false, passed")
    for score, card in measured.items():
        precision = "-" if card.precision is None else f"{card.precision:.1%}"
        counts = (card.found, card.missed, card.false, card.passed)
        print(f"{score:24}{card.sensitivity:8.1%}{precision:>11}{1 - card.specificity:14.2%}   {counts}")
    public = labelled_refusals()
    different = different_shares(public)
    with temporary("answers", asked.folder) as folder:
        print_refusals(list(refusal_cards(public, public_scores(public, folder))))
    print_gpt4(public, different)
    judges = list(judged())
    for each in judges:
        print_judged(each)
    copies = max(1, asked.answers // answers.height)
    tell(f"scoring {copies * answers.height:,} answers")
    with temporary("answers", asked.folder) as folder:
        _, written, took = scored(answers, folder, copies=copies)
    print(f"{written:,} answers scored in {took.wall_s:.1f} s, {took.cpu_s:.1f} s of CPU")
    weak = [score for score, card in measured.items() if card.sensitivity < LEAST_RECALL]
    demand(not weak, f"{', '.join(weak)} finds less than {LEAST_RECALL:.0%} of its faults")
    different += [f"{figure} of {each.name}" for each in judges for figure in each.different()]
    demand(not different, f"{', '.join(different)} is not as published")
    million = took.cpu_s / CORES * 1e6 / written
    demand(million <= MOST_SECONDS, f"a million answers take {million:.0f} s on {CORES} cores")


if __name__ == "__main__":
    main()
