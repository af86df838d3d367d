"""The simulated product asks its flags: whoever is served nothing leaves no event, on days that are made from then on."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from intelligence.actions.action import Kind
from intelligence.actions.flags import FlagChange, changed_document, first_document
from intelligence.catalog.product import Product, Simulate, Source
from intelligence.simulation.stream import simulated_day
from intelligence.warehouse.settings import Promises
from resources.flags.file import FlagFile
from resources.flags.honoured import hidden_from
from resources.intake.delivery import deliveries, simulated_files, simulation_folder

DAY = date(2026, 5, 4)
SIMULATE = Simulate(features=8, days=2, events_per_day=1_000, seed=7, first_day=DAY)
WHOLE = simulated_day(SIMULATE.plan(), DAY)
FEATURE = WHOLE["feature"].value_counts(sort=True)["feature"][0]
FLAGS = {feature: f"flag-{feature}" for feature in WHOLE["feature"].unique()}
FLAG = FLAGS[FEATURE]


@pytest.fixture
def file(tmp_path: Path) -> FlagFile:
    return FlagFile(tmp_path / "flags.flagd.json")


def write(file: FlagFile, *kinds: Kind, **flag: Any) -> None:
    document = first_document(FLAGS.values())
    document["flags"][FLAG].update(flag)
    for kind in kinds:
        document = changed_document(document, FlagChange(FLAG, kind, "a1", step=0.4))
    file.path.write_text(json.dumps(document))


def users() -> set[str]:
    return set(WHOLE.filter(feature=FEATURE)["user_id"])


def product() -> Product:
    simulator = Source(name="simulator", simulate=SIMULATE)
    return Product(name="A", sources=(simulator,), feature_defaults=Promises(flag_key="flag-{feature}"))


def test_a_rollback_hides_the_feature_from_all_of_its_users_and_a_throttle_from_a_part(file: FlagFile) -> None:
    write(file, Kind.ROLLBACK)
    assert {feature: set(hidden) for feature, hidden in hidden_from(file, FLAGS, WHOLE).items()} == {FEATURE: users()}
    write(file, Kind.THROTTLE)
    once = set(hidden_from(file, FLAGS, WHOLE)[FEATURE])
    assert 0.25 < len(once) / len(users()) < 0.55
    write(file, Kind.THROTTLE, Kind.THROTTLE)
    assert once < set(hidden_from(file, FLAGS, WHOLE)[FEATURE])


def test_nothing_is_hidden_by_a_flag_that_is_on_is_not_there_or_serves_a_lesser_form(file: FlagFile) -> None:
    assert hidden_from(file, FLAGS, WHOLE) == {}
    write(file)
    assert hidden_from(file, FLAGS, WHOLE) == {}
    write(file, Kind.ROLLBACK)
    assert hidden_from(file, {FEATURE: "another"}, WHOLE) == {}
    lesser = {"variants": {"on": "b", "off": "a"}}
    write(file, Kind.ROLLBACK, **lesser)
    assert hidden_from(file, FLAGS, WHOLE) == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"flags": {"f": 1}}'])
def test_a_broken_file_of_flags_hides_nothing(file: FlagFile, text: str) -> None:
    file.path.write_text(text)
    assert hidden_from(file, FLAGS, WHOLE) == {}


def test_only_days_that_are_made_after_the_change_lack_what_was_not_shown(file: FlagFile, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    folder = simulation_folder("simulator", SIMULATE, landing)
    simulated_files("simulator", SIMULATE.model_copy(update={"days": 1}), landing, lambda _: None)
    first = (folder / f"{DAY}.parquet").read_bytes()
    feature = FEATURE.replace("_", "-")
    document = first_document([f"flag-{feature}"])
    file.path.write_text(json.dumps(changed_document(document, FlagChange(f"flag-{feature}", Kind.ROLLBACK, "a1"))))
    made = deliveries(product(), landing, flags=file)
    assert (folder / f"{DAY}.parquet").read_bytes() == first
    whole = simulated_day(SIMULATE.plan(), date(2026, 5, 5))
    assert pl.read_parquet(made[1].path).equals(whole.filter(pl.col("feature") != FEATURE))


def test_without_a_file_of_flags_every_byte_stays_as_it_was(file: FlagFile, tmp_path: Path) -> None:
    plain = [made.batch_id for made in deliveries(product(), tmp_path / "plain")]
    assert [made.batch_id for made in deliveries(product(), tmp_path / "landing", flags=file)] == plain
