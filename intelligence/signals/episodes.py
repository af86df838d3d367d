"""Episodes: one for each trouble, however many days and metrics it shows in, known at the end of each day.

Anomalous days of one feature belong together until calm days in a row end them. Features that begin to show the same on the day of a
release belong together as well. All metrics and segments of the product are one subject. Nothing is joined by what came later.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from intelligence.core.tables import Days
from intelligence.signals.metrics import ANSWER_METRICS, METRICS, SignalMetric
from intelligence.signals.scoring import SEVERITIES
from intelligence.signals.tables import EPISODES

CALM_DAYS: Final = 5
# Reasons by which a day says nothing about whether a trouble goes on.
NOT_JUDGED: Final = ("telemetry", "known day", "everything at once", "flat line")
# A point begins with what brought it about; a shift shows up to a week later.
CAUSE_DAYS: Final = {"point": (1, 0), "shift": (8, 2)}
SAME_START_DAYS: Final = 1
MOST_CAUSES: Final = 3
LASTS_DAYS: Final = 3
# For so long after a trouble its metrics may return to where they were, which is no news.
RETURN_DAYS: Final = 28
PRODUCT: Final = ""
_METRICS: Final[Mapping[tuple[str, str], SignalMetric]] = {
    (metric.scope, metric.name): metric for metric in METRICS.values()
}

_OF_ANSWERS: Final = frozenset(metric.name for metric in ANSWER_METRICS)
# What an anomaly was on an earlier day, and what it is, of one thing and of several.
_VERBS: Final[Mapping[str, tuple[str, str, str]]] = {
    "point": ("came to", "is", "are"),
    "shift": ("had moved to", "has moved to", "have moved to"),
    "trend": ("had drifted to", "drifts to", "drift to"),
    "divergence": ("had drifted to", "drifts to", "drift to"),
}

Row = Mapping[str, Any]
# The first day of a release or version, and its name.
Begun = tuple[date, str]


@dataclass(frozen=True, slots=True)
class _Came:
    """What came in the history: releases of the product, and by feature versions of the models and prompts that answer."""

    releases: Sequence[Begun]
    versions: dict[str, list[Begun]] = field(default_factory=dict)

    def before(self, anomaly: Row) -> Sequence[Begun]:
        """Return what may have brought the anomaly about: of answers versions, where there are any."""
        of_answers = self.versions.get(anomaly["feature"]) if anomaly["metric"] in _OF_ANSWERS else None
        return of_answers or self.releases


@dataclass(slots=True)
class _Episode:
    """A trouble while it goes on."""

    key: str
    first_day: date
    roots: list[str]
    anomalies: list[Row] = field(default_factory=list)
    days: set[date] = field(default_factory=set)
    calm: int = 0

    @property
    def is_adverse(self) -> bool:
        """Return whether any of it is the bad direction."""
        return any(row["is_adverse"] for row in self.anomalies)

    @property
    def top(self) -> Row:
        """Return the newest anomaly of the series with the most surprising one, against what was expected as it began.

        In a trouble only the bad direction counts: the way back is as surprising.
        """
        told = [row for row in self.anomalies if row["is_adverse"] == self.is_adverse]
        most = max(told, key=_weight)
        same = [row for row in told if _series(row) == _series(most) and row["direction"] == most["direction"]]
        begun, newest = same[0], same[-1]
        expected = {name: begun[name] for name in ("expected", "low", "high")}
        return {**newest, **expected, "begun_on": begun["event_date"], "begun_as": begun["kind"]}

    @property
    def beginning(self) -> Row:
        """Return the most surprising anomaly of its first day."""
        return max((row for row in self.anomalies if row["event_date"] == self.first_day), key=_weight)

    @property
    def severity(self) -> str:
        """Return the highest severity so far; what is notable and lasts for days is severe."""
        highest = max((row["severity"] for row in self.anomalies), key=SEVERITIES.index)
        notable = {row["event_date"] for row in self.anomalies if row["severity"] != "mild"}
        return "severe" if highest == "notable" and len(notable) >= LASTS_DAYS else highest


def _series(row: Row) -> tuple[str, str, str]:
    return row["metric"], row["feature"], row["segment"]


def _weight(row: Row) -> tuple[float, str, str, str]:
    return row["surprise"], *_series(row)


def episodes(
    anomalies: pl.DataFrame,
    releases: pl.DataFrame,
    versions: pl.DataFrame | None = None,
    *,
    history: Days,
    days: Days,
) -> pl.DataFrame:
    """Return the rows of signals.episodes of these days.

    Args:
        anomalies: Rows of signals.anomalies of the history.
        releases: app_version, platform and first_seen_at, on the product's clock.
        versions: Versions of models and prompts that began to answer, as `signals/answer_versions.sql` returns them; None for none.
        history: The days from which on anomalies are joined.
        days: The days of the rows, the last ones of the history.
    """
    came = _Came(
        [
            (row["first_seen_at"].date(), f"release {row['app_version']} on {row['platform']}")
            for row in releases.iter_rows(named=True)
        ]
    )
    for row in () if versions is None else versions.iter_rows(named=True):
        begun = (row["since"], f"{row['changed']} {row['version']} of {row['feature']}")
        came.versions.setdefault(row["feature"], []).append(begun)
    rows = [
        row for day, found in _day_by_day(anomalies, came, history) if days.start <= day < days.end for row in found
    ]
    return EPISODES.frame(rows)


def _day_by_day(anomalies: pl.DataFrame, came: _Came, history: Days) -> Iterator[tuple[date, list[Row]]]:
    """Yield each day with the rows of its episodes."""
    by_day: dict[date, list[Row]] = {}
    for row in anomalies.sort("event_date", "feature", "segment", "metric").iter_rows(named=True):
        by_day.setdefault(row["event_date"], []).append(row)
    going: dict[str, _Episode] = {}
    ended: dict[str, _Episode] = {}
    for day in history.each:
        told = [row for row in by_day.get(day, []) if not row["suppressed"]]
        silent = {row["feature"] for row in by_day.get(day, []) if row["suppressed_by"] in NOT_JUDGED}
        for root in dict.fromkeys(row["feature"] for row in told):
            mine = [row for row in told if row["feature"] == root]
            # The way back prolongs no trouble: it ends by calm days, as if nothing were unusual.
            if _is_return(mine, going.get(root) or ended.get(root), day):
                continue
            episode = going.get(root) or _joined(root, mine, going, came.releases, day)
            going[root] = episode
            episode.anomalies += mine
            episode.days.add(day)
        present = list({id(each): each for each in going.values()}.values())
        for each in present:
            each.calm = 0 if day in each.days else each.calm + (0 if silent & set(each.roots) else 1)
        yield day, [_row(each, day, came) for each in sorted(present, key=lambda one: one.key)]
        ended |= {root: each for root, each in going.items() if each.calm >= CALM_DAYS}
        going = {root: each for root, each in going.items() if each.calm < CALM_DAYS}


def _is_return(mine: Sequence[Row], before: _Episode | None, day: date) -> bool:
    """Return whether what is unusual is the way back of a trouble, which may have ended before."""
    if before is None or not before.is_adverse or (day - max(before.days)).days > RETURN_DAYS:
        return False
    return all(not row["is_adverse"] for row in mine)


def _joined(
    root: str, mine: Sequence[Row], going: Mapping[str, _Episode], releases: Sequence[Begun], day: date
) -> _Episode:
    """Return the episode of a release to which a feature belongs that begins to show the same; else a new one."""
    most = max(mine, key=lambda row: (row["surprise"], row["metric"]))
    if root != PRODUCT and most["kind"] == "point" and most["is_adverse"]:
        for other in going.values():
            if PRODUCT in other.roots or (day - other.first_day).days > SAME_START_DAYS:
                continue
            begun = other.beginning
            alike = (begun["metric"], begun["kind"], begun["direction"]) == (most["metric"], "point", most["direction"])
            if alike and set(_begun_at(other.first_day, "point", releases)) & set(_begun_at(day, "point", releases)):
                other.roots.append(root)
                return other
    return _Episode(f"{day}-{root or 'product'}", day, [root])


def _begun_at(day: date, kind: str, begun: Sequence[Begun]) -> list[Begun]:
    """Return what was first seen as an anomaly of this kind began that showed on `day`, the newest first."""
    if kind not in CAUSE_DAYS:
        return []
    earliest, latest = (day - timedelta(days=back) for back in CAUSE_DAYS[kind])
    return sorted((each for each in begun if earliest <= each[0] <= latest), reverse=True)


def likely_cause(day: date, kind: str, begun: Sequence[Begun]) -> str | None:
    """Return what came as an anomaly began, in words; None where nothing did.

    It is a coincidence in time and no proof.

    Args:
        day: First anomalous day.
        kind: Kind of the anomaly.
        begun: First day and name of each release or version.

    >>> likely_cause(date(2026, 7, 2), "point", [(date(2026, 7, 1), "release 3.9.0 on ios")])
    'release 3.9.0 on ios, first seen on 2026-07-01'
    """
    found = _begun_at(day, kind, begun)
    return "; ".join(f"{name}, first seen on {seen}" for seen, name in found[:MOST_CAUSES]) or None


def _row(episode: _Episode, day: date, came: _Came) -> Row:
    top = episode.top
    newest = [row for row in episode.anomalies if row["event_date"] == max(episode.days)]
    breaks = min(
        (row for row in newest if row["breaks_in_days"] is not None),
        key=lambda row: row["breaks_in_days"],
        default=None,
    )
    on, earliest, latest = (_day_of(breaks, name) for name in ("", "_low", "_high"))
    return {
        "event_date": day,
        "episode": episode.key,
        "features": sorted(root for root in episode.roots if root != PRODUCT),
        "segments": sorted({row["segment"] for row in episode.anomalies if row["segment"]}),
        "first_day": episode.first_day,
        "last_day": max(episode.days),
        "anomalous_days": len(episode.days),
        "days": (day - episode.first_day).days + 1,
        "is_open": episode.calm < CALM_DAYS,
        "severity": episode.severity,
        "is_adverse": episode.is_adverse,
        **{name: top[name] for name in ("metric", "kind", "direction", "value", "expected", "low", "high")},
        "metrics": sorted({row["metric"] for row in episode.anomalies}),
        "surprise": max(row["surprise"] for row in episode.anomalies),
        "breaks_on": on,
        "breaks_from": earliest,
        "breaks_until": latest,
        "likely_cause": likely_cause(top["begun_on"], top["begun_as"], came.before(top)),
        "title": title_of(episode.roots, top, episode.anomalies, breaks, day=day),
    }


def _day_of(breaks: Row | None, which: str) -> date | None:
    """Return the day on which a promise would break."""
    days = breaks[f"breaks_in_days{which}"] if breaks else None
    found: date | None = breaks["event_date"] + timedelta(days=round(days)) if breaks and days is not None else None
    return found


def title_of(roots: Sequence[str], top: Row, anomalies: Sequence[Row], breaks: Row | None, *, day: date) -> str:
    """Return the trouble in a sentence: what is unusual, by how much, what else moves, and when a promise would break.

    What an earlier day showed is said in the past, with that day.

    Args:
        roots: The features; the empty text is the whole product.
        top: The anomaly that stands for it.
        anomalies: All of its anomalies.
        breaks: The newest divergence, if one is going on.
        day: The day at the end of which it is said.
    """
    scope = "feature" if top["feature"] else "kpi"
    words = _METRICS[scope, top["metric"]].words
    names = sorted(root for root in roots if root)
    where = f"{top['feature']}" if top["feature"] else f"the product ({top['segment']})"
    also = f" and of {len(names) - 1} more" if len(names) > 1 else ""
    is_now, several = top["event_date"] == day, words.partition(" of ")[0].partition(" per ")[0].endswith("s")
    verb = _VERBS[top["kind"]][0 if not is_now else 2 if several else 1]
    said = f"{words} of {where}{also} {verb} {_figure(top['value'])}{'' if is_now else ' on ' + str(top['event_date'])}"
    said += f" where {_figure(top['expected'])} ({_figure(top['low'])} to {_figure(top['high'])}) {'is' if is_now else 'was'} expected"
    others = sorted(
        {
            f"{_METRICS['feature' if row['feature'] else 'kpi', row['metric']].words} {row['direction']}"
            for row in anomalies
            if row["metric"] != top["metric"] and row["is_adverse"]
        }
    )
    said += f"; with it {', '.join(others)}" if others else ""
    if breaks:
        subject = _METRICS["feature", breaks["metric"]].words
        until = _day_of(breaks, "_high")
        said += f"; if it goes on, {subject} crosses {_figure(breaks['limit_value'])} on {_day_of(breaks, '')}"
        said += f" ({_day_of(breaks, '_low')} to {until or 'never'})"
    return said[0].upper() + said[1:]


def _figure(value: float | None) -> str:
    """Return a number with three digits that count, or a question mark.

    >>> _figure(0.01234), _figure(1234.5), _figure(12.345)
    ('0.0123', '1,234', '12.3')
    """
    if value is None:
        return "?"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
