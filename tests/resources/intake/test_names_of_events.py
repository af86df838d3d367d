"""Names of events are written down in one way; a word for nothing is nobody, and people of any name are somebody."""

from typing import Any

from intelligence.catalog.product import Names
from resources.intake.preview import previewed_sources

HEADER = "event_id,event_time,user_id,feature,event_type,platform"
FEATURES = [
    "Réglages",
    "Re\u0301glages",
    "checkout",
    "checkout ",
    "check\u200bout",
    "Checkout",
    "CHECKOUT",
    "checkout\u00a0",
]
NOBODY = ["null", "undefined", "None", "   ", "NaN", "N/A", "(null)", "[object Object]", "0", "00000000-0000-0000-0000-000000000000",
          "NULL", "\u00a0", "1.23457E+15", "<b>", "a\x01b"]  # fmt: skip
SOMEBODY = [
    "o'brien@shop.example",
    "ada+test@x.example",
    "生徒",
    "Ann Lee",
    "DOMAIN\\ben",
    "nullable",
    "Nan Goldin",
    "00",
    "x;y",
]


def test_names_are_one_to_the_eye_and_words_for_nothing_are_nobody(bench: Any) -> None:
    rows = [f"f{number},2026-05-04T10:00:00,ada,{name},use,null" for number, name in enumerate(FEATURES)]
    rows += [f"n{number},2026-05-04T10:00:00,{name},search,use," for number, name in enumerate(NOBODY)]
    rows += [f'p{number},2026-05-04T10:00:00,"{name}",search,use,web' for number, name in enumerate(SOMEBODY)]
    bench.deliver("a.csv", "\n".join([HEADER, *rows]) + "\n")
    assert bench.ingest().refused == []
    features = dict(bench.rows("SELECT feature, count(*) FROM telemetry.events GROUP BY ALL"))
    assert features == {"CHECKOUT": 1, "Checkout": 1, "Réglages": 2, "checkout": 4, "search": len(SOMEBODY)}
    assert sorted(user for (user,) in bench.rows("SELECT DISTINCT user_id FROM telemetry.events")) == sorted(
        ["ada", *SOMEBODY]
    )
    assert bench.rows("SELECT DISTINCT platform FROM telemetry.events ORDER BY 1") == [("web",), (None,)]
    assert dict(bench.rows("SELECT value, reason FROM telemetry.rejected_events")) == {
        name: f"user_id {_reason(name)}" for name in NOBODY
    }
    (found,) = previewed_sources(bench.product)
    assert [warning.split(" look")[0] for warning in found.warnings] == ["feature `CHECKOUT`, `Checkout`, `checkout`"]


def _reason(name: str) -> str:
    if not name.strip():
        return "is missing"
    if name in ("<b>", "a\x01b"):
        return "has characters that a name may not have"
    return "is a rounded number that has lost digits" if "E+" in name else "is a placeholder and names nothing"


def test_a_product_says_which_words_are_names_and_whether_case_counts(bench: Any) -> None:
    bench.product = bench.product.model_copy(update={"names": Names(case="fold", placeholders=("nada",), nobody=())})
    bench.deliver("a.csv", f"{HEADER}\n" + "".join(
        f"e{number},2026-05-04T10:00:00,{user},Quiz,use,WEB\n" for number, user in enumerate(["null", "0", "Nada", "Ada"])
    ))  # fmt: skip
    bench.ingest()
    assert bench.events("user_id, feature, platform") == [
        ("0", "quiz", "web"), ("Ada", "quiz", "web"), ("null", "quiz", "web"),
    ]  # fmt: skip
    assert bench.rejected("reason") == [("user_id is a placeholder and names nothing",)]
