"""The newcomer's hour: an own file of semicolons, local times, bad rows and a misspelt feature leads to the right answer.

Three looks at it are enough, and each says what to write next, word for word.
"""

import io
from pathlib import Path

import pytest

from intelligence.catalog.product import Product, product_from
from intelligence.interfaces.cli.console import terminal_console
from intelligence.interfaces.cli.invocation import Invocation
from intelligence.interfaces.cli.terminal import preview_text
from intelligence.telemetry.previewed import PreviewedSource
from resources.intake.preview import previewed_product, previewed_sources
from resources.lake.door import Lake

HEADER = "Zeitpunkt;Kunde;Bereich;Dauer_ms;Sterne;Fehler\n"
ROWS = [
    f"{1 + number % 28:02}.06.2025 {9 + number % 8:02}:{number % 60:02};k{number % 7};{'checkout' if number % 3 else 'reviews'};"
    f"{120 + number};{'' if number % 3 else '4,5'};0\n"
    for number in range(90)
]
BAD = ["kaputt;k1;checkout;100;;0\n", "02.06.2025 10:00;;checkout;100;;0\n"]
SOURCE = """
name: Teeladen
sources:
  - name: shop
    files: {files}
    {delimiter}
    mapping:
      event_time: {event_time}
      user_id: Kunde
      feature: Bereich
      event_type: "'use'"
      latency_ms: Dauer_ms
      error_count: Fehler
      rating: Sterne
features:
  {feature}: {{owner: team-payments, tier: 0}}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "umsatz.csv").write_text(HEADER + "".join(ROWS + BAD), encoding="utf-8")
    return tmp_path


def product(shop: Path, *, delimiter: str = "", event_time: str = "Zeitpunkt", feature: str = "chekout") -> Product:
    return product_from(
        SOURCE.format(files=shop / "umsatz.csv", delimiter=delimiter, event_time=event_time, feature=feature)
    )


def looked_at(shop: Path, own: Product) -> tuple[PreviewedSource, list[str]]:
    lake = Lake(catalog=f"sqlite:{shop}/lake/catalog.sqlite", store=f"{shop}/lake/files")
    (examined,) = previewed_sources(own)
    return examined, previewed_product(own, [examined], lake).warnings


def said(examined: PreviewedSource) -> str:
    console = terminal_console(file=io.StringIO())
    console.print(preview_text(examined, Invocation()))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.proof
def test_three_looks_lead_to_the_right_answer(shop: Path) -> None:
    first, _ = looked_at(shop, product(shop))
    assert first.is_wrong
    assert 'Its values seem to be parted by a semicolon: write `delimiter: ";"` in the source.' in said(first)

    second, _ = looked_at(shop, product(shop, delimiter='delimiter: ";"'))
    assert second.is_wrong
    step = "Write `event_time: \"TRY_STRPTIME(Zeitpunkt, '%d.%m.%Y %H:%M')\"`, which reads"
    assert step in said(second)

    expression = "\"TRY_STRPTIME(Zeitpunkt, '%d.%m.%Y %H:%M')\""
    third, warned = looked_at(shop, product(shop, delimiter='delimiter: ";"', event_time=expression))
    text = said(third)
    assert not third.is_wrong
    assert "Give the source `decimal`" in text
    assert "1 rows would go to quarantine: user_id is missing" in text
    assert "Is it checkout, which is there and not declared?" in " ".join(warned)

    settings = 'delimiter: ";"\n    decimal: ","'
    last, warned = looked_at(shop, product(shop, delimiter=settings, event_time=expression, feature="checkout"))
    assert f"of {len(ROWS + BAD)} rows looked at in {shop / 'umsatz.csv'}, {len(ROWS)} are events" in said(last)
    assert not [warning for warning in warned if "checkout" in warning]
