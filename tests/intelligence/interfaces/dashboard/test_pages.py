"""Every page of the dashboard, as Streamlit runs it, on lakes in every state: empty, one day, faulty, with hostile names."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from intelligence.actions.action import Action, Kind
from intelligence.catalog.pages import AsOf
from intelligence.interfaces.dashboard import approvals, layout, reader
from intelligence.interfaces.dashboard.navigation import PAGES
from intelligence.interfaces.dashboard.server import SCRIPT
from resources.lake.door import Lake
from tests.intelligence.interfaces.dashboard.lakes import (
    ESCAPE,
    FIRST,
    HOSTILE,
    LINK,
    MARKUP,
    filled,
    lake_at,
    product_in,
    scored,
)

LAST = FIRST + timedelta(days=39)
MANY = 1_000


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return folders of products whose lakes are in different states."""
    home = tmp_path_factory.mktemp("dashboards")
    product_in(home / "empty")
    filled(home / "one day", days=1, features=["quiz"], verdict="unknown")
    filled(home / "faulty", days=40, features=["quiz", "chat"], verdict="partial")
    filled(home / "hostile", days=40, features=[*HOSTILE, "quiz"])
    scored(home / "hostile", HOSTILE, LAST)
    return {each.name: each for each in home.iterdir()}


@pytest.fixture(scope="module", autouse=True)
def no_components() -> Iterator[None]:
    """Let no run look for Streamlit's components in all installed packages: that takes longer than any page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", lambda *_, **__: [])
        yield


@pytest.fixture(scope="module", autouse=True)
def lakes() -> Iterator[list[Lake]]:
    """Return the lakes that were opened, which are closed at the end: opening one takes longer than a page."""
    found: list[Lake] = []
    yield found
    for lake in found:
        lake.close()
    reader._platform.clear()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, lakes: list[Lake]) -> Any:
    """Return a function that opens a page of a folder's product, in this process."""

    def page(folder: Path, name: str, *, loopback: bool = True, **asked: str) -> AppTest:
        for variable in (
            "INTELLIGENCE_MODE",
            "INTELLIGENCE_STATE",
            "INTELLIGENCE_LAKE_CATALOG",
            "INTELLIGENCE_LAKE_STORE",
        ):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("INTELLIGENCE_PRODUCT", str(folder / "product.yaml"))
        monkeypatch.setenv("INTELLIGENCE_DATA", str(folder / "data"))
        monkeypatch.setattr(approvals, "may_decide", lambda: loopback)
        lakes.append(lake_at(folder))
        app = AppTest.from_file(str(SCRIPT), default_timeout=60)
        app._page_hash = calc_hash(name)
        for key, value in asked.items():
            app.query_params[key] = value
        return app.run()

    return page


def text_of(app: AppTest) -> str:
    """Return all text of a page as it stands in its HTML, its labels and its messages."""
    html = [each.proto.body for each in app.get("html")]
    links = [each.proto.label for each in app.get("page_link")]
    said = [each.value for kind in ("error", "warning", "info", "subheader") for each in app.get(kind)]
    return "\n".join([*html, *links, *map(str, said)])


@pytest.mark.parametrize(
    "state", ["empty", *(pytest.param(each, marks=pytest.mark.proof) for each in ("one day", "faulty")), "hostile"]
)
@pytest.mark.parametrize("name", PAGES)
def test_every_page_shows_every_state_without_an_error(
    folders: dict[str, Path], opened: Any, state: str, name: str
) -> None:
    app = opened(folders[state], name)
    assert [each.value for each in app.exception] == []
    assert [each.value for each in app.error] == []
    text = text_of(app)
    if state == "empty":
        assert "The lake is empty" in text
        assert len(app.get("vega_lite_chart")) == 0
    else:
        assert "2026-05-04" in text
        assert "lake snapshot" in text
    assert not (folders["empty"] / "data" / "lake").exists(), "a page only reads"


def test_the_first_page_says_what_is_in_trouble_and_that_its_day_is_not_whole(
    folders: dict[str, Path], opened: Any
) -> None:
    text = text_of(opened(folders["faulty"], "today"))
    assert "1 feature is in trouble on 2026-06-12: quiz (degraded)." in text
    assert "1 decision on 2026-06-12: rollback quiz (approve); 1 feature is watched and left alone." in text
    assert "The telemetry of 2026-06-12 is partial" in text
    assert "No model was trained yet" in text
    assert "No feature is scored for what comes next" in text


