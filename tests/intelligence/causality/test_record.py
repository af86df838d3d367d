"""A method is judged by own experiments, and loses a grade where its record is out of bounds."""

import numpy as np
import polars as pl
import pytest

from intelligence.causality.record import effect_of_adopting, records
from intelligence.core.errors import CausalityError, NotEnoughEvidence
from intelligence.core.grades import graded


def pairs(bias: float, *, number: int = 40, spread: float = 1.0, seed: int = 1) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    truth = draw.normal(0, 0.2, number)
    return pl.DataFrame(
        {
            "method": ["aipw"] * number,
            "experiment": truth + 0.05 * draw.normal(size=number),
            "experiment_se": [0.05] * number,
            "observed": truth + bias + 0.05 * spread * draw.normal(size=number),
            "observed_se": [0.05] * number,
            "outcome_sd": [1.0] * number,
        }
    )


@pytest.mark.parametrize(
    ("frame", "out"),
    [
        (pairs(0.0), False),
        (pairs(0.2), True),
        (pairs(-0.2), True),
        (pairs(0.0, spread=6.0), True),
        (pairs(0.2, number=4), None),
    ],
)
def test_a_method_is_out_of_bounds_by_bias_or_coverage_beyond_chance(frame: pl.DataFrame, out: bool | None) -> None:
    (record,) = records(frame)
    assert record.out_of_bounds is out
    assert graded("adjustment", record.findings).grade == ("D" if out else "C")
    assert record.words.startswith("aipw: ")


def test_each_method_has_its_record_and_no_pairs_no_record() -> None:
    both = pl.concat([pairs(0.0), pairs(0.3).with_columns(method=pl.lit("plain difference"))])
    assert [(each.method, each.out_of_bounds) for each in records(both)] == [
        ("aipw", False),
        ("plain difference", True),
    ]
    assert records(both.clear()) == []


def test_pairs_that_are_none_are_an_error() -> None:
    with pytest.raises(CausalityError, match="no column"):
        records(pairs(0.0).drop("outcome_sd"))
    with pytest.raises(CausalityError, match="no finite number"):
        records(pairs(0.0).with_columns(observed_se=pl.lit(None, pl.Float64)))


def test_an_experiment_with_partial_adoption_tells_the_effect_of_adopting() -> None:
    draw = np.random.default_rng(4)
    keen = draw.random(20_000)
    assigned = draw.random(20_000) < 0.5
    adopted = assigned & (keen > 0.6)
    frame = pl.DataFrame({"z": assigned, "t": adopted, "y": 2 * keen + 0.3 * adopted + draw.normal(size=20_000)})
    found = effect_of_adopting(frame, assigned="z", adopted="t", outcome="y")
    assert found.low < 0.3 < found.high
    assert found.high < 0.6
    with pytest.raises(NotEnoughEvidence, match="changes it by"):
        effect_of_adopting(frame.with_columns(t=pl.Series(keen > 0.5)), assigned="z", adopted="t", outcome="y")
    with pytest.raises(NotEnoughEvidence, match="too few units"):
        effect_of_adopting(frame.head(20), assigned="z", adopted="t", outcome="y")
