"""What new versions changed in the answers of language models, in sentences."""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from intelligence.answers.intervals import Counts, wilson
from intelligence.answers.wording import MEASURE_WORDS
from intelligence.core.facts import Fact, Origin, Said, said
from intelligence.core.grades import Grade
from intelligence.warehouse.answer_scores import BY_NAME

_CHANGES: Final = Origin(
    "answers.version_changes", "briefs/answer_changes.sql", ("feature", "changed", "version", "measure")
)
_BAD: Final = Origin("answers.quality_day", "briefs/answers_of.sql", ("feature", "first_day", "last_day"))
_SUMS: Final = ("total", "hits", "users", "hit_square_sum", "cross_sum", "total_square_sum")
MOST_VERSIONS: Final = 4
_GRADE: Final[Grade] = "D"


def worse_answer_sentences(changes: pl.DataFrame, *, most: int = MOST_VERSIONS) -> tuple[Said, ...]:
    """Return one sentence for each version that made answers worse, the newest first.

    Args:
        changes: What `briefs/answer_changes.sql` returns.
        most: The largest number of sentences.
    """
    worse = changes.filter(verdict="worse")
    keys = worse.select("feature", "changed", "version", "since").unique(maintain_order=True).rows()
    found = []
    for feature, changed, version, _ in keys[:most]:
        mine = worse.filter(feature=feature, changed=changed, version=version)
        total = mine.filter(measure="bad")
        row = (total if total.height else mine).row(0, named=True)
        measures = [name for name in mine.sort("difference", descending=True)["measure"] if name in BY_NAME]
        found.append(_sentence(row, [MEASURE_WORDS[name] for name in measures]))
    return tuple(found)


def bad_answer_sentence(row: Mapping[str, Any]) -> Said:
    """Return how many of a feature's scored answers were bad in a period, with the interval of their share.

    Args:
        row: A row of `briefs/answers_of.sql`.
    """
    found = wilson(Counts(*(row[name] for name in _SUMS)))
    share = row["hits"] / row["total"]
    ends = {"low": found.low, "high": found.high} if found else {}
    told = said(
        "{}, from {} to {}: {} of {} scored answers were bad, {}",
        *(_BAD.fact(row, name) for name in ("feature", "first_day", "last_day")),
        *(_BAD.fact(row, name, "{:,}", unit="answers") for name in ("hits", "total")),
        _BAD.fact(row, "hits.share", "{:.1%}", value=share, unit="share", **ends),
    )
    if not ends:
        return told.sentence()
    return said("{} ({} to {}).", told, *(_BAD.fact(row, f"share.{end}", "{:.1%}", value=ends[end]) for end in ends))


def _sentence(row: Mapping[str, Any], above_all: list[str]) -> Said:
    nouns = " and ".join(filter(None, [", ".join(above_all[:-1]), *above_all[-1:]]))
    return said(
        f"{{}} answers worse since {row['changed'].replace('_', ' ')} {{}} of {{}}: {MEASURE_WORDS[row['measure']]} went from {{}}"
        f" to {{}} (difference {{}} to {{}} points){f', above all {nouns}' if nouns else ''}; shown on {{}}, grade {{}}.",
        _CHANGES.fact(row, "feature"),
        _CHANGES.fact(row, "version"),
        _CHANGES.fact(row, "since"),
        _share(row, "before"),
        _share(row, "after"),
        _points(row, "low"),
        _points(row, "high"),
        _CHANGES.fact(row, "shown_on"),
        _CHANGES.fact(row, "grade", value=_GRADE),
    )


def _share(row: Mapping[str, Any], when: str) -> Fact:
    share = row[f"hits_{when}"] / row[f"total_{when}"]
    return _CHANGES.fact(row, f"hits_{when}.share", "{:.1%}", value=share, unit="of the answers")


def _points(row: Mapping[str, Any], end: str) -> Fact:
    return _CHANGES.fact(
        row, f"{end}.points", "{:+.1f}", value=100 * row[end], unit="points", low=100 * row["low"], high=100 * row["high"],
        grade=_GRADE,
    )  # fmt: skip