def test_a_feature_shows_its_share_with_interval_promise_and_what_was_weighed(
    folders: dict[str, Path], opened: Any
) -> None:
    app = opened(folders["faulty"], "feature", feature="quiz", days="28")
    text = text_of(app)
    assert "Failed events of quiz: 30.0% (" in text
    assert "15.0 times the promised 2.0% since 2026-06-12" in text
    assert "No experiment was run on it." in text
    assert app.selectbox(key="choice_feature").value == "quiz"
    assert app.selectbox(key="choice_days").value == "28"
    assert "2026-05-16 to 2026-06-12" in text


def test_a_filter_that_is_chosen_stands_in_the_address_and_a_link_changes_it(
    folders: dict[str, Path], opened: Any
) -> None:
    app = opened(folders["faulty"], "feature", feature="quiz")
    assert app.query_params["feature"] in ("quiz", ["quiz"])
    app.selectbox(key="choice_feature").set_value("chat").run()
    assert app.query_params["feature"] in ("chat", ["chat"])
    assert "<h1>chat</h1>" in text_of(app)
    app.query_params["feature"] = "quiz"
    app.run()
    assert "<h1>quiz</h1>" in text_of(app)


@pytest.mark.parametrize("asked", ["0", "99999999999999999999", "28; DROP TABLE x"])
def test_a_number_of_days_that_is_none_is_left_out(folders: dict[str, Path], opened: Any, asked: str) -> None:
    app = opened(folders["empty"], "platform", days=asked)
    assert [each.value for each in app.exception] == []
    assert app.selectbox(key="choice_days").value == "90"


def test_an_address_with_a_feature_that_was_never_seen_says_so(folders: dict[str, Path], opened: Any) -> None:
    text = text_of(opened(folders["faulty"], "feature", feature="<b>nobody</b>"))
    assert "No feature &lt;b&gt;nobody&lt;/b&gt; was seen." in text


