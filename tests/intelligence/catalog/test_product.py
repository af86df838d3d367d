"""A mistake in product.yaml is reported in one error: which setting, which value, and what to do."""

from datetime import date
from pathlib import Path

import pytest
import yaml

from intelligence.catalog.product import Product, Source, product_from, with_simulated_days
from intelligence.core.errors import PlatformError, ProductFileError
from intelligence.metrics.settings import Health
from intelligence.warehouse.settings import Promises

ROOT = Path(__file__).resolve().parents[3]
GOOD = """
name: Demo
sources:
  - {name: app, files: events/*.csv}
"""
SIMULATED = "name: D\nsources: [{{name: s, simulate: {}}}]"


def refusal(text: str) -> ProductFileError:
    with pytest.raises(ProductFileError) as caught:
        product_from(text, origin="my.yaml")
    return caught.value


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (GOOD.replace("name: Demo", "nmae: Demo"), ["`name` is missing", "`nmae`", "did you mean `name`?"]),
        (GOOD + "helth: {}", ["`helth` is not a setting", "did you mean `health`?"]),
        (GOOD + "something_else_entirely: 1", ["`something_else_entirely` is not a setting"]),
        ("name: Demo", ["`sources` is missing"]),
        (GOOD.replace("name: app, ", ""), ["`sources.0.name` is missing"]),
        (GOOD + "features: {quiz: {max_eror_rate: 0.1}}", ["`features.quiz.max_eror_rate`", "`max_error_rate`?"]),
        ("name: Demo\nsources: [{name: s, simulate: {dyas: 3}}]", ["`sources.0.simulate.dyas`", "`days`?"]),
        (GOOD.replace("files:", "fiels:"), ["`sources.0.fiels`", "did you mean `files`?"]),
        (GOOD + "session_gap_minutes: soon", ["`session_gap_minutes` is 'soon'", "write a whole number"]),
        (GOOD + "session_gap_minutes: 0", ["`session_gap_minutes` is 0", "greater than or equal to 1"]),
        (GOOD + "start: yesterday", ["`start` is 'yesterday'", "write a date such as 2026-05-04"]),
        (GOOD + "start: 2026-05-04\nend: 2026-05-03", ["ends on 2026-05-03", "before it starts on 2026-05-04"]),
        (GOOD + "owner: bob", ["`owner` is 'bob'"]),
        (GOOD + "health: {recovery_days: -1}", ["`health.recovery_days` is -1", "greater than or equal to 1"]),
        (GOOD + "health: {warning_share: 2}", ["`health.warning_share` is 2", "less than or equal to 1"]),
        (GOOD + "health: {fast_burn: .nan}", ["`health.fast_burn` is nan: write a number that is finite"]),
        (
            GOOD + "feature_defaults: {slow_latency_ms: .inf}",
            ["`feature_defaults.slow_latency_ms` is inf: write a number"],
        ),
        (GOOD + "max_lag_hours: .inf", ["`max_lag_hours` is inf: write a number that is finite"]),
        (GOOD + "health:", ["`health` is empty: write settings"]),
        (GOOD + "session_gap_minutes:", ["`session_gap_minutes` is empty: write a whole number"]),
        ("name: Demo\nsources:", ["`sources` is empty: write a list of sources, such as [{name: app, files: "]),
        (SIMULATED.format(""), ["`sources.0` has an empty `simulate`: write `simulate: {}`"]),
        (SIMULATED.format("3"), ["`sources.0.simulate` is 3: write settings"]),
        (SIMULATED.format("{planted: Nope}"), ["`sources.0.simulate.planted` is 'Nope': write true or false"]),
        (SIMULATED.format("{features: 2}"), ["`sources.0.simulate` cannot be: `features` 2", "`planted: false`"]),
        (SIMULATED.format("{first_day: 9999-12-01}"), ["`days` 90 days from 9999-12-01", "past the year 9999"]),
        (SIMULATED.format("{seed: .inf}"), ["`sources.0.simulate.seed` is inf"]),
        (GOOD + "end: 9999-12-31", ["`end` is 9999-12-31", "write an earlier one"]),
        (
            GOOD.replace("files:", "mapping: {value: 3}, files:"),
            ["`sources.0.mapping.value` is 3: write the name of a"],
        ),
        (GOOD.replace("files:", "mapping: {event_type: NULL}, files:"), ["`sources.0.mapping.event_type` is empty"]),
        (
            GOOD.replace("files:", "null_values: [-999], files:"),
            ["`sources.0.null_values.0` is -999: write text, in quotes"],
        ),
        (GOOD + "features: {quiz: {max_error_rate: 0}}", ["`features.quiz.max_error_rate` is 0", "greater than 0"]),
        (GOOD + "features: {quiz: {tier: 7}}", ["`features.quiz.tier` is 7"]),
        (GOOD + "features: {quiz: {lifecycle: dead}}", ["`features.quiz.lifecycle` is 'dead'", "'beta', 'live'"]),
        (GOOD + "features: {quiz: 3}", ["`features.quiz` is 3"]),
        (GOOD + "features: [quiz]", ["`features` is ['quiz']"]),
        (GOOD + "feature_defaults: 3", ["`feature_defaults` is 3"]),
        ("name: 3\nsources: [{name: app, files: x}]", ["`name` is 3: write text, in quotes"]),
        ("name: ''\nsources: [{name: app, files: x}]", ["`name` is ''"]),
        ("name: Demo\nsources: []", ["`sources` is []", "at least 1"]),
        ("name: Demo\nsources: app", ["`sources` is 'app'"]),
        (GOOD.replace("name: app", "name: My App"), ["`sources.0.name` is 'My App'"]),
        (GOOD.replace("files:", "delimiter: ';;', files:"), ["`sources.0.delimiter` is ';;'"]),
        (GOOD.replace("files: events/*.csv", "files: [3]"), ["`sources.0.files.0` is 3"]),
        (
            GOOD.replace("files:", "simulate: {}, files:"),
            ["`sources.0`", "one of `files`, `topics` and `simulate`", "only one"],
        ),
        ("name: Demo\nsources: [{name: app}]", ["`sources.0`", "one of `files`, `topics` and `simulate`"]),
        ("name: Demo\nsources: [{name: app, files: x}, {name: app, files: y}]", ["source app more than once"]),
        (GOOD.replace("files:", "mapping: {user: u}, files:"), ["`sources.0`", "`user`", "did you mean `user_id`?"]),
        ("name: D\nsources: [{name: s, simulate: {days: 0}}]", ["`sources.0.simulate.days` is 0"]),
    ],
)
def test_a_mistake_is_named_with_its_setting_and_its_value(text: str, named: list[str]) -> None:
    error = refusal(text)
    assert error.culprit == "my.yaml"
    assert [words for words in named if words not in error.problem] == []
    assert [words for words in ("input should", "valid", "instance of", "None") if words in error.problem] == []
    assert "intelligence check" in error.hint


