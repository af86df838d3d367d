"""Names that look identical are one name, in events and in `product.yaml`; merely similar names are only questioned."""

import unicodedata
from random import Random

import duckdb
import polars as pl
import pytest

from intelligence.catalog.product import product_from
from intelligence.core.errors import ProductFileError
from intelligence.telemetry.lookalikes import lookalike_warnings, lookalikes
from intelligence.telemetry.names import normalised_name, normalised_name_sql

ONE_NAME = {
    "checkout": ["checkout ", "\tcheckout", "check\u200bout", "checkout\u00a0", "\ufeffcheckout", "check\u00adout",
                 "\u202echeckout\u202c", "checkout\u3000", "check\u2060out", "checkout\r\n", "\u2066checkout\u2069"],
    "Réglages": ["Re\u0301glages", " Réglages", "R\u200de\u0301glages", "Réglages\ufe0f"],
    "page view": ["page  view", "page\u00a0view", "page \u2003 view", "page\tview"],
    "Å": ["\u212b", "A\u030a"],
    "": ["   ", "\u200b", "\u00a0\ufeff", "\u3164"],
}  # fmt: skip
DIFFERENT = ["checkout", "Checkout", "CHECKOUT", "check out", "check-out", "сheckout", "生徒", "söner", "😀", "o'brien@x.example",
             "a+b", "DOMAIN\\ada", 'say "hi"', "ﬁn"]  # fmt: skip


def in_sql(names: list[str]) -> list[str | None]:
    with duckdb.connect() as connection:
        connection.register("given", pl.DataFrame({"name": names}).with_row_index())
        query = f"SELECT {normalised_name_sql('name')} FROM given ORDER BY index"
        return [row[0] for row in connection.execute(query).fetchall()]


@pytest.mark.parametrize("name", ONE_NAME)
def test_what_no_eye_can_tell_apart_is_one_name(name: str) -> None:
    assert {normalised_name(each) for each in ONE_NAME[name]} == {name}
    assert set(in_sql(ONE_NAME[name])) == {name or None}


def test_what_people_tell_apart_stays_as_it_is() -> None:
    assert [normalised_name(name) for name in DIFFERENT] == DIFFERENT
    assert in_sql(DIFFERENT) == DIFFERENT
    assert normalised_name("Checkout ", fold=True) == "checkout"


def test_sql_and_python_write_any_name_the_same_way_and_only_once() -> None:
    random = Random(7)
    ranges = [(0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x5FF), (0x1E00, 0x206F), (0x3000, 0x30FF), (0xFE00, 0xFE0F),
              (0x1F600, 0x1F64F)]  # fmt: skip
    signs = [chr(code) for first, last in ranges for code in range(first, last + 1)]
    signs = [sign for sign in signs if unicodedata.category(sign) not in ("Cn", "Cs", "Co")] + [" "] * 200
    names = ["".join(random.choices(signs, k=random.randrange(1, 9))) for _ in range(4_000)]
    written = [normalised_name(name) for name in names]
    assert [row for row in zip(names, in_sql(names), written, strict=True) if (row[1] or "") != row[2]] == []
    assert [normalised_name(name) for name in written] == written


def test_declared_features_are_written_as_those_of_events() -> None:
    text = (
        'name: Demo\nsources: [{name: app, files: x}]\nfeatures: {"checkout ": {tier: 0}, "Re\u0301glages": {tier: 1}}'
    )
    product = product_from(text + '\nconversion_events: ["sign\u00a0up"]')
    assert list(product.features) == ["checkout", "Réglages"]
    assert product.conversion_events == ("sign up",)
    assert list(product_from(text + "\nnames: {case: fold}").features) == ["checkout", "réglages"]


def test_a_feature_that_is_declared_twice_is_told() -> None:
    text = 'name: Demo\nsources: [{name: app, files: x}]\nfeatures: {"quiz": {}, "quiz\u200b": {}}'
    with pytest.raises(ProductFileError, match="same one"):
        product_from(text)


@pytest.mark.parametrize(
    "alike",
    [("checkout", "Checkout"), ("check-out", "check_out"), ("check out", "checkOut"), ("сheckout", "checkout"), ("resume", "résumé"),
     ("quiz.run", "quiz/run"), ("ﬁnd", "find"), ("Ｑuiz", "quiz"), ("b0t", "bot"), ("STRASSE", "straße")],
)  # fmt: skip
def test_names_that_look_alike_are_a_question(alike: tuple[str, ...]) -> None:
    assert lookalikes(["search", *alike, "export"]) == (tuple(sorted(alike)),)


@pytest.mark.parametrize(
    "names", [("quiz_1", "quiz_2"), ("2.0", "20.1"), ("login", "logout"), ("v1", "v2"), ("a", "b")]
)
def test_names_that_do_not_look_alike_are_none(names: tuple[str, ...]) -> None:
    assert lookalikes(names) == ()


def test_many_groups_are_told_in_few_sentences() -> None:
    names = [name for number in range(9) for name in (f"quiz{number}", f"Quiz{number}")]
    warnings = lookalike_warnings("feature", names)
    assert len(warnings) == 6
    assert warnings[-1] == "4 more groups of feature names look alike."
