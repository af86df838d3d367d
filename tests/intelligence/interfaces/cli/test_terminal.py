"""Names and values come from people's data: at the terminal they are shown as they are, never as styles."""

import io
from dataclasses import replace
from datetime import date

import polars as pl
import pytest
from rich.console import Console, RenderableType

from intelligence.catalog.summary import DecisionSummary, PlantedAndFound, Summary
from intelligence.core.errors import PlatformError
from intelligence.interfaces.cli import terminal
from intelligence.interfaces.cli.console import terminal_console
from intelligence.interfaces.cli.invocation import Invocation
from intelligence.interfaces.cli.table import add, table
from intelligence.interfaces.cli.terminal import summary_parts
from intelligence.telemetry.gaps import Gap
from intelligence.telemetry.previewed import PreviewedSource

ODD = "[/b] [red]x[/red]"
DAY = date(2026, 5, 4)


def shown(renderable: RenderableType | None) -> str:
    console = Console(file=io.StringIO(), width=200)
    assert renderable is not None
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def odd_trouble() -> pl.DataFrame:
    return pl.DataFrame({"feature": [ODD], "state": ["degraded"], "since": [DAY], "owner": [ODD], "reason": [ODD]})


def odd_worst() -> pl.DataFrame:
    return pl.DataFrame({"event_date": [DAY], "feature": [ODD], "excess_bad_events": [3.0], "reason": [ODD]})


def odd_waiting() -> pl.DataFrame:
    return pl.DataFrame({"source": ["app"], "reason": ["is odd"], "rows": [1_200], "example": [ODD]})


@pytest.mark.parametrize(
    "renderable",
    [
        pytest.param(terminal.trouble_table(odd_trouble(), DAY, {}), id="trouble"),
        pytest.param(terminal.worst_table(odd_worst()), id="worst"),
        pytest.param(terminal.waiting_table(odd_waiting()), id="waiting"),
        pytest.param(terminal.faults_table(pl.DataFrame([(DAY, "partial", ODD)], orient="row")), id="faults"),
        pytest.param(terminal.failed_checks_table([(ODD, "check", "ERROR")]), id="checks"),
        pytest.param(terminal.error_text(PlatformError("file", ODD, hint="Mend it."), Invocation()), id="error"),
    ],
)
def test_brackets_in_data_are_shown_as_they_are(renderable: RenderableType) -> None:
    assert ODD in shown(renderable)


def test_tables_without_rows_are_left_out() -> None:
    assert terminal.waiting_table(odd_waiting().clear()) is None
    assert terminal.faults_table(pl.DataFrame(schema={"event_date": pl.Date})) is None
    assert terminal.failed_checks_table([]) is None


@pytest.mark.parametrize(
    ("evidence", "lines"),
    [
        ({"enough": 3}, ["No feature is in trouble on 2026-05-04."]),
        (
            {"enough": 1_200, "low_volume": 30, "no_events": 2},
            [
                "No feature is in trouble on 2026-05-04.",
                "32 of 1,232 features lacked evidence on 2026-05-04: 30 with too few events, 2 without an event.",
            ],
        ),
        ({"low_volume": 1}, ["No feature could be judged on 2026-05-04: 1 with too few events."]),
        (
            {"pipeline_fault": 12},
            [
                "No feature could be judged on 2026-05-04: 12 because the telemetry of the day is at fault, not the product."
            ],
        ),
    ],
)
def test_a_day_without_trouble_says_how_many_features_could_not_be_judged(
    evidence: dict[str, int], lines: list[str]
) -> None:
    assert shown(terminal.trouble_table(odd_trouble().clear(), DAY, evidence)).splitlines() == lines


def test_features_that_lacked_evidence_stand_below_those_in_trouble() -> None:
    lines = shown(terminal.trouble_table(odd_trouble(), DAY, {"enough": 1, "no_events": 1})).splitlines()
    assert ODD in lines[-2]
    assert lines[-1].startswith("1 of 2 features lacked evidence on 2026-05-04")


def test_where_nothing_was_planted_no_empty_table_is_shown() -> None:
    quiet = shown(terminal.truths_table(PlantedAndFound((), (), 120)))
    assert quiet == "No trouble is planted in these days. No feature was called degraded without cause.\n"
    assert "False alarms on quiz, chat." in shown(terminal.truths_table(PlantedAndFound((), ("quiz", "chat"), 120)))


def test_a_rejected_sample_says_how_to_mend_it_and_gives_no_example_where_there_is_none() -> None:
    rejections = (("user_id is missing", 1_200, None), ("latency_ms is not a DOUBLE", 3, ODD))
    previewed = PreviewedSource("app", "1 file(s)", rejections=rejections)
    lines = shown(terminal.preview_text(previewed, Invocation())).splitlines()
    assert lines[1] == "  1,200 rows would go to quarantine: user_id is missing"
    assert lines[2].startswith("    Map `user_id` to a column that is always filled")
    assert lines[3] == f"  3 rows would go to quarantine: latency_ms is not a DOUBLE, for example {ODD!r}"
    assert "TRY_CAST" in lines[4]