def test_several_mistakes_are_told_at_once_and_each_of_them_once() -> None:
    error = refusal(GOOD + "helth: {}\nsession_gap_minutes: 0\nfeatures: {quiz: {tier: 7}}")
    assert error.problem.count(";") == 2
    assert all(word in error.problem for word in ("`helth`", "`session_gap_minutes`", "`features.quiz.tier`"))


def test_a_bad_source_is_not_also_called_a_missing_source() -> None:
    assert refusal("name: Demo\nsources: [{name: app}]").problem.count("`sources") == 1


def test_a_date_that_the_calendar_does_not_have_is_refused() -> None:
    assert "2026-02-30" in refusal(GOOD + "start: 2026-02-30").problem


def test_a_typo_under_health_gets_the_nearest_setting() -> None:
    assert "did you mean `fast_burn`?" in refusal(GOOD + "health: {fast_brun: 2}").problem


def test_a_mistake_in_the_defaults_is_told_once() -> None:
    error = refusal(GOOD + "feature_defaults: {tier: 7}\nfeatures: {quiz: {}, chat: {}}")
    assert error.problem.count("is 7") == 1


@pytest.mark.parametrize("setting", ["seed: -1", "features: 2"])
def test_a_simulator_that_cannot_run_is_refused_when_the_file_is_read(setting: str) -> None:
    with pytest.raises(ProductFileError):
        product_from(f"name: D\nsources: [{{name: s, simulate: {{{setting}}}}}]")


