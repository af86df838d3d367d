"""Files as strangers delivered them: what counts of them, and what is said of the rest."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from intelligence.catalog.product import Product, Source
from intelligence.core.foreign import harmless
from intelligence.telemetry.gaps import REJECTED_FEATURES
from intelligence.telemetry.lookalikes import lookalike_warnings
from intelligence.telemetry.mapping import unmapped_columns
from resources.intake.ingest import IngestReport
from resources.intake.preview import previewed_product, previewed_sources
from tests.cases.taken import CASES, assessed, bench_of, product_of
from tests.resources.conftest import Workbench, workbench

Benches = Callable[[str], Workbench]


@dataclass(frozen=True, slots=True)
class Together:
    """One lake with the small deliveries of several cases, each a source or two; and what the intake said."""

    bench: Workbench
    report: IngestReport

    def of(self, case: str, columns: str, table: str = "telemetry.events") -> list[tuple[Any, ...]]:
        """Return these columns of the rows of a case, sorted."""
        where = f"WHERE source LIKE 'case{case}^_%' ESCAPE '^'"
        return self.bench.rows(f"SELECT {columns} FROM {table} {where} ORDER BY ALL")


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Together]:
    """An id and a rule are of their source, so that the cases do not meet."""
    folder = tmp_path_factory.mktemp("together")
    bench = next(workbench(folder))
    sources = [*sources_of(*SMALL_CASES, folder=folder / "made")]
    bench.product = Product(name="Cases", sources=tuple(sources))
    yield Together(bench, bench.ingest())
    bench.lake.close()


SMALL_CASES = (
    "03-zone-dropped",
    "05-identity-depends-on-batching",
    "06-ids-of-two-sources",
    "07-nan-is-a-crash",
    "15-control-characters-on-the-terminal",
    "26-names-that-look-alike",
    "28-export-shapes",
)


def sources_of(*cases: str, folder: Path) -> Iterator[Source]:
    for case in cases:
        for source in product_of(case, folder).sources:
            yield source.model_copy(update={"name": f"case{case[:2]}_{source.name}"})


@pytest.fixture
def case(tmp_path: Path) -> Benches:
    return lambda name: bench_of(name, tmp_path)


def test_case_03_a_zone_is_read_whole(together: Together) -> None:
    eight = datetime(2025, 5, 5, 8)
    times = [at for _, at in together.of("03", "event_id, event_time")]
    assert times == [eight, eight, eight, eight + timedelta(hours=19)]


def test_case_05_one_id_on_three_days_is_one_event_however_it_comes(together: Together) -> None:
    kept = [("x", datetime(2025, 5, 1, 10), "user-1")]
    assert together.of("05", "event_id, event_time, user_id") == kept
    bench, days = together.bench, CASES / "05-identity-depends-on-batching" / "days"
    own = Source(name="case5b_app", files=(f"{bench.folder}/*.csv",))
    backwards = bench.product.model_copy(update={"sources": (*bench.product.sources, own)})
    for day in ("03", "01", "02"):
        bench.deliver(f"{day}.csv", (days / f"2025-05-{day}.csv").read_text())
        Workbench(bench.folder, bench.lake, backwards).ingest()
    assert together.of("5b", "event_id, event_time, user_id") == kept


def test_case_06_sources_that_both_count_from_one_lose_nothing(together: Together) -> None:
    assert together.of("06", "source, event_id, feature") == [
        ("case06_backend", "1", "pay"), ("case06_backend", "2", "pay"), ("case06_web", "1", "search"), ("case06_web", "2", "search"),
    ]  # fmt: skip


def test_case_07_nan_crashes_nobody_and_means_the_same_in_text(together: Together) -> None:
    # The two rows of text are the same events with the same content as two of the 60 of a data frame.
    assert together.of("07", "event_id, crashed, user_id")[:2] == [("0", None, "u0"), ("1", False, "u1")]
    crashed = [value for _, value in together.of("07", "event_id, crashed")]
    assert [crashed.count(value) for value in (True, False, None)] == [0, 40, 20]
    counts = "sum(accepted), sum(duplicates), sum(conflicts), sum(rejected)"
    assert together.of("07", counts, "telemetry.batches") == [(60, 2, 0, 0)]


def test_case_26_what_looks_alike_is_one_and_a_word_for_nothing_is_nobody(together: Together) -> None:
    features = Counter(name for name, _ in together.of("26", "feature, event_id"))
    assert features == {"CHECKOUT": 1, "Checkout": 1, "Réglages": 2, "checkout": 4, "search": 1}
    (told,) = lookalike_warnings("feature", sorted(features))
    assert told.startswith("feature `CHECKOUT`, `Checkout`, `checkout` look alike")
    assert together.of("26", "DISTINCT user_id") == [("ada",), ("o'brien@shop.example",)]
    assert len(together.of("26", "reason, value", "telemetry.rejected_events")) == 4


def test_case_28_common_shapes_are_read(together: Together) -> None:
    counts = Counter(source for source, _ in together.of("28", "source, event_id"))
    assert counts == {"case28_folders": 3, "case28_json": 3, "case28_minutes": 3, "case28_names": 4}
    times = [at for source, _, at in together.of("28", "source, event_id, event_time") if source == "case28_minutes"]
    assert times == [datetime(2025, 5, 5, 8, minute) for minute in (15, 16, 17)]
    latencies = [
        value for source, _, value in together.of("28", "source, event_id, latency_ms") if source == "case28_names"
    ]
    assert latencies == [120.0, 130.0, None, None]


def test_case_28_a_name_that_is_near_is_asked_about() -> None:
    files = sorted((CASES / "28-export-shapes" / "names").iterdir())
    columns = [path.read_text().splitlines()[0].split(",") for path in files]
    _, (asked,) = unmapped_columns(columns, mapped=(), named=())
    assert asked.startswith(
        "Its column `latencyMs` is not mapped; if it is `latency_ms`, which other files have as `Latency_MS`,"
    )


def test_case_15_no_control_character_of_the_data_is_printed(together: Together) -> None:
    told = [value for (value,) in together.of("15", "value", "telemetry.rejected_events")]
    assert len(told) == 9
    ((name, error),) = together.report.refused
    told += [name, str(error), together.of("15", "DISTINCT source_file", "telemetry.batches")[0][0]]
    assert {sign for sign in ("\x1b", "\x07") if sign in "".join(told)} == {"\x1b", "\x07"}
    shown = "".join(map(harmless, told))
    assert not [sign for sign in ("\x1b", "\x07", "\u202e") if sign in shown]
    assert r"\x1b]0;renamed window\x07" in shown


def test_case_21_a_feature_wholly_rejected_and_one_never_seen_are_told(case: Benches) -> None:
    bench = case("21-feature-wholly-rejected-and-misspelt")
    sources = list(previewed_sources(bench.product))
    (lost,) = [gap for each in sources if each.found_in for gap in each.found_in.lost]
    assert lost.says.startswith("None of the 120 rows of the feature reviews was accepted")
    warned = " ".join(previewed_product(bench.product, sources, bench.lake).warnings)
    assert "The feature chekout is declared in product.yaml but no event names it" in warned
    assert "Is it checkout, which is there and not declared?" in warned
    bench.ingest()
    assert bench.lake.frame(REJECTED_FEATURES).select("feature", "rows").rows() == [("reviews", 600)]
    # With the name mended the promise meets its feature.
    mended = bench.product.model_copy(update={"features": {"checkout": bench.product.features["chekout"]}})
    found = assessed(bench.lake.frame("FROM telemetry.raw_events"), mended)
    assert dict(found.last(found.health).select("feature", "state").iter_rows())["checkout"] == "degraded"
    assert json.loads(found.decision("checkout")["evidence"])["owner"] == "team-payments"


def test_case_22_what_is_taken_by_name_alone_is_questioned(case: Benches) -> None:
    bench = case("22-error-count-taken-unasked")
    (found,) = previewed_sources(bench.product)
    assert found.found_in is not None
    assert {each.field for each in found.found_in.fields if each.by_name} == {"user_id", "error_count"}
    (odd,) = [told for told in found.warnings if "error_count" in told]
    assert odd.startswith(
        "`error_count` was taken because of its name; 49% of all events fail by it, in every feature."
    )
    assert '`error_count: "NULL"`' in odd
