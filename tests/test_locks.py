"""Two sets of packages: what runs the platform, and that with extras and the tools of development."""

import re
import tomllib
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def locked(name: str) -> set[str]:
    return set((ROOT / name).read_text(encoding="utf-8").splitlines())


def named(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", each)[0] for each in requirements}


def packages(lines: set[str]) -> set[str]:
    return {line.split("==")[0] for line in lines}


def test_what_everybody_installs_is_a_part_of_what_developers_install() -> None:
    assert locked("requirements.lock") < locked("requirements-dev.lock")


def test_neither_lock_lacks_what_pyproject_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = dict(project["project"]["optional-dependencies"])
    # What brings packages for graphics cards with it is in no lock: CONTRIBUTING.md says how to install it.
    apart = named([*extras.pop("deep"), *extras.pop("rl")])
    # What `make setup` brings.
    served = [*extras.pop("ui"), *extras.pop("stream"), *extras.pop("agents")]
    core = named([*project["project"]["dependencies"], *served])
    more = named(
        [
            *chain.from_iterable(extras.values()),
            *project["dependency-groups"]["dev"],
        ]
    )
    assert core <= packages(locked("requirements.lock"))
    assert core | more <= packages(locked("requirements-dev.lock"))
    assert not more & packages(locked("requirements.lock"))
    assert not apart & packages(locked("requirements-dev.lock"))
    assert not [each for each in locked("requirements-dev.lock") if each.startswith("nvidia") and "never" not in each]


def test_every_dependency_has_a_floor() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = chain.from_iterable(project["project"]["optional-dependencies"].values())
    every = [*project["project"]["dependencies"], *extras, *project["dependency-groups"]["dev"]]
    assert [each for each in every if ">=" not in each and "==" not in each] == []
