"""A judge of answers: a sample is judged by a language model behind a server of the user's choice, and compared with people."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final, cast

import polars as pl

from intelligence.answers.judge import (
    Applicable,
    Asked,
    Calibration,
    Choice,
    applicability,
    calibration,
    choice,
    verdict,
)
from intelligence.catalog.product import Product
from intelligence.core.errors import UsageError
from resources.config.settings import language_key
from resources.lake.door import Lake
from resources.language.chat_server import ChatServer, Message, NoReply
from resources.language.shaped import shaped_reply, without_texts

if TYPE_CHECKING:
    from resources.language.reply_book import ReplyBook
    from resources.state.store import State

PURPOSE: Final = "judge"
MOST_TOKENS: Final = 400
# After so many failures one after the other the server is left alone until the next run.
MOST_FAILURES: Final = 3
# Answers that people rated come first, since they tell how far the judge can be believed; within these, chance decides.
_SAMPLE: Final = """
SELECT event_date, source, answer_id, feature, question, context, answer
FROM warehouse.fact_answers
INNER JOIN (
    SELECT event_date, source, answer_id, question, context, answer FROM telemetry.raw_answers
    WHERE NOT is_duplicate AND rater IS NULL AND has_texts AND answer IS NOT NULL AND context IS NOT NULL
) USING (event_date, source, answer_id)
WHERE event_date > (SELECT max(event_date) FROM warehouse.fact_answers) - 28 AND NOT list_contains($judged, answer_id)
ORDER BY (good_ratings = ratings OR bad_ratings = ratings) AND ratings > 0 DESC, hash(answer_id)
LIMIT $most
"""
_RATED: Final = """
SELECT source || ':' || answer_id AS id, good_ratings = ratings AS is_good
FROM warehouse.fact_answers
WHERE ratings > 0 AND (good_ratings = ratings OR bad_ratings = ratings)
"""


@dataclass(slots=True)
class JudgingReport:
    """The outcome of a run.

    Attributes:
        verdicts: Number of answers by verdict.
        failures: Reasons why an answer got no verdict, without its texts.
        stopped: Why the run ended early; None where it did not.
    """

    verdicts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    stopped: str | None = None


@dataclass(frozen=True, slots=True)
class JudgeService:
    """Asks the judge of product.yaml, and says how far it can be believed."""

    product: Product
    lake: Lake
    state_url: str
    clock: Callable[[], datetime]

    @property
    def state(self) -> "State":
        """Return the store, which is opened when it is first needed."""
        from resources.state.store import state_at

        return state_at(self.state_url)

    def run(self) -> JudgingReport:
        """Judge a sample of the last four weeks' answers that were not judged yet, within the budget of the day.

        Raises:
            UsageError: Where product.yaml names no server, or does not keep texts.
        """
        from resources.language.reply_book import BudgetSpent, ReplyBook

        rules = self.product.judge
        if rules.url is None:
            raise UsageError(
                "judge", "product.yaml names no server.", hint="Write `judge: {url: http://…/v1, model: …}`."
            )
        if self.product.answers.texts == "hash":
            raise UsageError("judge", "there are no texts to judge: `texts` is hash.", hint="See docs/answers.md.")
        judged = [row[2] for row in self._verdicts()]
        sample = self.lake.frame(_SAMPLE, {"judged": judged, "most": rules.answers_per_day})
        server = ChatServer(rules.url, rules.model, language_key(), rules.timeout_s)
        # A reply may quote the answer, whose text no other place keeps.
        keeps = partial(without_texts, shapes=(Applicable, Choice))
        book = ReplyBook(server, self.state, self.clock, PURPOSE, rules.calls_per_day, keeps=keeps)
        report, in_a_row = JudgingReport(), 0
        for row in sample.iter_rows(named=True):
            try:
                found = _judged(book, Asked(row["question"], row["context"], row["answer"]))
            except BudgetSpent as error:
                report.stopped = str(error)
                break
            except NoReply as error:
                report.failures.append(str(error))
                in_a_row += 1
                if in_a_row == MOST_FAILURES:
                    report.stopped = f"{MOST_FAILURES} answers one after the other got no verdict"
                    break
                continue
            in_a_row = 0
            report.verdicts[found] += 1
            self._record(row, found)
        return report

    def calibration(self) -> Calibration:
        """Return how far the judge of product.yaml agrees with people who rated the same answers all well or all badly."""
        people: Mapping[str, bool] = dict(self.lake.frame(_RATED).iter_rows())
        pairs = [
            (found, people[f"{source}:{answer_id}"])
            for _, source, answer_id, _, found in self._verdicts()
            if found in ("good", "bad") and f"{source}:{answer_id}" in people
        ]
        return calibration(pairs)

    def sentences(self) -> list[str]:
        """Return what the judge says, or why its numbers are not shown."""
        rules, found = self.product.judge, self.calibration()
        verdicts = self._verdicts()
        if not verdicts:
            return ["The judge has judged nothing yet."]
        told = [each for each in verdicts if each[4] in ("good", "bad")]
        without = Counter(each[4] for each in verdicts)
        share = f"{without['not applicable'] / len(verdicts):.0%} not applicable, {without['undecided'] / len(verdicts):.0%} undecided"
        said = [f"The judge {rules.model} was asked about {len(verdicts):,} answers: {share}."]
        if found.kappa is None or found.answers < rules.least_rated:
            return [
                *said,
                f"Its numbers are not shown: people rated {found.answers:,} of them, {rules.least_rated:,} are needed.",
            ]
        error = found.kappa_error() or 0.0
        compared = (
            f"On {found.answers:,} that people rated it agrees in {found.agreement or 0:.0%} (kappa {found.kappa:.2f}, standard error"
            f" {error:.2f}) and finds {100 * (found.bias or 0):+.0f} points more good than they do."
        )
        if found.kappa < rules.least_kappa:
            return [*said, f"{compared} Its numbers are not shown: a kappa of {rules.least_kappa:g} is needed."]
        return [*said, compared, *_of_features(told)]

    def _verdicts(self) -> Sequence[tuple[object, str, str, str, str]]:
        from sqlalchemy import select

        from resources.state.tables import ANSWER_VERDICTS

        names = ("event_date", "source", "answer_id", "feature", "verdict")
        columns = [getattr(ANSWER_VERDICTS.c, name) for name in names]
        query = select(*columns).where(ANSWER_VERDICTS.c.model == self.product.judge.model)
        with self.state.reading() as connection:
            return [cast("tuple[object, str, str, str, str]", tuple(row)) for row in connection.execute(query)]

    def _record(self, row: Mapping[str, object], found: str) -> None:
        from sqlalchemy import insert

        from resources.state.tables import ANSWER_VERDICTS

        values = {name: row[name] for name in ("event_date", "source", "answer_id", "feature")}
        with self.state.writing() as connection:
            connection.execute(
                insert(ANSWER_VERDICTS).values(**values, at=self.clock(), model=self.product.judge.model, verdict=found)
            )


def _judged(book: "ReplyBook", asked: Asked) -> str:
    ask = partial(book.reply, most_tokens=MOST_TOKENS)

    def messages(said: list[dict[str, str]]) -> list[Message]:
        return cast("list[Message]", said)

    if not shaped_reply(ask, messages(applicability(asked)), Applicable).applicable:
        return "not applicable"
    straight = shaped_reply(ask, messages(choice(asked, swapped=False)), Choice)
    return verdict(straight, shaped_reply(ask, messages(choice(asked, swapped=True)), Choice))


def _of_features(told: Sequence[tuple[object, str, str, str, str]]) -> list[str]:
    counts = (
        pl.DataFrame([(feature, found == "bad") for *_, feature, found in told], ["feature", "bad"], orient="row")
        .group_by("feature")
        .agg(pl.len().alias("answers"), pl.col("bad").sum())
        .sort("feature")
    )
    return [
        f"{row['feature']}: it finds {row['bad']:,} of {row['answers']:,} answers bad."
        for row in counts.iter_rows(named=True)
    ]
