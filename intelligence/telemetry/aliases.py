"""Who is who: pairs of an alias and a user, and what a set of them says, whatever the order in which they came.

A person is anonymous first and known later; a pair says that both are one. What the pairs say together is a function of
their set alone:

- an alias of one user is that user; where that user is an alias too, the one at the end of the chain,
- an alias of several users is a shared device: it stays the user that it was delivered as,
- aliases that lead in a circle stay as they were delivered,
- a pair of a name with itself says nothing.

A row that brings a user keeps that user, unless the user is itself an alias.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Persons:
    """Of each alias the user that it is, and the aliases that are nobody's alone: shared by users, or in a circle."""

    user_of: dict[str, str]
    shared: tuple[str, ...] = ()
    circular: tuple[str, ...] = ()

    def frame(self) -> pl.DataFrame:
        """Return one row per alias that is a user: `alias` and `person`."""
        rows = sorted(self.user_of.items())
        return pl.DataFrame(rows, schema={"alias": pl.String, "person": pl.String}, orient="row")


def pair_warnings(found: Persons) -> tuple[str, ...]:
    """Return a sentence on the aliases that are nobody's alone, and on columns that may have changed places.

    >>> pair_warnings(Persons({}, shared=("tv", "kiosk")))[0][:63]
    '2 aliases are of several users, for example tv: they are taken '
    """
    told = []
    if found.shared:
        told.append(
            f"{_counted(found.shared)} of several users, for example {found.shared[0]}: they are taken for shared devices and stay"
            " users of their own."
        )
        if len(found.shared) > len(found.user_of):
            told[0] += " That holds for most; perhaps the columns of `alias` and `user_id` have changed places."
    if found.circular:
        told.append(
            f"{_counted(found.circular)} in a circle, for example {found.circular[0]}: they stay as they are delivered."
        )
    return tuple(told)


def _counted(aliases: tuple[str, ...]) -> str:
    return f"{len(aliases):,} aliases are" if len(aliases) > 1 else "1 alias is"


def persons(pairs: Iterable[tuple[str, str]]) -> Persons:
    """Return what the pairs of (alias, user) say together.

    >>> persons([("a", "b"), ("b", "ada"), ("tv", "ada"), ("tv", "ben")])
    Persons(user_of={'a': 'ada', 'b': 'ada'}, shared=('tv',), circular=())
    """
    users: dict[str, set[str]] = {}
    for alias, user in pairs:
        if alias != user:
            users.setdefault(alias, set()).add(user)
    shared = {alias for alias, found in users.items() if len(found) > 1}
    next_of = {alias: next(iter(found)) for alias, found in users.items() if alias not in shared}
    user_of: dict[str, str] = {}
    circular: set[str] = set()
    for alias in sorted(next_of):
        path = [alias]
        while path[-1] in next_of and path[-1] not in user_of and path[-1] not in circular:
            following = next_of[path[-1]]
            if following in path:
                circular |= set(path[path.index(following) :])
                break
            path.append(following)
        # What leads into a circle, or to one that does, is lost in it.
        end = user_of.get(path[-1], path[-1])
        if end in circular:
            circular |= set(path)
        else:
            user_of |= dict.fromkeys([name for name in path if name in next_of], end)
    return Persons(dict(sorted(user_of.items())), tuple(sorted(shared)), tuple(sorted(circular)))
