"""The dashboard in a real browser, on the demo's product: pages, links, filters, a person's word, and hostile texts."""

import csv
import io
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Locator

from intelligence.actions.action import Action, Kind
from intelligence.core.foreign import harmless
from intelligence.core.truths import PlantedTruth
from intelligence.interfaces.dashboard.navigation import PAGES
from intelligence.simulation.stream import planted_truths
from resources.config.serving_lock import serving
from resources.config.settings import ROOT
from resources.intake.product_file import product_at
from resources.lake.door import Lake
from resources.outbox.door import Outbox
from resources.twins.recorded import recorded_messages
from tests.demos import Demo, demo_of
from tests.intelligence.interfaces.dashboard.browsing import (
    CHROMIUM,
    FAINT,
    NARROW,
    WIDE,
    Tab,
    chromium,
    dashboard_served,
    opened,
)
from tests.intelligence.interfaces.dashboard.lakes import ESCAPE, MARKUP, renamed

pytestmark = [
    pytest.mark.proof,
    pytest.mark.skipif(
        not CHROMIUM, reason="no Chromium is installed: nothing is proven of the dashboard in a browser"
    ),
]
PRODUCT = ROOT / "product.yaml"
# Where `up` would serve the others.
ELSEWHERE = {"dagster": "http://127.0.0.1:4001", "mlflow": "http://127.0.0.1:4002", "reports": "http://127.0.0.1:4003"}
AT = {name: "" if name == "today" else name for name in PAGES}
TRUTHS = planted_truths(product_at(PRODUCT).sources[0].simulate.plan())
LINK = "address => [...document.links].find(each => each.href === address)"
# Names as a stranger's events may bring them, each for one that stands on several pages of the demo.
HOSTILE = {
    "classroom_statistics": "<img src=http://evil.example/i onerror=alert(1)>",
    "seating_plan_insights": "[quiz](javascript:alert(1)) :red[a] $x^2$ :material/home: www.evil.example",
    "assignment_editor": MARKUP,
    "spelling_dictation": ESCAPE,
    "badge_analytics": "x" * 300,
    "onboarding_checklist": "<svg onload=alert(2)>",
    "button_colour": "![a](http://evil.example/b) `code` **bold** # http://evil.example",
    "parent_messages": "<iframe src=//evil.example></iframe>",
    "team-classroom": "'\"><u onmouseover=alert(3)>team",
    "student": "<u>student</u>",
    "android": "<u>android</u> __x__",
    "3.11.0": "3.11.0 [x](http://evil.example)",
}
INJECTED = (
    "[onerror], [onload], [onmouseover], [src*='//evil'], [href*='//evil'], [href^=javascript], iframe, .katex,"
    " [data-testid=stMain] :is(u, img, strong, em, code, script, [data-testid=stIconMaterial]:text('home'))"
)
ERRORS = "[data-testid=stException], [data-testid=stAlertContentError]"
# What the keyboard has reached, and how that is marked.
FOCUSED = """() => {
    const at = document.activeElement, name = at.getAttribute('aria-label') || at.innerText;
    return [name, getComputedStyle(at).outlineStyle];
}"""
LAST = max(truth.ends_on for truth in TRUTHS if truth.kind == "bad_release")


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with the demo's results, which says where everything is served."""
    folder = demo_of("classroom", tmp_path_factory).copied(tmp_path_factory.mktemp("browsed") / "data")
    with serving(folder, ELSEWHERE):
        return folder


@pytest.fixture(scope="module")
def base(data: Path) -> Iterator[str]:
    with dashboard_served(PRODUCT, data) as address:
        yield address


@pytest.fixture(scope="module")
def tabs(browser: BrowserContext, base: str) -> Iterator[dict[str, Tab]]:
    """Return the pages, each opened once in a tab of its own when it is first asked for."""

    class Tabs(dict[str, Tab]):
        def __missing__(self, name: str) -> Tab:
            self[name] = kept.enter_context(opened(browser, base)).open(AT[name])
            return self[name]

    with ExitStack() as kept:
        yield Tabs()


