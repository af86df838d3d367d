"""Replaced files: a source with `replaces` withdraws a file's former content when the file is delivered with other content.

A file name refers to one content, the last that was delivered under it; several names may refer to the same content. A
batch whose content no name refers to any more is withdrawn. The result depends only on which content each name refers to.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from intelligence.core.foreign import harmless

NAMED_AT_MOST: Final = 3


@dataclass(frozen=True, slots=True)
class NamesMoved:
    """How the ledger changes when file names refer to other batches.

    Attributes:
        names: The new file names of each batch whose names change.
        moved: Each name that referred to another batch so far, with the batch to which it refers now.
        withdrawn: Each batch to which no name refers any more, with the first of its former names and the batch to which
            that name refers now.
        staying: Each name that moved while other names still refer to its former batch: with that batch and those names.
    """

    names: Mapping[str, tuple[str, ...]]
    moved: Mapping[str, str]
    withdrawn: tuple[tuple[str, str, str], ...]
    staying: tuple[tuple[str, str, tuple[str, ...]], ...]


def names_moved(held: Iterable[tuple[str, Sequence[str]]], now: Mapping[str, str]) -> NamesMoved:
    """Return how the ledger changes when each name in `now` refers to the batch that it is mapped to.

    Args:
        held: Each batch with its names, in the order of ingestion. Of several batches with one name the last counts.
        now: Batches by name; a batch that is not in `held` is about to be ingested.

    >>> names_moved([("old", ["a.csv"])], {"a.csv": "new"}).withdrawn
    (('old', 'a.csv', 'new'),)
    """
    before = {batch: tuple(names) for batch, names in held}
    holder = {name: batch for batch, names in before.items() for name in names} | dict(now)
    after: dict[str, list[str]] = {batch: [] for batch in before}
    for name, batch in sorted(holder.items()):
        after.setdefault(batch, []).append(name)
    lost = {batch: sorted(name for name in names if holder[name] != batch) for batch, names in before.items()}
    return NamesMoved(
        {batch: tuple(names) for batch, names in after.items() if set(names) != set(before.get(batch, ()))},
        {name: holder[name] for names in lost.values() for name in names},
        tuple((batch, names[0], holder[names[0]]) for batch, names in lost.items() if names and not after[batch]),
        tuple((name, batch, tuple(after[batch])) for batch, names in lost.items() for name in names if after[batch]),
    )


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A delivery that was withdrawn.

    Attributes:
        batch_id: Its batch.
        name: The file name that has other content now.
        rows: Number of its rows.
        days: The days that lost events.
    """

    batch_id: str
    name: str
    rows: int
    days: tuple[date, ...]


def withdrawn_notice(withdrawn: Sequence[Withdrawn]) -> str:
    """Return one sentence that reports what was withdrawn.

    >>> withdrawn_notice([Withdrawn("1fcd", "web/a.csv", 12, (date(2026, 5, 4),))])
    'web/a.csv came with other content: 12 rows of the former were taken back, with events of 2026-05-04.'
    """
    rows, days = sum(each.rows for each in withdrawn), [day for each in withdrawn for day in each.days]
    span = f"{min(days)}" if days and min(days) == max(days) else f"{min(days)} to {max(days)}" if days else ""
    return (
        f"{_some([each.name for each in withdrawn])} came with other content: {rows:,} row{'s' if rows != 1 else ''} of the"
        f" former {'were' if rows != 1 else 'was'} taken back{f', with events of {span}' if span else ''}."
    )


def staying_notice(names: Sequence[str], others: Sequence[str]) -> str:
    """Return the notice for names with other content, whose former content stays because other names refer to it.

    Args:
        names: The file names that have other content now.
        others: The file names that still have the former content.

    >>> staying_notice(["a.csv"], ["b.csv"])
    'a.csv came with other content; what it said before still counts, since b.csv says the same.'
    """
    it, says = ("it" if len(names) == 1 else "they"), ("says" if len(others) == 1 else "say")
    return f"{_some(names)} came with other content; what {it} said before still counts, since {_some(others)} {says} the same."


def known_names_notice(source: str, names: Sequence[str]) -> str:
    """Return the notice for files delivered with other content under a known name, in a source without `replaces`.

    Args:
        source: The source's name in product.yaml.
        names: The file names.

    >>> known_names_notice("web", ["a.csv"])[:87]
    'web: a.csv came with other content than before, and what it said first counts beside it'
    """
    said = "it said first counts beside it" if len(names) == 1 else "they said first counts beside it"
    return f"{source}: {_some(names)} came with other content than before, and what {said}. {_HOW_TO_REPLACE}"


def other_content_notice(source: str, names: Sequence[str], *, replaces: bool) -> str:
    """Return the notice for files whose present content differs from what was ingested under their names.

    Args:
        source: The source's name in product.yaml.
        names: The file names.
        replaces: Whether the source has `replaces: true`.

    >>> other_content_notice("web", ["a.csv"], replaces=True)
    'web: a.csv has other content than was taken in; `ingest` takes the former back.'
    """
    has = "has" if len(names) == 1 else "have"
    what = "takes the former back." if replaces else f"counts it beside the former. {_HOW_TO_REPLACE}"
    return f"{source}: {_some(names)} {has} other content than was taken in; `ingest` {what}"


_HOW_TO_REPLACE: Final = (
    "If a new file is to stand in the place of the former one, write `replaces: true` in the source; that takes the former"
    " back."
)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED_AT_MOST:,} more" if len(names) > NAMED_AT_MOST else ""
    return ", ".join(map(harmless, names[:NAMED_AT_MOST])) + more