def test_features_inherit_the_defaults_and_their_own_settings_win() -> None:
    product = product_from(
        GOOD
        + """
feature_defaults: {owner: team-a, tier: 1, max_error_rate: 0.05}
features:
  quiz: {tier: 0}
  chat:
  search: {}
"""
    )
    assert product.features["quiz"] == Promises(owner="team-a", tier=0, max_error_rate=0.05)
    assert product.features["chat"] == product.features["search"] == product.feature_defaults
    assert product.feature_defaults == Promises(owner="team-a", tier=1, max_error_rate=0.05)


def test_without_defaults_a_feature_has_the_promises_of_the_house() -> None:
    assert product_from(GOOD + "features: {quiz: }").features == {"quiz": Promises()}


def test_the_smallest_file_is_enough() -> None:
    product = product_from(GOOD)
    assert (product.name, product.features, product.health) == ("Demo", {}, Health())
    assert product.sources == (Source(name="app", files=("events/*.csv",)),)


def test_one_glob_is_a_list_of_one() -> None:
    assert product_from(GOOD) == product_from(GOOD.replace("events/*.csv", "[events/*.csv]"))


def test_the_first_day_is_what_start_says_or_else_the_earliest_simulator() -> None:
    simulated = (
        "name: D\nsources: [{name: s, simulate: {first_day: 2026-03-01}}, {name: t, simulate: {first_day: 2026-02-01}}]"
    )
    assert product_from(simulated).first_declared_day() == date(2026, 2, 1)
    assert product_from(simulated + "\nstart: 2026-04-01").first_declared_day() == date(2026, 4, 1)
    assert product_from(GOOD).first_declared_day() is None
    mixed = simulated.replace("]", ", {name: app, files: x}]")
    assert product_from(mixed).first_declared_day() is None


def test_the_last_day_is_what_end_says_or_else_the_latest_simulators() -> None:
    simulated = "name: D\nsources: [{name: s, simulate: {first_day: 2026-03-01, days: 3}}, {name: t, simulate: {first_day: 2026-02-01}}]"
    assert product_from(simulated).last_declared_day() == date(2026, 5, 1)
    assert product_from(simulated + "\nend: 2026-03-02").last_declared_day() == date(2026, 3, 2)
    assert product_from(GOOD).last_declared_day() is None
    assert product_from(simulated.replace("]", ", {name: app, files: x}]")).last_declared_day() is None


def test_simulated_days_change_the_simulators_and_nothing_else() -> None:
    product = product_from("name: D\nsources: [{name: s, simulate: {seed: 3}}, {name: app, files: x}]")
    shorter = with_simulated_days(product, 4)
    assert shorter.sources[0].simulate == product.sources[0].simulate.model_copy(update={"days": 4})
    assert shorter.sources[1] == product.sources[1]
    assert product.sources[0].simulate.days == 90


def test_more_simulated_days_than_the_calendar_has_are_refused() -> None:
    product = product_from("name: D\nsources: [{name: s, simulate: {}}]")
    with pytest.raises(PlatformError, match="past the year 9999"):
        with_simulated_days(product, 99_999_999)


def test_a_product_cannot_be_changed_and_survives_its_own_text() -> None:
    product = product_from(GOOD + "features: {quiz: {tier: 0}}")
    with pytest.raises(ValueError, match="frozen"):
        product.name = "other"
    text = yaml.safe_dump(product.model_dump(mode="json"))
    assert product_from(text) == product == Product.model_validate(product.model_dump())


@pytest.mark.parametrize(
    "path", ["product.yaml", *(str(p.relative_to(ROOT)) for p in ROOT.glob("examples/*/product.yaml"))]
)
def test_the_product_files_of_the_repository_are_valid(path: str) -> None:
    assert product_from((ROOT / path).read_text()).sources