@pytest.fixture(scope="module")
def hostile(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a dashboard in whose lake these names stand instead of others."""
    folder = Demo(data, frozenset()).copied(tmp_path_factory.mktemp("hostile") / "data")
    lake = Lake(catalog=f"sqlite:{folder}/lake/catalog.sqlite", store=f"{folder}/lake/files")
    renamed(lake, HOSTILE)
    lake.close()
    with dashboard_served(PRODUCT, folder) as address:
        yield address


@pytest.fixture
def tab(browser: BrowserContext, base: str) -> Iterator[Tab]:
    with opened(browser, base) as made:
        yield made


def on_last_day(kind: str) -> list[PlantedTruth]:
    """Return what was planted of this kind and is there on the last day."""
    found = [each for each in TRUTHS if each.kind == kind and each.starts_on <= LAST <= each.ends_on]
    assert found, kind
    return found


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_without_an_error_and_asks_nobody_else(tabs: dict[str, Tab], name: str) -> None:
    tab = tabs[name]
    assert tab.page.locator(ERRORS).count() == 0
    assert "lake snapshot" in tab.text()
    assert tab.complaints == []


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_fit_a_desk_and_a_phone_and_their_text_stands_out(tabs: dict[str, Tab], name: str, theme: str) -> None:
    tab = tabs[name]
    for width in (WIDE, NARROW):
        tab.seen(width=width, theme=theme)
        assert tab.page.evaluate(FAINT) == []
    tab.seen(width=WIDE, theme="light")
    assert tab.complaints == []


def test_the_planted_truths_stand_where_they_belong(tabs: dict[str, Tab], tab: Tab) -> None:
    said = {name: tabs[name].text() for name in PAGES}
    for bad in on_last_day("bad_release"):
        release, _, platform = bad.detail.removeprefix("release ").partition(":")[0].partition(" on ")
        where = f"release {release} × platform {platform}"
        for page in ("today", "causes", "decisions"):
            assert bad.feature in said[page], page
        assert f"since {bad.starts_on}" in said["today"]
        assert where in said["today"]
        of_feature = tab.open(f"feature?feature={bad.feature}").text()
        assert f"{bad.feature} is degraded since {bad.starts_on}" in of_feature
        assert where in of_feature
        assert f"release {release} on {platform} fails" in of_feature
    for decay in on_last_day("slow_decay"):
        assert f"{decay.feature} is degraded since" in said["today"]
        assert f"throttle {decay.feature}" in said["decisions"]
    for broken in on_last_day("broken_step"):
        assert (
            f"do not go on to complete {broken.feature}; at complete {broken.feature} platform android"
            in said["people"]
        )
    (week,) = [each for each in TRUTHS if each.kind == "leaving_cohort"]
    assert f"who began in the week from {week.starts_on} on stay less" in said["people"]
    (adopted,) = [each for each in TRUTHS if each.kind == "confounded_feature"]
    assert f"adopting {adopted.feature} on active days after +" in said["causes"]
    (fault,) = [each for each in TRUTHS if each.kind == "pipeline_fault"]
    assert f"1 is faulty, the last on {fault.starts_on}" in said["platform"]
    # A real lift, harm beside a lift, users who lost their mark, and a lift that wears off; the rest is not decided.
    verdicts = ("ship: onboarding_checklist;", "roll back: eager_loading;", "review: new_editor and celebrations;")
    for words in (*verdicts, "keep running: button_colour and weekly_digest."):
        assert words in said["experiments"]
    assert "forecast" in said["coming"].lower()
    assert "None of" in said["platform"], "nothing was planted that drifts"


def test_every_link_leads_to_what_it_names_and_the_way_back_from_there(tabs: dict[str, Tab], base: str) -> None:
    visited, elsewhere = set[str](), set[str]()
    titles = {f"/{AT[name]}": title for name, (title, _) in PAGES.items()}
    # Where no feature is asked for, the first of all is shown.
    titles["/feature"] = tabs["feature"].page.locator("h1").inner_text()
    for name in PAGES:
        tab, own = tabs[name], f"/{AT[name]}"
        for address in tab.links():
            place = urlsplit(address)
            asked = parse_qs(place.query)
            named = asked["feature"][0] if place.path == "/feature" and asked else titles.get(place.path, "")
            if not address.startswith(f"{base}/"):
                elsewhere.add(address)
            elif place.path != own:
                if place.path == "/feature" and asked:
                    assert named in tab.page.evaluate(f"address => ({LINK})(address).textContent", address)
                # Of links to features one of each page is followed.
                kind = f"{name} to a feature" if place.path == "/feature" and asked else address
                if kind not in visited:
                    visited.add(kind)
                    # Some stand in a tab of the page that is not shown.
                    tab.page.evaluate(f"address => ({LINK})(address).click()", address)
                    tab.titled(named)
                    assert asked.items() <= parse_qs(urlsplit(tab.page.url).query).items()
                    assert tab.page.locator(ERRORS).count() == 0
                    tab.page.go_back()
                    tab.titled(titles[own])
        assert tab.complaints == []
    assert visited >= {f"{base}{path}" for path in titles} | {
        f"{name} to a feature" for name in ("today", "features", "causes", "decisions")
    }
    assert elsewhere == {f"{each}/" for each in ELSEWHERE.values()} | {
        f"{ELSEWHERE['dagster']}/assets/metrics/fact_feature_metrics"
    }


def test_evidently_pages_are_linked_by_the_name_of_their_file(tabs: dict[str, Tab], data: Path) -> None:
    tab = tabs["platform"]
    cells = tab.page.locator("canvas table").evaluate_all("tables => tables.map(each => each.textContent).join()")
    _, *pages = cells.split(ELSEWHERE["reports"])
    assert pages
    for page in pages:
        assert list(data.rglob(page.partition(".html")[0].removeprefix("/") + ".html")), page


def test_an_address_restores_filters_and_a_filter_changes_the_address(tab: Tab) -> None:
    (feature,) = [each.feature for each in on_last_day("bad_release")]
    tab.open(f"feature?feature={feature}&days=28&objective=crashes")
    assert tab.page.locator("h1").inner_text() == feature
    assert chosen(tab) == {"Feature": feature, "Days": "28 days", "Promise": "Crashes"}
    assert "2026-07-05 to 2026-08-01" in tab.text()
    choose(tab, "Days", "56 days")
    assert parse_qs(urlsplit(tab.page.url).query)["days"] == ["56"]
    assert "2026-06-07 to 2026-08-01" in tab.text()
    copied = tab.page.url
    choose(tab, "Feature", "assignment_editor")
    assert tab.page.locator("h1").inner_text() == "assignment_editor"
    tab.page.goto(copied)
    tab.settled()
    assert chosen(tab) == {"Feature": feature, "Days": "56 days", "Promise": "Crashes"}
    tab.open("people?segment=student&days=28&kpi=conversion_rate")
    assert chosen(tab) == {"Segment": "student", "Days": "28 days", "Figure": "Conversion"}
    assert tab.complaints == []


def test_downloads_hold_the_rows_that_are_shown(tabs: dict[str, Tab]) -> None:
    for name, column in (("experiments", "verdict"), ("platform", "newest_day"), ("features", "impact_score")):
        tab = tabs[name]
        with tab.page.expect_download() as begun:
            tab.page.get_by_test_id("stDownloadButton").get_by_role("button").first.click()
        rows = list(csv.DictReader(io.StringIO(Path(begun.value.path()).read_text())))
        assert len(rows) > 1
        assert all(row[column] for row in rows[:2])
        assert tab.complaints == []


def test_a_word_needs_a_name_and_a_reason_and_is_carried_out_once(tab: Tab, data: Path) -> None:
    outbox, action = planned(data, "twice")
    tab.open("")
    form = word_of(tab, "Look at <b>twice</b>")
    for who, why in (("", ""), ("Ada", " "), (" ", "seen it too")):
        said(form, who=who, why=why).get_by_role("button", name="Approve").click()
        tab.settled()
        assert (
            tab.page.get_by_test_id("stAlertContentError").inner_text() == "Nothing was done: say who you are, and why."
        )
        assert outbox.entry(action).standing == "planned"
    said(form, who="Ada", why="seen it too").get_by_role("button", name="Approve").dblclick()
    tab.settled()
    assert "Look at <b>twice</b> was approved by Ada and stands at confirmed." in tab.text()
    words = [(each.event, each.actor, each.reason) for each in outbox.history(action)]
    assert [each for each in words if each[0] == "approved"] == [("approved", "Ada", "seen it too")]
    assert len(messages_of(data, "twice")) == 1
    assert outbox.entry(action).attempts == 1
    assert tab.complaints == []


def test_of_two_words_on_one_action_the_first_holds(browser: BrowserContext, base: str, data: Path) -> None:
    outbox, action = planned(data, "once")
    with opened(browser, base) as first, opened(browser, base) as second:
        forms = [
            said(word_of(tab.open("decisions"), "Look at <b>once</b>"), who="Ada", why="known")
            for tab in (first, second)
        ]
        forms[0].get_by_role("button", name="Reject").click()
        assert "Look at <b>once</b> was rejected by Ada and will not be done." in first.settled().text()
        forms[1].get_by_role("button", name="Approve").click()
        assert "Nothing was done." in second.settled().text()
        assert first.complaints + second.complaints == []
    assert (outbox.entry(action).standing, outbox.entry(action).reason) == ("rejected", "known")
    assert messages_of(data, "once") == []


def test_navigation_and_filters_are_reached_by_the_keyboard(tab: Tab) -> None:
    tab.open("people")
    reached = list[list[str]]()
    for _ in range(30):
        tab.page.keyboard.press("Tab")
        reached.append(tab.page.evaluate(FOCUSED))
    assert [name for name, outline in reached if outline != "solid"] == []
    names = {name for name, _ in reached}
    assert names >= {*(title for title, _ in PAGES.values()), "Segment", "Days", "Figure"}
    tab.open("people")
    while tab.page.evaluate(FOCUSED)[0] != "Experiments":
        tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Enter")
    tab.titled("Experiments")
    assert tab.complaints == []


# The names that stand in the sentences of each page.
SHOWN = {
    "today": (
        "classroom_statistics",
        "seating_plan_insights",
        "spelling_dictation",
        "badge_analytics",
        "3.11.0",
        "android",
    ),
    "features": ("spelling_dictation", "badge_analytics"),
    "people": ("parent_messages", "android"),
    "experiments": ("onboarding_checklist", "button_colour"),
    "causes": ("classroom_statistics", "seating_plan_insights", "assignment_editor", "3.11.0"),
    "decisions": ("classroom_statistics", "seating_plan_insights"),
}


@pytest.mark.parametrize("name", [*PAGES, *(f"feature?feature={quote(each)}" for each in list(HOSTILE.values())[1:5])])
def test_hostile_names_and_texts_show_as_text(browser: BrowserContext, hostile: str, name: str) -> None:
    with opened(browser, hostile) as tab:
        tab.open(AT.get(name, name))
        said = tab.text()
        for each in SHOWN.get(name, ()):
            assert harmless(HOSTILE[each]) in said
        if name not in PAGES:
            title = parse_qs(urlsplit(name).query)["feature"][0]
            assert tab.page.locator("h1").inner_text() == harmless(title)
        for chart in tab.page.locator("canvas.marks, [data-testid=stVegaLiteChart] svg").all():
            chart.hover()
        assert not {"\x1b", "\u202e"} & set(said)
        tab.seen(width=NARROW, theme="light")
        assert tab.page.locator(INJECTED).evaluate_all("found => found.map(each => each.outerHTML)") == []
        assert tab.page.locator(ERRORS).count() == 0
        assert tab.complaints == []


def chosen(tab: Tab) -> dict[str, str]:
    """Return what is chosen in each filter, by its label."""
    boxes = tab.page.locator("[data-testid=stSelectbox]").all()
    return {each.locator("label").inner_text(): value_of(each) for each in boxes}


def value_of(box: Locator) -> str:
    return box.locator("input").input_value() or box.locator("[data-baseweb=select]").inner_text()


def choose(tab: Tab, label: str, value: str) -> None:
    """Choose a value as one does with the keyboard: type it, and press Enter."""
    box = tab.page.get_by_role("combobox", name=label)
    box.fill(value)
    box.press("Enter")
    tab.settled()


def planned(data: Path, episode: str) -> tuple[Outbox, str]:
    """Return the outbox, and the id of an action in it that waits for a person."""
    product = product_at(PRODUCT)
    outbox = Outbox.of(f"sqlite:///{data}/state.db", product.actions)
    action = Action(
        decision_id=f"{episode:0>64}", kind=Kind.ALERT, target="slack", feature="quiz", day=LAST, episode=episode,
        title=f"Look at <b>{episode}</b>", text="errors of quiz", payload={"channel": "#quiz"},
    )  # fmt: skip
    (new,) = outbox.planned([action], actor="the policy", reason="alert at level approve")
    return outbox, new


def said(form: Locator, *, who: str, why: str) -> Locator:
    """Return the form after a name and a reason were typed into it."""
    form.get_by_label("Your name").fill(who)
    form.get_by_label("Why").fill(why)
    return form


def word_of(tab: Tab, episode: str) -> Locator:
    """Return the form for an action that waits."""
    boxes = tab.page.get_by_test_id("stVerticalBlock").filter(has_text=episode)
    return boxes.filter(has=tab.page.get_by_label("Your name")).last


def messages_of(data: Path, episode: str) -> list[str]:
    return [each.text for each in recorded_messages(data) if episode in each.text]
