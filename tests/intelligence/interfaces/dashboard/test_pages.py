"""Every page of the dashboard, as Streamlit runs it, on lakes in every state: empty, one day, faulty, with hostile names."""

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.context import StreamlitHeaders
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from intelligence.actions.action import Action, Kind
from intelligence.catalog.pages import AsOf
from intelligence.interfaces.dashboard import approvals, layout, reader
from intelligence.interfaces.dashboard.navigation import PAGES
from intelligence.interfaces.dashboard.server import SCRIPT
from resources.lake.door import Lake
from resources.state.guarded import GuardRecord
from resources.state.store import state_at
from tests.intelligence.interfaces.dashboard.lakes import (
    ESCAPE,
    FIRST,
    HOSTILE,
    LINK,
    MARKUP,
    filled,
    forecast,
    lake_at,
    product_in,
    scored,
    tried,
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
    filled(home / "forecast", days=60, features=["quiz", MARKUP])
    forecast(home / "forecast", FIRST + timedelta(days=59))
    for name, units in {"tried by few": 60, "tried": 300}.items():
        filled(home / name, days=60, features=["quiz", MARKUP])
        tried(home / name, MARKUP, FIRST + timedelta(days=59), units=units)
    filled(home / "broken trial", days=60, features=["quiz", MARKUP])
    tried(home / "broken trial", MARKUP, FIRST + timedelta(days=59), units=300, problem="arms do not fit")
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


def test_a_scenario_stands_in_the_address_and_says_what_it_rests_on(folders: dict[str, Path], opened: Any) -> None:
    folder = folders["forecast"]
    app = opened(folder, "coming")
    assert "Ask for a change" in text_of(app)
    assert app.slider == []
    app = opened(folder, "coming", scenario="dau", strength="-10", outcome="value", ahead="14")
    before = reader.snapshot()
    text = text_of(app)
    assert "After dau -10 %, value would be" in text
    assert "It is assumed that value moves in proportion to dau: no experiment measured both." in text
    assert "Nothing measured what the change does to value: its effect is an assumption." in text
    assert app.slider(key="choice_strength").value == -10
    app.slider(key="choice_strength").set_value(-20).run()
    assert app.query_params["strength"] in ("-20", ["-20"])
    assert "After dau -20 %, value would be" in text_of(app)
    app.selectbox(key="choice_scenario").set_value("conversion_rate").run()
    assert "After conversion_rate +2 points, value would be" in text_of(app), (
        "another change begins at its own strength"
    )
    assert [each.value for each in app.exception] == []
    assert reader.snapshot() == before, "a page only reads"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"scenario": "dau", "strength": "-9999"}, "After dau -5 %"),
        ({"scenario": "dau", "strength": "1; DROP TABLE x"}, "After dau -5 %"),
        ({"scenario": "<b>karma</b>"}, "Ask for a change"),
        ({"scenario": "rollback", "rollback": MARKUP}, "nobody used it in the last four weeks"),
        ({"scenario": "rollback", "rollback": "quiz", "outcome": "value"}, "Not enough evidence: quiz: nobody used it"),
        (
            {"scenario": "dau", "outcome": "<i>karma</i>"},
            "Not answered: &lt;i&gt;karma&lt;/i&gt;: is not forecast.",
        ),
    ],
)
def test_a_scenario_that_makes_no_sense_or_has_no_evidence_is_said_in_words(
    folders: dict[str, Path], opened: Any, asked: dict[str, str], said: str
) -> None:
    app = opened(folders["forecast"], "coming", **asked)
    assert [each.value for each in app.exception] == []
    text = text_of(app)
    assert said in text
    assert "<script" not in text
    assert "<i>" not in text


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("tried by few", "Not enough evidence for whom it works (&lt;script&gt;alert(1)&lt;/script&gt;, treatment)"),
        ("tried", "Not enough evidence that it works differently for some than for others"),
        ("broken trial", "arms do not fit. Its results are blocked until that is explained."),
    ],
)
def test_for_whom_an_experiment_works_is_said_only_where_it_is_shown(
    folders: dict[str, Path], opened: Any, state: str, said: str
) -> None:
    app = opened(folders[state], "experiments", experiment=MARKUP)
    assert [each.value for each in app.exception] == []
    text = text_of(app)
    assert said in text
    assert "<script" not in text
    assert ("On all 600 units it changes conversion_rate by" in text) is (state == "tried")


def test_an_experiment_is_planned_from_the_address_also_where_there_was_none(
    folders: dict[str, Path], opened: Any
) -> None:
    assert "Choose a metric" in text_of(opened(folders["faulty"], "experiments"))
    none = text_of(opened(folders["faulty"], "experiments", metric="conversion_rate", effect="10", length="14"))
    assert "No experiment was seen yet" in none
    assert "Not answered: lake: it holds no day. Run `intelligence ingest` first." in none
    app = opened(folders["tried"], "experiments", metric="events_per_unit", effect="10", share="20", length="28")
    text = text_of(app)
    assert "To find a change of +10.0% in events_per_unit, with 20% in the variant and a look each day," in text
    assert "In 28 days the smallest effect on events_per_unit that is found is ±" in text
    app.slider(key="choice_effect").set_value(20).run()
    assert app.query_params["effect"] in ("20", ["20"])
    assert "To find a change of +20.0%" in text_of(app)
    app = opened(folders["tried"], "experiments", metric="<b>karma</b>")
    assert "Not answered: &lt;b&gt;karma&lt;/b&gt;: is no metric of the registry." in text_of(app)
    assert [each.value for each in app.exception] == []