def test_a_value_that_is_missing_is_shown_as_nothing() -> None:
    assert "None" not in shown(terminal.waiting_table(odd_waiting().with_columns(example=None)))


def whole_summary(features: int = 2) -> Summary:
    names = [f"f{number:03}" for number in range(features)]
    decided = pl.DataFrame(
        {
            "feature": names,
            "action": ["alert"] * features,
            "level": ["shadow"] * features,
            "reasons": ["Tell."] * features,
        }
    ).with_columns(why_not=pl.lit("{}"))
    trouble = pl.DataFrame(
        {"feature": names, "state": ["degraded"] * features, "since": [DAY] * features, "owner": names, "reason": names}
    )
    return Summary(
        totals=pl.DataFrame({"files": [1], "rows_in": [9], "accepted": [8], "duplicates": [0], "rejected": [1]}),
        left_out=pl.DataFrame({"events": [0], "bots": [0]}),
        like_bots=pl.DataFrame(schema=["event_date", "user_id", "events", "share"]),
        waiting=odd_waiting().with_columns(is_readable=True),
        faults=pl.DataFrame([(DAY, "partial", "silent hours")] * features, orient="row"),
        last_day=DAY,
        worst=odd_worst(),
        trouble=trouble,
        evidence={"enough": features},
        planted=PlantedAndFound((), (), 12),
        risk=None,
        decisions=DecisionSummary(DAY, decided, 3, pl.DataFrame({"standing": []}, {"standing": pl.String}), None),
        gaps=(Gap("feature", "reviews", "None of reviews.", "Mend."), Gap("column", "rating", "No rating.", "Map.")),
        pulse=dict.fromkeys(("usual_dau", "mau", "conversion_rate", "mean_rating", "value"))
        | {"event_date": DAY, "dau": 7, "days_before": 0},
    )


def said_of(summary: Summary, most: int | None = 15) -> str:
    return "\n".join(part if isinstance(part, str) else shown(part) for part in summary_parts(summary, most=most))


def test_the_summary_begins_with_what_needs_attention_and_ends_with_what_was_planted() -> None:
    said = said_of(whole_summary())
    order = [
        "Features in trouble", "None of reviews.", "In quarantine", "Decisions of", "The product on 2026-05-04: 7 users.",
        "Telemetry", "No rating.", "Days whose telemetry is in doubt", "Worst feature-days", "No trouble is planted",
    ]  # fmt: skip
    places = [said.index(part) for part in order]
    assert places == sorted(places)


def test_no_list_is_longer_than_a_screen_unless_it_is_asked_for() -> None:
    short, long = said_of(whole_summary(120)), said_of(whole_summary(120), most=None)
    assert "… and 105 more; `intelligence status --all` lists them." in short
    assert "105 more decisions stand in decisions.feature_decisions." in short
    assert len(short.splitlines()) < 80
    assert "f119" not in short
    assert long.count("f119") >= 2
    assert "more;" not in long


def test_actions_that_wait_for_a_person_name_the_command() -> None:
    actions = pl.DataFrame(
        {
            "action_id": ["a1"],
            "title": ["Throttle quiz"],
            "target": ["flags"],
            "standing": ["planned"],
            "reason": [None],
        }
    )
    found = replace(whole_summary(), decisions=replace(whole_summary().decisions, actions=actions))  # type: ignore[type-var]
    assert "1 wait: `intelligence approve ID` lets one be done" in said_of(found)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140, 400])
def test_no_name_is_broken_in_the_middle(width: int) -> None:
    name, why = "a_feature_of_a_rather_long_name", "because of " + "many words and one_very_long_word_of_a_name " * 4
    console = terminal_console(file=io.StringIO())
    console.width = width
    listing = table("Title", "feature", "rows", "why", "why not", numbers=("rows",), texts=("why", "why not"))
    add(listing, name, "1,200", why, "short")
    console.print(listing)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert name in text
    assert text.count("one_very_long_word_of_a_name") == 4
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_through_a_pipe_every_row_is_one_line() -> None:
    console = terminal_console(file=io.StringIO())
    console.print(terminal.trouble_table(odd_trouble().with_columns(reason=pl.lit("word " * 200)), DAY, {}))
    assert len(console.file.getvalue().splitlines()) == 3  # type: ignore[attr-defined]


def test_one_problem_of_many_files_is_said_once_with_their_number() -> None:
    refused = [(f"{name}.csv", "its column is not there.", "Map it.") for name in "abc"] + [
        ("d.csv", "it is empty.", "Mend it.")
    ]
    said = [str(error) for error in terminal.refusals(refused)]
    assert said == ["a.csv and 2 more files: its column is not there. Map it.", "d.csv: it is empty. Mend it."]
    assert [error.culprit for error in terminal.refusals(refused[:2])] == ["a.csv and 1 more file"]
