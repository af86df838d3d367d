"""The server of the dashboard: what browsers are told, and what Streamlit is."""

import asyncio
from typing import Any

from streamlit import config

from intelligence.core.csv_text import without_formulas
from intelligence.interfaces.dashboard.server import POLICY, SETTINGS, with_policy
from intelligence.interfaces.dashboard.text import shown_rows


def test_every_setting_is_one_that_streamlit_knows() -> None:
    assert set(SETTINGS) <= set(config.get_config_options())
    assert SETTINGS["browser.gatherUsageStats"] is False
    assert SETTINGS["server.address"] == "127.0.0.1"


def test_every_answer_carries_the_policy_and_keeps_its_own_headers() -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(with_policy(app)({"type": "http"}, None, send))  # type: ignore[arg-type]
    assert sent[0]["headers"] == [(b"x-own", b"1"), (b"content-security-policy", POLICY.encode())]
    assert sent[1]["body"] == b"ok"
    sources = {word for rule in POLICY.split(";") for word in rule.split()[1:]}
    assert not any(word.startswith(("http", "*", "ws")) for word in sources), "nothing is loaded from elsewhere"


def test_a_download_holds_no_formula_and_no_control_character() -> None:
    import polars as pl

    rows = pl.DataFrame({"feature": ["=HYPERLINK(1)", "@a", "quiz", "a\x1b[2J", None], "users": [1, -2, 3, 4, 5]})
    lines = without_formulas(shown_rows(rows)).write_csv().splitlines()
    assert lines == ["feature,users", "'=HYPERLINK(1),1", "'@a,-2", "quiz,3", "a\\x1b[2J,4", ",5"]
