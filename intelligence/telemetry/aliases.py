"""Identity resolution: which user each alias stands for, derived from a set of (alias, user) pairs.

A person is anonymous first and known later; a pair states that both ids belong to one person. The result depends on the
set of pairs alone, not on the order in which they arrived:

- an alias of one user is that user; where that user is an alias too, the user at the end of the chain,
- an alias of several users is a shared device: it stays the user that it was delivered as,
- aliases that form a circle stay as they were delivered,
- a pair of a name with itself is ignored.

A row that contains a user keeps that user, unless the user is itself an alias.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Persons:
    """The user of each alias, and the aliases that belong to no single user: shared by several users, or in a circle."""

    user_of: dict[str, str]
    shared: tuple[str, ...] = ()
    circular: tuple[str, ...] = ()

    def frame(self) -> pl.DataFrame:
        """Return one row per alias that belongs to one user, with the columns `alias` and `person`."""
        rows = sorted(self.user_of.items())
        return pl.DataFrame(rows, schema={"alias": pl.String, "person": pl.String}, orient="row")


def pair_warnings(found: Persons) -> tuple[str, ...]:
    """Return a warning for the aliases that belong to no single user, and for columns that may have been swapped.

    >>> pair_warnings(Persons({}, shared=("tv", "kiosk")))[0][:63]
    '2 aliases are of several users, for example tv: they are taken '
    """
    warnings = []
    if found.shared:
        warnings.append(
            f"{_counted(found.shared)} of several users, for example {found.shared[0]}: they are taken for shared devices and stay"
            " users of their own."
        )
        if len(found.shared) > len(found.user_of):
            warnings[0] += " That holds for most; perhaps the columns of `alias` and `user_id` have changed places."
    if found.circular:
        warnings.append(
            f"{_counted(found.circular)} in a circle, for example {found.circular[0]}: they stay as they are delivered."
        )
    return tuple(warnings)


def _counted(aliases: tuple[str, ...]) -> str:
    return f"{len(aliases):,} aliases are" if len(aliases) > 1 else "1 alias is"


def persons(pairs: Iterable[tuple[str, str]]) -> Persons:
    """Return the user of each alias, resolved from the pairs of (alias, user).

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
        # A path that leads into a circle, directly or through another path, is unresolved as well.
        end = user_of.get(path[-1], path[-1])
        if end in circular:
            circular |= set(path)
        else:
            user_of |= dict.fromkeys([name for name in path if name in next_of], end)
    return Persons(dict(sorted(user_of.items())), tuple(sorted(shared)), tuple(sorted(circular)))
