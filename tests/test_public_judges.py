"""The agreement of stored verdicts with people is what their publisher counted, to the digit, and a changed verdict shows."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from benchmarks.judges import JUDGES, judged


def test_what_was_published_of_the_verdicts_is_reproduced() -> None:
    natural, misled = judged()
    assert (natural.name, natural.comparisons) == ("Natural, GPT-4", 100)
    assert (misled.name, misled.comparisons) == ("GPTOut, ChatGPT", 47)
    assert [len(each.published) for each in (natural, misled)] == [5, 5]
    assert natural.different() == misled.different() == []
    assert natural.published["straight"] == 0.95
    assert misled.published["swapped"] == pytest.approx(22 / 47)


def test_kappa_with_people_tells_a_sound_judge_from_a_misled_one() -> None:
    natural, misled = judged()
    assert natural.measured["decided_kappa"] == pytest.approx(0.9568, abs=1e-4)
    assert misled.measured["decided_kappa"] == pytest.approx(-0.2857, abs=1e-4)


def test_a_changed_verdict_is_no_longer_as_published(tmp_path: Path) -> None:
    shutil.copy(JUDGES / "published.csv", tmp_path)
    verdicts = pl.read_csv(JUDGES / "verdicts.csv")
    first = (pl.col("subset") == "Natural") & (pl.col("comparison") == 1)
    changed = verdicts.with_columns(straight=pl.when(first).then(3 - pl.col("straight")).otherwise("straight"))
    changed.write_csv(tmp_path / "verdicts.csv")
    natural, misled = judged(tmp_path)
    assert natural.different() == ["straight", "both", "same", "orders_kappa"]
    assert misled.different() == []
