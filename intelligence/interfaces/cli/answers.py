"""Answers of language models at a terminal: how good they are, what changed them, and the erasure of a user's texts."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from intelligence.core.foreign import harmless
from intelligence.interfaces.cli import session
from intelligence.interfaces.cli.options import EVERY_DAY, AsJson
from intelligence.interfaces.cli.table import Listing, add, table

if TYPE_CHECKING:
    from intelligence.catalog.pages import Page

MOST_SCORES: Final = 12
app = typer.Typer()


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence answers tutor_hint --examples")
def answers(
    feature: Annotated[str, typer.Argument(help="Only this feature; all without it.")] = "",
    days: Annotated[int, typer.Option(min=1, max=400, help="Number of days.")] = 28,
    examples: Annotated[
        bool, typer.Option("--examples", help="Show flagged answers, where product.yaml keeps texts.")
    ] = False,
    judge: Annotated[bool, typer.Option("--judge", help="Let the judge of product.yaml judge a sample first.")] = False,
    erase: Annotated[str | None, typer.Option(help="Erase the texts of all answers that this user was given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell how good the answers of language models are, by version and segment, and what changed them."""
    platform = session.platform()
    if erase is not None:
        gone = platform.answers.erased(erase)
        session.console.print(
            f"Erased the texts of {gone.answers:,} answers and ratings and the content of {gone.rejected:,} rows in quarantine."
            " What was scored from them stays until their days are built again."
        )
        return
    if judge:
        report = platform.judging.run()
        said = ", ".join(f"{n:,} {verdict}" for verdict, n in sorted(report.verdicts.items())) or "no verdict"
        failed = (
            f"; {len(report.failures):,} without a reply, the last: {report.failures[-1]}" if report.failures else ""
        )
        stopped = f"; stopped: {report.stopped}" if report.stopped else ""
        session.console.print(harmless(f"Judged: {said}{failed}{stopped}."), soft_wrap=True)
    page = platform.reading.answers(feature, days=days)
    shown = platform.answers.examples(feature) if examples else None
    if as_json:
        session.print_json(
            {
                "sentences": list(page.sentences),
                **{name: part.rows for name, part in page.parts.items()},
                **({} if shown is None else {"examples": shown}),
            }
        )
        return
    for sentence in page.sentences:
        session.console.print(harmless(sentence), soft_wrap=True)
    if not page.is_empty:
        for each in (_versions(page), _scores(page)):
            session.console.print(each)
    if platform.product.judge.url is not None:
        for sentence in platform.judging.sentences():
            session.console.print(harmless(sentence), soft_wrap=True)
    for row in shown.iter_rows(named=True) if shown is not None else ():
        session.console.print(harmless(_example(row)), soft_wrap=True)


def _versions(page: "Page") -> Listing:
    shown = table(
        "Bad answers by version, and what a good one costs",
        *("feature", "model", "prompt", "answers", "bad", "95 % interval", "cost per good answer"),
        numbers=("answers", "bad", "cost per good answer"),
    )
    costs = {
        (row["feature"], row["model_version"], row["prompt_version"]): row["cost_per_good_answer"]
        for row in page["costs"].rows.iter_rows(named=True)
    }
    for row in page["versions"].rows.iter_rows(named=True):
        key = (row["feature"], row["model_version"], row["prompt_version"])
        cost = costs.get(key)
        add(shown, *key, f"{row['total']:,}", f"{row['rate']:.1%}", _bounds(row), "" if cost is None else f"{cost:.6f}")
    return shown


def _scores(page: "Page") -> Listing:
    shown = table(
        "Most frequent faults; the last column takes out the errors that the score makes on simulated answers, not on yours",
        *("feature", "fault", "answers", "flagged", "95 % interval", "less errors in simulation"),
        numbers=("answers", "flagged"),
    )
    for row in page["scores"].rows.sort("hits", descending=True).head(MOST_SCORES).iter_rows(named=True):
        true = (
            ""
            if row["true_rate"] is None
            else f"{row['true_rate']:.1%} ({row['true_low']:.1%} to {row['true_high']:.1%})"
        )
        measure = row["measure"].replace("_", " ")
        add(shown, row["feature"], measure, f"{row['total']:,}", f"{row['rate']:.1%}", _bounds(row), true)
    return shown


def _bounds(row: dict[str, Any]) -> str:
    return "" if row["low"] is None else f"{row['low']:.1%} to {row['high']:.1%}"


def _example(row: dict[str, Any]) -> str:
    flags = ", ".join(row["flags"])
    return f"{row['event_date']}  {row['feature']}  {row['answer_id']}  {flags}: {row['answer'] or '(nothing)'}"