@pytest.mark.parametrize("name", ["today", "features", "feature", "decisions"])
def test_hostile_names_show_as_text(folders: dict[str, Path], opened: Any, name: str) -> None:
    app = opened(folders["hostile"], name, **({"feature": MARKUP} if name == "feature" else {}))
    html = "\n".join(each.proto.body for each in app.get("html"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script" not in html
    everything = html + "\n".join(each.proto.label for each in app.get("page_link"))
    assert "\x1b" not in everything
    assert "\u202e" not in everything
    # A label is Markdown: each sign that could mark something up is taken literally.
    labels = [each.proto.label for each in app.get("page_link")]
    assert not any("](" in label or ":red[" in label or "<" in label.replace("\\<", "") for label in labels)


def test_links_to_hostile_names_lead_to_their_page(folders: dict[str, Path], opened: Any) -> None:
    for name in (LINK, ESCAPE):
        app = opened(folders["hostile"], "feature", feature=name)
        assert [each.value for each in app.exception] == []
        assert app.selectbox(key="choice_feature").value == name
        assert "is healthy" in text_of(app)


def planned() -> str:
    """Return the id of an action that waits for a person in the outbox of the product that was opened last."""
    outbox = reader.platform().announcer.outbox()
    action = Action(
        decision_id=f"{len(outbox.entries()):064d}",
        kind=Kind.ALERT,
        target="slack",
        feature="quiz",
        day=LAST,
        episode=f"quiz {len(outbox.entries())}",
        title="Look at <quiz>",
        text="errors of quiz",
        payload={"channel": "#quiz"},
    )
    outbox.planned([action], actor="the policy", reason="alert at level approve")
    return outbox.entries()[0].id


@pytest.fixture
def waits(folders: dict[str, Path], opened: Any) -> tuple[Path, str]:
    """Return a folder with an action that waits, and its id."""
    folder = folders["one day"]
    opened(folder, "decisions")
    return folder, planned()


def test_an_approval_needs_a_name_and_a_reason_and_is_recorded_with_both(waits: tuple[Path, str], opened: Any) -> None:
    folder, action = waits
    app = opened(folder, "today")
    assert "Look at &lt;quiz&gt;" in text_of(app)
    app.button(key=f"yes_{action}").click().run()
    assert [each.value for each in app.error] == ["Nothing was done: say who you are, and why."]
    outbox = reader.platform().announcer.outbox()
    assert outbox.entry(action).standing == "planned"
    app.text_input(key=f"who_{action}").set_value("Ada")
    app.text_input(key=f"why_{action}").set_value("seen it too")
    app.button(key=f"yes_{action}").click().run()
    said = [(each.event, each.actor, each.reason) for each in outbox.history(action)]
    assert ("approved", "Ada", "seen it too") in said
    assert "Look at &lt;quiz&gt; was approved by Ada" in text_of(app)
    assert len([each for each in said if each[0] == "approved"]) == 1


def test_a_rejection_is_recorded_and_nothing_is_sent(waits: tuple[Path, str], opened: Any) -> None:
    folder, action = waits
    app = opened(folder, "decisions")
    app.text_input(key=f"who_{action}").set_value("Ada")
    app.text_input(key=f"why_{action}").set_value("known")
    app.button(key=f"no_{action}").click().run()
    entry = reader.platform().announcer.outbox().entry(action)
    assert (entry.standing, entry.reason, entry.attempts) == ("rejected", "known", 0)


def test_a_page_that_was_not_opened_on_this_machine_takes_no_word(waits: tuple[Path, str], opened: Any) -> None:
    folder, action = waits
    app = opened(folder, "today", loopback=False)
    assert "Read-only here" in text_of(app)
    assert app.text_input == []
    assert all("yes_" not in (each.key or "") for each in app.button)
    assert reader.platform().announcer.outbox().entry(action).standing == "planned"


@pytest.mark.parametrize(
    ("headers", "is_own"),
    [
        ({"Host": "127.0.0.1:8501"}, True),
        ({"Host": "localhost:8501"}, True),
        ({"Host": "insights.example.com"}, False),
        ({"Host": "127.0.0.1:8501", "X-Forwarded-For": "10.0.0.7"}, False),
        ({"Host": "127.0.0.1.evil.example"}, False),
        ({}, False),
    ],
)
def test_only_a_page_opened_here_and_through_no_proxy_may_decide(
    headers: dict[str, str], is_own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Context:
        def __init__(self) -> None:
            self.headers = headers

    monkeypatch.setattr(approvals.st, "context", Context())
    assert approvals.may_decide() is is_own


def test_a_product_file_that_cannot_be_read_is_said_in_words(tmp_path: Path, opened: Any) -> None:
    product_in(tmp_path).write_text("name: [unclosed")
    app = opened(tmp_path, "today")
    assert [each.value for each in app.exception] == []
    assert [each.value for each in app.error] == ["This page cannot be shown."]
    assert "product.yaml" in text_of(app)


def test_pages_of_a_product_are_read_again_only_for_a_new_snapshot(folders: dict[str, Path], opened: Any) -> None:
    from intelligence.telemetry.tables import DAY_QUALITY
    from tests.intelligence.interfaces.dashboard.lakes import put

    folder = folders["one day"]
    before = opened(folder, "platform")
    assert "No row waits in quarantine" in text_of(before)
    put(
        lake_at(folder),
        DAY_QUALITY,
        [{"event_date": FIRST, "events": 7, "verdict": "empty", "reason": "all is silent"}],
    )
    assert "all is silent" in text_of(opened(folder, "platform"))


def test_old_figures_are_said_to_be_old() -> None:
    now = datetime(2026, 6, 30, 12, tzinfo=UTC)
    fresh = AsOf("Tiny", 3, FIRST, LAST, "whole", LAST, datetime(2026, 6, 30, 6))
    assert layout.stale(fresh, now) == []
    old = AsOf("Tiny", 3, FIRST, LAST, "empty", LAST + timedelta(days=2), datetime(2026, 6, 12, 6))
    behind, days, empty = layout.stale(old, now)
    assert "the figures end on 2026-06-12" in behind
    assert "for 18 days" in days
    assert "is empty" in empty


@pytest.mark.proof
def test_a_thousand_features_are_listed_within_seconds(tmp_path: Path, opened: Any) -> None:
    names = [f"feature_{place:04d}" for place in range(MANY)]
    folder = filled(tmp_path, days=40, features=names)
    scored(folder, names, LAST)
    opened(folder, "today")
    began = time.process_time()
    app = opened(folder, "features")
    taken = time.process_time() - began
    assert [each.value for each in app.exception] == []
    assert app.dataframe[0].value.shape[0] == MANY
    assert "1,000 features on 2026-06-12: 999 healthy, 1 degraded." in text_of(app)
    assert taken < 10
