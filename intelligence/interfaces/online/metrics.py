"""What Prometheus reads: counters of the stream from its store, and of the answers of this process.

No label bears the name of an entity or a feature, so that there are fewer than a hundred sets of labels.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Any, Final

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client import Counter as Counted
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from intelligence.core.errors import StateError
from intelligence.decisions.autonomy import ACTIVE, LEVELS
from intelligence.decisions.entity import ANSWERS
from intelligence.decisions.learned_policy import SAFE
from resources.services.online_answers import OnlineAnswers, Recorded
from resources.state.aside import Aside

# So many rules have a label of their own.
MOST_RULES: Final = 15
# What decides between safe answers.
_BY: Final = ("score", "learned_policy", "lot", "fallback")
_BUCKETS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class OnlineMetrics:
    """The metrics of one process."""

    def __init__(self, answers: OnlineAnswers) -> None:
        """Start counting.

        Args:
            answers: Answers from the store of the stream.
        """
        self._registry = CollectorRegistry()
        self._collector = _StreamCollector(answers)
        self._registry.register(self._collector)
        decided = Counted(
            "intelligence_asked_decisions", "Decisions that were asked for.", ["answer"], registry=self._registry
        )
        self._decided = {answer: decided.labels(answer) for answer in ANSWERS}
        self._fallbacks = Counted(
            "intelligence_asked_fallbacks", "Decisions without a score, by rules alone.", registry=self._registry
        )
        self._latency = Histogram(
            "intelligence_decide_seconds", "Time of a request for decisions.", buckets=_BUCKETS, registry=self._registry
        )

    def count(self, decisions: list[dict[str, Any]], *, seconds: float) -> None:
        """Count the decisions of one request.

        Args:
            decisions: The decisions.
            seconds: How long the request took.
        """
        for each in decisions:
            self._decided[each["answer"]].inc()
            if each["is_fallback"]:
                self._fallbacks.inc()
        self._latency.observe(seconds)

    async def look(self, aside: Aside) -> None:
        """Ask the store of state for its numbers; where it does not answer in time, those of the last time stay.

        Args:
            aside: Threads in which it is asked.
        """
        await self._collector.look(aside)

    def text(self) -> bytes:
        """Return the metrics in the text format of Prometheus; those of the store of state as they were at the last look."""
        return generate_latest(self._registry)


class _StreamCollector(Collector):
    def __init__(self, answers: OnlineAnswers) -> None:
        self._answers = answers
        self._recorded: Recorded | None = None
        self._state_answers = False

    async def look(self, aside: Aside) -> None:
        try:
            self._recorded, self._state_answers = await aside.answer(self._answers.recorded), True
        except StateError:
            self._state_answers = False

    def collect(self) -> Iterator[Metric]:
        answers, store = self._answers, self._answers.store
        sizes = answers.sizes()
        by_status: dict[str, int] = {}
        for (_, status), number in store.tallies().items():
            by_status[status] = by_status.get(status, 0) + number
        read = CounterMetricFamily(
            "intelligence_stream_messages", "Messages by what became of them.", labels=["status"]
        )
        for status, number in sorted(by_status.items()):
            read.add_metric([status], number)
        yield read
        made = CounterMetricFamily(
            "intelligence_stream_decisions",
            "Decisions on entities, by what decided.",
            labels=["answer", "kind", "rule"],
        )
        for labels, number in sorted(self._decided().items()):
            made.add_metric(labels, number)
        yield made
        versions = GaugeMetricFamily(
            "intelligence_model_version", "Version of the model that decides; 0 where none does.", labels=["model"]
        )
        for model, version in answers.model_versions().items():
            versions.add_metric([model], version)
        yield versions
        yield from self._of_state()
        standing = store.guard()
        waiting, dead = store.waiting()
        gauges = {
            "stream_waiting_messages": ("Messages that wait for a file for the lake.", waiting),
            "stream_dead_letters": ("Broken messages that wait for their topic.", dead),
            "stream_entities": ("Entities whose windows are held.", sizes.entities),
            "stream_series": (
                "Feature × platform × release whose windows are held.",
                sizes.series,
            ),
            "guard_suspended": (
                "1 while the stream cannot be trusted and the guard does nothing.",
                None if standing is None else int(bool(standing["fault"])),
            ),
            "windows_answer": ("1 while windows can be read; else rules alone decide.", int(sizes.answers)),
            "state_answers": (
                "1 while the store of state answers; else its metrics are those of the last time.",
                int(self._state_answers),
            ),
            "stream_silent_seconds": ("Time since the newest event.", answers.silent_s(sizes, now_ms=answers.now_ms())),
        }
        for name, (text, value) in gauges.items():
            if value is not None:
                yield GaugeMetricFamily(f"intelligence_{name}", text, value=value)

    def _of_state(self) -> Iterator[Metric]:
        """Yield what the store of state said; nothing before its first answer, since numbers that jump from 0 look like news."""
        if self._recorded is None:
            return
        decided = CounterMetricFamily(
            "intelligence_guard_decisions", "Decisions on bad releases.", labels=["action", "level"]
        )
        # All are there from the start: a series that is born at 1 never increases, and no alert on it fires.
        kinds: Counter[tuple[str, str]] = Counter(dict.fromkeys(product(ACTIVE, LEVELS), 0))
        kinds.update(self._recorded.guarded)
        for kind, number in sorted(kinds.items()):
            decided.add_metric(kind, number)
        yield decided
        if self._recorded.outcomes is not None:
            known = CounterMetricFamily("intelligence_outcomes", "What became true of decisions.", labels=["kind"])
            for became, number in self._recorded.outcomes.items():
                known.add_metric([became], number)
            yield known

    def _decided(self) -> dict[tuple[str, str, str], int]:
        """Return the numbers of decisions; rules beyond MOST_RULES, and those that product.yaml no longer has, are together one."""
        rules = {each.name: each.answer for each in self._answers.product.online.rules[:MOST_RULES]}
        found = Counter[tuple[str, str, str]]({(answer, "rule", name): 0 for name, answer in rules.items()})
        found.update(dict.fromkeys(((answer, by, "") for answer in SAFE for by in _BY), 0))
        for (answer, by, rule), number in self._answers.store.decided().items():
            found[answer, by, rule if rule in rules or not rule else "other"] += number
        return dict(found)
