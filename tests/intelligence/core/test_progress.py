"""The share of a run that is done has a true total, never falls, and moves while a long step works."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelligence.core.progress import PHASES, Progress, weight
from intelligence.interfaces.cli.console import terminal_console
from intelligence.interfaces.cli.progress import progress_on

Message = tuple[str, Any]
INTAKE: list[Message] = [("plan", ("taking in files", {"delivered": 24.0})), ("start", "delivered")]
NAMES = st.sampled_from(["a", "b", "c"])
TOLD = st.one_of(
    st.tuples(st.just("plan"), st.tuples(st.sampled_from(list(PHASES)), st.dictionaries(NAMES, st.floats(0, 50)))),
    st.tuples(st.just("start"), NAMES),
    st.tuples(st.just("done"), NAMES),
    st.tuples(st.just("note"), st.builds("file ({} of {})".format, st.integers(0, 9), st.integers(0, 9))),
    st.tuples(st.just("note"), st.text()),
)


def shares(*messages: Message) -> list[float]:
    progress, found = Progress(), []
    for kind, what in messages:
        progress.listen(kind, what)
        found.append(progress.share())
    return found


@given(st.lists(TOLD))
def test_the_share_never_falls_and_is_not_whole_before_the_end(messages: list[Message]) -> None:
    found = shares(*messages)
    assert found == sorted(found)
    assert all(0 <= share <= 0.99 for share in found)


def test_a_long_step_moves_while_it_counts_files_and_again_while_it_reads_them() -> None:
    made = [("note", f"simulating 2026-05-04 ({number} of 90)") for number in (1, 45, 90)]
    read = [("note", f"simulator: a.csv ({number} of 3)") for number in (1, 2, 3)]
    found = shares(*INTAKE, *made, *read, ("done", "delivered"))
    assert len(set(found[1:])) == len(found[1:])


def test_phases_without_work_are_passed_over() -> None:
    nothing = [("plan", ("building tables", {})), ("plan", ("drift and decisions", {}))]
    assert shares(*INTAKE, ("done", "delivered"), *nothing)[-1] == 0.99


def test_a_step_counts_by_its_weight_and_not_by_its_partitions() -> None:
    steps = {
        "metrics__kpi_day": weight("metrics.kpi_day", 90),
        "warehouse__dim_users": weight("warehouse.dim_users", 90),
    }
    only = [("plan", ("drift and decisions", steps)), ("done", "metrics__kpi_day"), ("done", "metrics__kpi_day")]
    after = shares(*only)
    assert after[1] == after[2] == pytest.approx(steps["metrics__kpi_day"] / sum(steps.values()))


def test_training_weighs_more_than_a_table_and_a_day_more_costs_more() -> None:
    assert weight("risk.feature_training", 1) > weight("metrics.kpi_day", 1)
    assert weight("metrics.kpi_day", 90) > weight("metrics.kpi_day", 1)


def test_without_a_terminal_each_step_is_a_plain_line_with_its_share() -> None:
    console = terminal_console(file=io.StringIO())
    with progress_on(console) as listen:
        for kind, what in (*INTAKE, ("done", "delivered"), ("start", "metrics__kpi_day\x1b[2J")):
            listen(kind, what)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split()[2:] for line in lines] == [["0%", "delivered"], ["26%", "metrics/kpi_day\\x1b[2J"]]
