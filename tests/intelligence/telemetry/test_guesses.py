"""What a source probably means is guessed from a few lines, and what cannot be parsed is not guessed."""

import duckdb
import pytest

from intelligence.telemetry.guesses import delimiter_advice, delimiter_guess, time_expression

EXPECTED = "2025-12-24 18:30:00"


@pytest.mark.parametrize(
    ("lines", "declared", "guess"),
    [
        (["a;b;c", "1;2;3"], ",", ";"),
        (["a\tb", "1\t2"], ",", "\t"),
        (["a|b|c", "1|2|3"], ",", "|"),
        (["a,b", "1,2"], ";", ","),
        (["zeit;preis", "01.05.2025 10:00;4,50"], ",", ";"),
        (["time;who", "10:00;u1"], ",", ";"),
        (["a;b", '"x;y";2'], ",", ";"),
        (["a;b;c", "1;2;3", "1;2;3;4"], ",", ";"),
        (["a,b", "1,2"], ",", None),
        (["only", "one"], ",", None),
        ([], ",", None),
        (["", "  "], ",", None),
    ],
)
def test_a_wrong_delimiter_is_seen_by_what_parts_all_lines_alike(
    lines: list[str], declared: str, guess: str | None
) -> None:
    assert delimiter_guess(lines, declared) == guess
    if guess:
        assert "write `delimiter: " in delimiter_advice(guess)


@pytest.mark.parametrize(
    "sample",
    [
        "24.12.2025 18:30", "24.12.2025 18:30:00", "24/12/2025 18:30", "12/24/2025 06:30 PM", "24.12.25 18:30",
        "2025/12/24 18:30", "20251224 183000", "20251224183000", "24 Dec 2025 18:30", "24-Dec-2025 18:30:00",
        "Dec 24, 2025 06:30 PM", "24.12.2025, 18:30", "24.12.2025 18.30", "24/Dec/2025:18:30:00", "1766601000",
        "1766601000000", "1766601000000000", "46015.770833333336", "24.12.2025T18:30:00",
    ],
)  # fmt: skip
def test_an_expression_reads_the_samples_in_duckdb_too(sample: str) -> None:
    expression = time_expression("zeit", [sample, sample])
    assert expression
    query = f"SELECT strftime({expression}, '%Y-%m-%d %H:%M:%S') FROM (SELECT ? AS zeit)"
    with duckdb.connect() as connection:
        connection.execute("SET timezone = 'UTC'")
        assert connection.execute(query, [sample]).fetchone() == (EXPECTED,)


@pytest.mark.proof
@pytest.mark.parametrize(
    "samples", [["heute"], ["18:30"], ["24.12.2025 18:30", "heute"], [""], [], ["32.13.2025"], ["-1"]]
)
def test_what_no_expression_reads_is_not_guessed(samples: list[str]) -> None:
    assert time_expression("zeit", samples) is None


def test_day_and_month_follow_from_all_samples_and_names_are_quoted() -> None:
    assert time_expression("t", ["01/02/2025", "02/13/2025"]) == "TRY_STRPTIME(t, '%m/%d/%Y')"
    assert time_expression("t", ["01/02/2025", "13/02/2025"]) == "TRY_STRPTIME(t, '%d/%m/%Y')"
    assert time_expression("Ge kauft", ["01.02.2025"]) == "TRY_STRPTIME(\"Ge kauft\", '%d.%m.%Y')"
