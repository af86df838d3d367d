"""The parts sum to the change exactly, and a planted bad release is named with its platform."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelligence.causality.decomposition import decomposition, why
from intelligence.core.errors import CausalityError, NotEnoughEvidence

DIMENSIONS = ("platform", "release", "region", "segment")


def period(
    rows: int, releases: dict[str, float], seed: int, *, bad: dict[str, str] | None = None, extra: float = 0.08
) -> pl.DataFrame:
    """Events of users: errors at 2 %, twice that on the web, and `extra` more in the bad part; some users have trouble anywhere."""
    draw = np.random.default_rng(seed)
    users = draw.integers(0, rows // 8, rows)
    of_user = np.random.default_rng(seed + 1)
    frame = pl.DataFrame(
        {
            "user_id": users,
            "platform": of_user.choice(["ios", "android", "web"], rows // 8, p=[0.3, 0.5, 0.2])[users],
            "region": of_user.choice(["eu", "us", "asia"], rows // 8)[users],
            "segment": of_user.choice(["free", "paid"], rows // 8)[users],
            "release": draw.choice(list(releases), rows, p=list(releases.values())),
            "own": of_user.gamma(0.5, 2.0, rows // 8)[users],
        }
    )
    rate = frame.select(0.02 * pl.col("own") * pl.when(platform="web").then(2).otherwise(1)).to_series().to_numpy()
    if bad:
        rate = (
            rate
            + extra
            * frame.select(pl.all_horizontal(pl.col(name) == value for name, value in bad.items()))
            .to_series()
            .to_numpy()
        )
    return frame.with_columns(failed=pl.Series(draw.random(rows) < np.clip(rate, 0, 1)), events=pl.lit(1))


ASKED = {
    "dimensions": DIMENSIONS,
    "numerator": "failed",
    "denominator": "events",
    "unit": "user_id",
    "metric": "error_rate",
}


@given(
    st.lists(
        st.tuples(
            st.integers(0, 50), st.integers(0, 50), st.integers(1, 50), st.integers(1, 50), st.sampled_from("bax")
        ),
        min_size=1,
        max_size=6,
    )
)
def test_mix_and_within_sum_to_the_change_exactly_and_reverse_with_the_periods(
    cells: list[tuple[int, int, int, int, str]],
) -> None:
    before = pl.DataFrame(
        [{"k": str(i), "n": n0, "d": d0} for i, (n0, _, d0, _, kind) in enumerate(cells) if kind != "a" or i == 0]
    )
    after = pl.DataFrame(
        [{"k": str(i), "n": n1, "d": d1} for i, (_, n1, _, d1, kind) in enumerate(cells) if kind != "b" or i == 0]
    )
    asked = {"by": ["k"], "numerator": "n", "denominator": "d"}
    found = decomposition(before, after, **asked)  # type: ignore[arg-type]
    change = after["n"].sum() / after["d"].sum() - before["n"].sum() / before["d"].sum()
    assert found.change.value == pytest.approx(change, abs=1e-12)
    assert found.mix + found.within == pytest.approx(change, abs=1e-12)
    back = decomposition(after, before, **asked)  # type: ignore[arg-type]
    assert (back.mix, back.within) == (pytest.approx(-found.mix, abs=1e-12), pytest.approx(-found.within, abs=1e-12))


def test_a_change_of_the_mix_alone_is_no_change_within() -> None:
    before = pl.DataFrame({"k": ["a", "b"], "n": [10, 40], "d": [100, 100]})
    after = pl.DataFrame({"k": ["a", "b"], "n": [5, 60], "d": [50, 150]})
    found = decomposition(before, after, by=["k"], numerator="n", denominator="d")
    assert found.within == 0
    assert found.mix == pytest.approx(0.075)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("releases", "bad"),
    [
        ({"4.1": 0.4, "4.2": 0.6}, {"platform": "android", "release": "4.2"}),
        ({"4.1": 0.85, "4.2": 0.15}, {"platform": "ios", "release": "4.2"}),
        ({"4.1": 0.7, "4.2": 0.3}, {"release": "4.2"}),
        ({"4.1": 1.0}, {"region": "asia"}),
        ({"4.1": 1.0}, {"platform": "web", "segment": "paid"}),
    ],
)
def test_the_planted_part_is_named_by_itself(releases: dict[str, float], bad: dict[str, str], seed: int) -> None:
    found = why(period(40_000, {"4.1": 1.0}, seed), period(40_000, releases, seed + 50, bad=bad), **ASKED)  # type: ignore[arg-type]
    assert found.suspect is not None, found.words
    assert dict(zip(found.suspect.dimensions, found.suspect.names, strict=True)) == bad, found.words
    assert found.suspect.named in found.words
    assert "grade D" in found.words
    for each in found.decompositions:
        assert each.mix + each.within == pytest.approx(found.decompositions[0].change.value, abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_nobody_is_named_where_nothing_was_planted(seed: int) -> None:
    found = why(period(20_000, {"4.1": 1.0}, seed), period(20_000, {"4.1": 0.5, "4.2": 0.5}, seed + 50), **ASKED)  # type: ignore[arg-type]
    assert found.suspect is None, found.words


def test_one_user_with_a_thousand_errors_is_no_suspect() -> None:
    before = period(20_000, {"4.1": 1.0}, 3)
    after = period(20_000, {"4.1": 0.5, "4.2": 0.5}, 4)
    loud = after.filter(platform="ios", release="4.2").head(1).with_columns(failed=pl.lit(True))
    found = why(before, pl.concat([after, *[loud] * 1_000]), **ASKED)  # type: ignore[arg-type]
    assert found.suspect is None


def test_what_is_missing_is_a_part_and_what_cannot_be_summed_an_error() -> None:
    frame = pl.DataFrame({"k": ["a", None], "n": [1, 2], "d": [10, 10], "t": ["x", "y"]})
    found = decomposition(frame, frame, by=["k"], numerator="n", denominator="d")
    assert {part.names for part in found.parts} == {("a",), ("not given",)}
    with pytest.raises(CausalityError, match="no column z"):
        decomposition(frame, frame, by=["z"], numerator="n", denominator="d")
    with pytest.raises(CausalityError, match="not numbers"):
        decomposition(frame, frame, by=["k"], numerator="t", denominator="d")
    with pytest.raises(CausalityError, match="is 0, negative or not finite"):
        decomposition(frame, frame.with_columns(d=pl.lit(0)), by=["k"], numerator="n", denominator="d")
    with pytest.raises(NotEnoughEvidence, match="0 in a whole period"):
        decomposition(frame.clear(), frame, by=["k"], numerator="n", denominator="d")
