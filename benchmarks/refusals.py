"""How often `refusal` errs on a real model's answers that people read (`examples/refusals`), and how far GPT-4 agrees with them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import polars as pl

from benchmarks.measuring import ROOT
from intelligence.answers.cards import Card
from intelligence.answers.intervals import Counts, wilson
from intelligence.answers.judge import Calibration, calibration

REFUSALS: Final = ROOT / "examples" / "refusals"
SETS: Final = {
    "seen": "answers under a cautious system prompt, which were read when the score's words were chosen",
    "held_out": "answers without a system prompt, read after the score's words were fixed",
}
COMPLIES: Final = "1"
# What counts as a refusal.
MEANINGS: Final = {"full refusal": ("2",), "full or partial refusal": ("2", "3")}
# Shares are published in percent with one decimal.
ROUNDING: Final = 0.0005 + 1e-9


def labelled_refusals(folder: Path = REFUSALS) -> pl.DataFrame:
    """Return the labels and beginnings of both sets, the name of the set in `part`.

    Args:
        folder: A folder with `seen.csv` and `held_out.csv`.
    """
    return pl.concat(
        pl.read_csv(folder / f"{part}.csv", infer_schema=False).with_columns(
            part=pl.lit(part), answer_id=pl.concat_str(pl.lit(f"{part}-"), "id")
        )
        for part in SETS
    )


def as_answers(public: pl.DataFrame, like: pl.DataFrame) -> pl.DataFrame:
    """Return the answers whose beginning is there, in the columns of other answers.

    Args:
        public: What `labelled_refusals` returns.
        like: Answers as the score takes them; what is not known of the public ones is NULL.
    """
    told = public.drop_nulls("beginning").select(
        "answer_id",
        pl.col("beginning").alias("answer"),
        pl.lit(like["event_time"][0], like.schema["event_time"]).alias("event_time"),
        pl.col("answer_id").alias("user_id"),
        pl.lit("public").alias("feature"),
    )
    return pl.concat([like.clear(), told], how="diagonal")


def refusal_cards(public: pl.DataFrame, scores: Mapping[str, bool]) -> Iterator[tuple[str, str, Card]]:
    """Yield the set, what counts as a refusal, and the card of the score.

    Args:
        public: What `labelled_refusals` returns.
        scores: Whether the score flags each answer, by `answer_id`.
    """
    flagged = pl.DataFrame({"answer_id": list(scores), "is_flagged": list(scores.values())})
    known = public.join(flagged, on="answer_id")
    for part in SETS:
        rows = known.filter(part=part)
        for meaning, labels in MEANINGS.items():
            is_refusal, is_flagged = rows["final"].is_in(labels), rows["is_flagged"]
            yield (
                part,
                meaning,
                Card(
                    found=int((is_refusal & is_flagged).sum()),
                    missed=int((is_refusal & ~is_flagged).sum()),
                    false=int((~is_refusal & is_flagged).sum()),
                    passed=int((~is_refusal & ~is_flagged).sum()),
                ),
            )


def different_shares(public: pl.DataFrame, folder: Path = REFUSALS) -> list[str]:
    """Return which published shares are not those of the stored labels.

    Args:
        public: What `labelled_refusals` returns.
        folder: A folder with `published.csv`.
    """
    seen = public.filter(part="seen")
    different = []
    for who, asked, label, share in pl.read_csv(folder / "published.csv", infer_schema=False).iter_rows():
        agreed = seen["first"] == seen["second"] if who == "raters" else seen.filter(asked=asked)[who] == label
        found = agreed.mean()
        if not isinstance(found, float) or abs(found - float(share)) > ROUNDING:
            different.append(" ".join(part for part in (who, asked, label) if part))
    return different


def gpt4(public: pl.DataFrame) -> Calibration:
    """Return how far GPT-4 agrees with people on whether an answer complies, of all labels of the seen set.

    Args:
        public: What `labelled_refusals` returns.
    """
    pairs = public.filter(part="seen").select("gpt4", "final").iter_rows()
    return calibration([("good" if judged == COMPLIES else "bad", label == COMPLIES) for judged, label in pairs])


def print_refusals(cards: list[tuple[str, str, Card]]) -> None:
    """Print recall, precision and false alarms with Wilson's 95 % intervals."""
    for part, says in SETS.items():
        of = [(meaning, card) for each, meaning, card in cards if each == part]
        print(f"refusal on {of[0][1].faulty + of[0][1].sound} public {says} ({part})")
        print(f"  {'against':25}{'recall':26}{'precision':26}{'false alarms':26}found, missed, false, passed")
        for meaning, card in of:
            counts = (card.found, card.missed, card.false, card.passed)
            rates = (
                _rate(card.found, card.faulty),
                _rate(card.found, card.found + card.false),
                _rate(card.false, card.sound),
            )
            print(f"  {meaning:25}{''.join(f'{rate:26}' for rate in rates)}{counts}")


def _rate(hits: int, total: int) -> str:
    found = wilson(Counts(total, hits, total, hits, hits, total))
    return "-" if found is None else f"{found.rate:.1%} ({found.low:.1%} to {found.high:.1%})"


def print_gpt4(public: pl.DataFrame, different: list[str]) -> None:
    """Print the agreement of GPT-4 with people, and whether the labels are those that were published."""
    found = gpt4(public)
    kappa, agreement = found.kappa, found.agreement
    seen = public.filter(part="seen")
    raters = (seen["first"] == seen["second"]).sum() / seen.height
    print(f"GPT-4 as a judge of refusals: {found.answers} public answers (seen)")
    wrong = ", ".join(different) or "none"
    print(f"  the two people give the same label to {raters:.1%}; shares that are not as published: {wrong}")
    print(f"  complies or not: agrees with people {agreement:.2%}, kappa {kappa:.4f}, as measured; none is published")
