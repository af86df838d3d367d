"""How far language models that judge agree with people, on public verdicts (`examples/judges`) beside the published figures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from benchmarks.measuring import ROOT
from intelligence.answers.judge import Calibration, Choice, calibration, verdict

JUDGES: Final = ROOT / "examples" / "judges"
# Figures are published with sixteen digits or as an exact fraction.
SAME: Final = 1e-9
SAYS: Final = {
    "straight": "agrees with people, output 1 first",
    "swapped": "agrees with people, output 2 first",
    "both": "agrees with people in both orders",
    "same": "prefers the same in both orders",
    "orders_kappa": "kappa of the two orders",
    "straight_kappa": "kappa with people, output 1 first",
    "swapped_kappa": "kappa with people, output 2 first",
    "decided": "agrees with people where decided",
    "decided_kappa": "kappa with people where decided",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """What a judge said of a set of comparisons, and what was published of it.

    Attributes:
        name: The set and the judge.
        comparisons: How many there are.
        measured: Each figure as the platform counts it; None where it cannot be told.
        published: The figures that the publisher counted.
    """

    name: str
    comparisons: int
    measured: Mapping[str, float | None]
    published: Mapping[str, float]

    def different(self) -> list[str]:
        """Return the published figures that are not reproduced."""
        return [
            figure
            for figure, value in self.published.items()
            if (found := self.measured[figure]) is None or abs(found - value) > SAME
        ]


def judged(folder: Path = JUDGES) -> Iterator[Judged]:
    """Yield the agreement of each judge with people on each set of comparisons.

    Args:
        folder: A folder with `verdicts.csv` and `published.csv`.
    """
    verdicts, published = pl.read_csv(folder / "verdicts.csv"), pl.read_csv(folder / "published.csv")
    for (subset, judge), rows in verdicts.group_by("subset", "judge", maintain_order=True):
        told = published.filter(pl.col("subset") == subset)
        yield Judged(f"{subset}, {judge}", rows.height, figures(rows), dict(told.select("figure", "value").iter_rows()))


def figures(rows: pl.DataFrame) -> dict[str, float | None]:
    """Return the figures of one judge on one set; output 1 is to it what a good answer is to the platform's judge.

    Args:
        rows: `people`, `straight` and `swapped`: the better output, 1 or 2.
    """
    is_first = [people == 1 for people in rows["people"]]
    straight, swapped = _calibration(rows["straight"], is_first), _calibration(rows["swapped"], is_first)
    orders = _calibration(rows["straight"], [chosen == 1 for chosen in rows["swapped"]])
    # Where output 2 is read first, whoever prefers output 1 chooses B.
    final = [
        verdict(Choice(choice="A" if one == 1 else "B"), Choice(choice="B" if other == 1 else "A"))
        for one, other in rows.select("straight", "swapped").iter_rows()
    ]
    decided = calibration(list(zip(final, is_first, strict=True)))
    return {
        "straight": straight.agreement,
        "swapped": swapped.agreement,
        "both": (decided.both_good + decided.both_bad) / rows.height,
        "same": decided.answers / rows.height,
        "orders_kappa": orders.kappa,
        "straight_kappa": straight.kappa,
        "swapped_kappa": swapped.kappa,
        "decided": decided.agreement,
        "decided_kappa": decided.kappa,
    }


def _calibration(chosen: pl.Series, is_first: list[bool]) -> Calibration:
    return calibration(
        [("good" if output == 1 else "bad", is_it) for output, is_it in zip(chosen, is_first, strict=True)]
    )


def print_judged(found: Judged) -> None:
    """Print each figure as measured beside the published one."""
    print(f"{found.name}: {found.comparisons} comparisons that people decided")
    print(f"  {'judge':37}{'measured':>10}{'published':>11}")
    for figure, says in SAYS.items():
        print(f"  {says:37}{_said(figure, found.measured[figure]):>10}{_said(figure, found.published.get(figure)):>11}")


def _said(figure: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if figure.endswith("kappa") else f"{value:.2%}"
