"""Names that people would mistake for one another: reported as warnings, since only people know whether they are one."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

# Letters of other scripts, and digits, that are drawn like a Latin letter (after Unicode's confusables, UTS 39).
_DRAWN_ALIKE: Final = str.maketrans("аеорсухіјѕһԁԛԝькмнтвαεικνορτυχ01|ı", "aeopcyxijshdqwbkmhtbaeikvoptuxolli")
_SEPARATORS: Final = re.compile(r"[\s\-_./:·,;|]+")
_SEVERAL: Final = 2
_MAY_BE_NOBODY: Final = frozenset(
    (
        "-",
        "?",
        "na",
        "n.a.",
        "no",
        "unknown",
        "anonymous",
        "anon",
        "guest",
        "user",
        "test",
        "admin",
        "system",
        "default",
        "empty",
    )
)


def skeleton(name: str) -> str:
    """Return the name without what makes look-alikes differ: case, accents, separators, letter forms and look-alike letters.

    >>> skeleton("Check-Out") == skeleton("check_out") == skeleton("checkOut") == skeleton("сheсkout")
    True
    """
    apart = unicodedata.normalize("NFKD", name).casefold()
    bare = "".join(sign for sign in apart if not unicodedata.combining(sign))
    joined = _SEPARATORS.sub("", bare)
    # Versions and numbers keep their digits, since each digit makes them different.
    return joined if joined.isdigit() else joined.translate(_DRAWN_ALIKE)


def lookalikes(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Return the groups of different names that look alike, each sorted, the largest first.

    >>> lookalikes(["checkout", "search", "CHECKOUT", "Checkout"])
    (('CHECKOUT', 'Checkout', 'checkout'),)
    """
    groups: dict[str, set[str]] = defaultdict(set)
    for name in names:
        groups[skeleton(name)].add(name)
    found = [tuple(sorted(group)) for group in groups.values() if len(group) >= _SEVERAL]
    return tuple(sorted(found, key=lambda group: (-len(group), group)))


def lookalike_warnings(column: str, names: Iterable[str], *, most: int = 5) -> tuple[str, ...]:
    """Return a sentence for each group of names that look alike, and one for the number of further groups.

    Args:
        column: The contract column of the names.
        names: The names that occur in it.
        most: The number of groups with a sentence of their own.
    """
    groups = lookalikes(names)
    warnings = tuple(
        f"{column} {_listed(group)} look alike and count as different; map them to one if they are." for group in groups
    )
    rest = len(groups) - most
    return warnings[:most] if rest <= 0 else (*warnings[:most], f"{rest} more groups of {column} names look alike.")


def nobody_warnings(users: Iterable[tuple[str, int]], rows: int) -> tuple[str, ...]:
    """Return a sentence for each user id that may be a placeholder for unknown users.

    Args:
        users: User ids with the number of rows of each.
        rows: The number of rows of all users.

    >>> nobody_warnings([("ada", 3), ("Guest", 40)], 100)
    ('user_id `Guest` bears 40 of 100 rows and may be nobody; name it in `names.nobody` if it is.',)
    """
    return tuple(
        f"user_id `{user}` bears {count:,} of {rows:,} rows and may be nobody; name it in `names.nobody` if it is."
        for user, count in users
        if user.casefold() in _MAY_BE_NOBODY
    )


def _listed(group: Sequence[str]) -> str:
    shown = [f"`{name}`" for name in group[:4]]
    return ", ".join(shown) + (f" and {len(group) - 4} more" if len(group) > 4 else "")
