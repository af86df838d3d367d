"""What comes from outside never commands a terminal: every harmful sign is shown as an escape, on every way out."""

import io
import sys
import unicodedata
from collections.abc import Callable
from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from intelligence.core.errors import PlatformError
from intelligence.core.foreign import harmless
from intelligence.interfaces.cli import terminal
from intelligence.interfaces.cli.console import show_crash, terminal_console
from intelligence.interfaces.cli.invocation import Invocation
from intelligence.interfaces.cli.table import add, table
from intelligence.telemetry.previewed import PreviewedSource

HARMFUL = {
    "renames the window": ("\x1b]0;mine\x07", r"\x1b]0;mine\x07"),
    "clears the screen": ("\x1b[2J\x1b[H", r"\x1b[2J\x1b[H"),
    "changes the colour": ("\x1b[31m", r"\x1b[31m"),
    "is an eight-bit introducer": ("\x9b2J", r"\x9b2J"),
    "writes a link": ("\x1b]8;;http://evil\x1b\\", r"\x1b]8;;http://evil\x1b\ ".strip()),
    "turns the direction of writing": ("a\u202eb", r"a\u202eb"),
    "isolates the direction": ("a\u2066b\u2069", r"a\u2066b\u2069"),
    "returns to the line's beginning": ("ok\rno", r"ok\rno"),
    "begins a line": ("ok\nno", r"ok\nno"),
    "goes back": ("abc\x08\x08", r"abc\x08\x08"),
    "rings": ("\x07", r"\x07"),
    "is nothing": ("\x00", r"\x00"),
    "is not seen": ("a\u200bb\ufeffc", r"a\u200bb\ufeffc"),
    "is a tag": ("a\U000e0041", r"a\U000e0041"),
    "separates lines": ("a\u2028b", r"a\u2028b"),
    "is half a sign": ("a\udc9bb", r"a\udc9bb"),
    "deletes": ("a\x7fb", r"a\x7fb"),
    "is a soft hyphen": ("a\u00adb", r"a\xadb"),
}
DAY = date(2026, 5, 4)


@pytest.mark.parametrize(("raw", "escaped"), HARMFUL.values(), ids=HARMFUL)
def test_a_harmful_sign_is_shown_as_an_escape(raw: str, escaped: str) -> None:
    assert harmless(raw) == escaped


@pytest.mark.parametrize(
    "text", ["O'Brien <a@b.example>", "Zürich", "日本語", "نمی\u200cخواهم", "👩\u200d💻", "[/b] [red]", "\\x1b"]
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


@given(st.text(st.characters(codec=None)))
def test_nothing_that_a_terminal_obeys_is_left_and_nothing_else_is_changed(text: str) -> None:
    shown = harmless(text)
    assert not [sign for sign in shown if unicodedata.category(sign) in ("Cc", "Cs", "Co", "Zl", "Zp")]
    if all(unicodedata.category(sign) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for sign in text):
        assert shown == text
    assert harmless(shown) == shown


def printed(show: Callable[[str], object], raw: str) -> str:
    console = terminal_console(file=io.StringIO())
    console.print(show(raw))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def waiting(raw: str) -> pl.DataFrame:
    return pl.DataFrame({"source": [raw], "reason": [raw], "rows": [1], "example": [raw]})


def listing(raw: str) -> object:
    shown = table(raw, "name", "why", texts=("why",))
    add(shown, raw, Text(raw, "red"))
    return shown


WAYS: dict[str, Callable[[str], object]] = {
    "a sentence": lambda raw: raw,
    "a styled text": lambda raw: Text(raw, "bold"),
    "a table": listing,
    "the quarantine": lambda raw: terminal.waiting_table(waiting(raw)),
    "an error": lambda raw: terminal.error_text(PlatformError(raw, raw, hint=raw), Invocation()),
    "a look at a source": lambda raw: terminal.preview_text(
        PreviewedSource(raw, raw, problem=raw, warnings=(raw,), rejections=((raw, 1, raw),)), Invocation()
    ),
    "a glob": lambda raw: terminal.unmatched_text(raw, raw, raw),
    "a faulty day": lambda raw: terminal.faults_table(pl.DataFrame([(DAY, raw, raw)], orient="row")),
    "a failed check": lambda raw: terminal.failed_checks_table([(raw, raw, "WARN")]),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_way_out_lets_it_through(way: str) -> None:
    for raw in (raw for raw, _ in HARMFUL.values() if "\udc9b" not in raw):
        shown = printed(WAYS[way], raw)
        assert not [sign for sign in shown if sign != "\n" and unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp")]


def test_the_programs_own_colours_stay_on_a_terminal() -> None:
    console = terminal_console(file=io.StringIO())
    console._force_terminal = True
    console._color_system = console._detect_color_system() or console._color_system
    console.print(Text("late\x1b[2J", "bold red"), end="")
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "late\\x1b[2J" in shown
    assert "\x1b[2J" not in shown


def test_a_crash_shows_its_message_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("a name: \x1b]0;mine\x07")
    except ValueError:
        show_crash(*sys.exc_info())  # type: ignore[arg-type]
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert "ValueError: a name: \\x1b]0;mine\\x07" in said
    assert said.count("\n") > 2
