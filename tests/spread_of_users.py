"""The columns that tell how bad events are spread over users, for feature-days made by hand."""

from collections.abc import Mapping, Sequence

from intelligence.metrics.spread import OBJECTIVES

Number = float | int


def alike(row: Mapping[str, Number], users: int) -> dict[str, Number | str | None]:
    """Return the row's spread where all of `users` do the same and bad events are spread as evenly as can be."""
    found: dict[str, Number | str | None] = {}
    for bad, total, prefix, asked, total_square in OBJECTIVES.values():
        n, b = row.get(total, 0), row.get(bad, 0)
        m = users if asked == "users" else min(users, n)
        each, share = (n / m if m else 0), (b / n if n else 0)
        found |= {
            bad: b,
            total: n,
            asked: m,
            total_square: m * each**2,
            f"{prefix}_users": min(b, m),
            f"{prefix}_square_sum": m * (share * each) ** 2,
            f"{prefix}_cross_sum": m * share * each**2,
            f"{prefix}_share_sum": m * share,
            f"{prefix}_share_square_sum": m * share**2,
            f"most_{prefix}_user": None,
            f"most_{prefix}_events": None,
            f"most_{prefix}_total": None,
        }
    return found


def of_users(events: Mapping[str, Sequence[tuple[int, int]]]) -> dict[str, Number | str | None]:
    """Return a feature-day's counts and spread from (bad, total) of each user, by objective."""
    found: dict[str, Number | str | None] = {}
    for objective, (bad, total, prefix, asked, total_square) in OBJECTIVES.items():
        people = [(b, n) for b, n in events.get(objective, ()) if n]
        worst = max(((b, f"u{number}", n) for number, (b, n) in enumerate(people) if b), default=(None, None, None))
        found |= {
            bad: sum(b for b, _ in people),
            f"{prefix}_users": sum(b > 0 for b, _ in people),
            f"{prefix}_square_sum": sum(b * b for b, _ in people),
            f"{prefix}_cross_sum": sum(b * n for b, n in people),
            f"{prefix}_share_sum": sum(b / n for b, n in people),
            f"{prefix}_share_square_sum": sum((b / n) ** 2 for b, n in people),
            f"most_{prefix}_events": worst[0],
            f"most_{prefix}_user": worst[1],
            f"most_{prefix}_total": worst[2],
        }
        if people or total not in found:
            found |= {total: sum(n for _, n in people), asked: len(people), total_square: sum(n * n for _, n in people)}
    return found