def links_of(app: AppTest) -> set[tuple[str, str, str]]:
    """Return the links of a page: where they lead, what they ask for there, and what they say."""
    return {
        (each.proto.page, each.proto.query_string, each.proto.label.replace("\\", "")) for each in app.get("page_link")
    }


def test_what_happened_stands_below_a_chart_in_sentences_that_lead_to_their_evidence(
    folders: dict[str, Path], opened: Any
) -> None:
    broken = "2026-06-12: quiz degraded: errors: 30 of 100 events of quiz were bad."
    fault = ("platform", "", "2026-06-12: telemetry partial: no event in 12 hours.")
    of_feature = links_of(opened(folders["faulty"], "feature", feature="quiz"))
    assert {("causes", "feature=quiz", broken), fault} <= of_feature
    of_product = links_of(opened(folders["faulty"], "today"))
    assert {("feature", "feature=quiz", broken), fault} <= of_product
    of_experiment = links_of(opened(folders["tried"], "people"))
    starts = f"2026-06-12: experiment {MARKUP} starts."
    assert [said for page, _, said in of_experiment if page == "experiments"] == [starts]


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
    monkeypatch.setattr(approvals.st, "context", Context(headers))
    assert approvals.may_decide() is is_own


class Context:
    """What Streamlit knows of the request by which a page was opened."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = StreamlitHeaders(headers.items())


THROUGH = {"Host": "insights.example.com", "X-Forwarded-For": "10.0.0.7"}


@pytest.mark.parametrize(
    ("headers", "decides", "name", "may"),
    [
        ({**THROUGH, "X-Forwarded-User": "Ada"}, "yes", "Ada", True),
        ({**THROUGH, "X-Forwarded-User": "Ada"}, "no", "Ada", False),
        (THROUGH, "yes", None, False),
        ({"Host": "127.0.0.1:8501"}, "yes", None, True),
        ({"Host": "127.0.0.1:8501", "X-Forwarded-User": "Ada"}, "yes", None, False),
        ({"Host": "other.example.com", "X-Forwarded-User": "Ada"}, "yes", None, False),
    ],
)
def test_a_person_whom_the_proxy_names_may_decide_only_where_the_owner_says_so(
    headers: dict[str, str], decides: str, name: str | None, may: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTELLIGENCE_ALLOWED_HOSTS", "insights.example.com")
    monkeypatch.setenv("INTELLIGENCE_PROXY_USER_HEADER", "X-Forwarded-User")
    monkeypatch.setenv("INTELLIGENCE_PROXY_MAY_DECIDE", decides)
    monkeypatch.setattr(approvals.st, "context", Context(headers))
    assert (approvals.signed_in(), approvals.may_decide()) == (name, may)
    monkeypatch.delenv("INTELLIGENCE_PROXY_USER_HEADER")
    monkeypatch.setenv("INTELLIGENCE_PROXY_MAY_DECIDE", "no")
    assert approvals.signed_in() is None, "the header is never believed where it is not named"


def test_the_name_from_the_proxy_is_shown_as_text_and_is_the_recorded_one(
    waits: tuple[Path, str], opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, action = waits
    monkeypatch.setattr(approvals, "signed_in", lambda: "<b>Ada</b>")
    app = opened(folder, "today")
    html = "\n".join(each.proto.body for each in app.get("html"))
    assert "Signed in as &lt;b&gt;Ada&lt;/b&gt;" in html
    assert "In the name of &lt;b&gt;Ada&lt;/b&gt;" in html
    assert "<b>Ada" not in html
    assert all("who_" not in (each.key or "") for each in app.text_input), "the name cannot be edited"
    app.text_input(key=f"why_{action}").set_value("seen it too")
    app.button(key=f"yes_{action}").click().run()
    said = [(each.event, each.actor, each.reason) for each in reader.platform().announcer.outbox().history(action)]
    assert ("approved", "<b>Ada</b>", "seen it too") in said


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


def test_what_the_guard_of_the_stream_decided_today_is_on_the_page_of_decisions(
    folders: dict[str, Path], opened: Any, tmp_path: Path
) -> None:
    folder = shutil.copytree(folders["hostile"], tmp_path / "own")
    at = datetime(2026, 9, 1, 8, 1, tzinfo=UTC)
    row = {
        "decision_id": "d", "event_date": at.date(), "feature": "quiz", "action": "rollback", "level": "auto",
        "reasons": f"Roll back quiz: {MARKUP} fails.",
    }  # fmt: skip
    record = GuardRecord(state_at(f"sqlite:///{folder}/data/state.db"), lambda: at)
    record.add([row], stream_at=at, releases={"quiz": ("ios", "9.1.0")})
    text = text_of(opened(folder, "decisions"))
    assert "On the stream, 2026-09-01 08:01 UTC (auto): Roll back quiz: &lt;script&gt;" in text
    assert MARKUP not in text
