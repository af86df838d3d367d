"""The effect of a treatment on an outcome in any frame with one row per unit, or per unit and time zero.

    >>> import numpy as np, polars as pl
    >>> draw = np.random.default_rng(3)
    >>> activity = draw.gamma(2.0, 2.0, 8_000)                       # before; active users adopt more, and stay more
    >>> adopted = draw.random(8_000) < 1 / (1 + np.exp(2.5 - 0.5 * activity))
    >>> stayed = draw.random(8_000) < np.clip(0.1 + 0.06 * activity + 0.05 * adopted, 0, 1)      # the truth is +0.05
    >>> earlier = draw.poisson(activity)                             # visits before: nobody adopts into the past
    >>> users = pl.DataFrame({"activity": activity, "adopted": adopted, "stayed": stayed, "earlier": earlier})
    >>> found = effect(users, treatment="adopted", outcome="stayed", confounders=["activity"], control="earlier")
    >>> print(found.words)
    adopted → stayed: +0.044 (95 % interval +0.019 to +0.070), grade C (adjusted and unrefuted); plain difference +0.221
    >>> [each.name for each in found.refutations if each.refuted]
    []

Overlap is looked at first, the estimate is cross-fitted and doubly robust, and the plain difference stands beside it. The claim
is grade C where no refutation contradicts it, and where a hidden confounder as strong as a measured one does not suffice to
explain it or a negative control rules out confounding of that size; else D. Confounders must have been measured before the
treatment: `intelligence.causality.graph` declares them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from intelligence.causality.covariates import covariates, numbers, present
from intelligence.causality.estimation import (
    DEFAULT,
    FEWEST_PER_ARM,
    Overlap,
    Rules,
    Sample,
    adjusted,
    enough,
    folds_of,
    naive,
)
from intelligence.causality.interval import Bools, Floats, Floats32, Interval, Ints, signed
from intelligence.causality.refutation import Refutation, negative_control, refutations
from intelligence.causality.sensitivity import Sensitivity, sensitivities
from intelligence.core.covariates import Covariates
from intelligence.core.errors import CausalityError, NotEnoughEvidence
from intelligence.core.grades import Finding, Graded, graded

# A confounder whose correlation with an outcome is as high as this holds the outcome itself.
SAME: Final = 0.9999
# Rows of an arm that end each way, for the normal law to tell the error of a share.
FEWEST_EACH_WAY: Final = 5


@dataclass(frozen=True, kw_only=True)
class Effect:
    """An adjusted effect with everything that speaks for and against it.

    Attributes:
        treatment: Column of the treatment.
        outcome: Column of the outcome.
        estimate: The adjusted effect, in the unit of the outcome.
        naive: The plain difference of the arms.
        baseline: Mean outcome of the target if nobody were treated.
        rows: Rows with a known treatment and outcome.
        units: Different units among them.
        treated: Treated rows among them.
        overlap: How far the arms can be compared.
        refutations: What was tried to refute it; empty where none was asked for.
        sensitivity: How strong a hidden confounder would have to be.
        graded: The evidence grade, with what lowered it.
    """

    treatment: str
    outcome: str
    estimate: Interval
    naive: Interval
    baseline: float
    rows: int
    units: int
    treated: int
    overlap: Overlap
    refutations: tuple[Refutation, ...]
    sensitivity: Sensitivity
    graded: Graded

    @property
    def words(self) -> str:
        """Return the claim with its interval, its grade and the plain difference, in a sentence."""
        shown = "" if self.estimate.excludes_zero else ", no effect shown"
        return (
            f"{self.treatment} → {self.outcome}: {self.estimate.words}{shown}, {self.graded.words}; "
            f"plain difference {signed(self.naive.value)}"
        )


@dataclass(frozen=True, slots=True)
class NoEffect:
    """A question that the frame cannot answer.

    Attributes:
        treatment: Column of the treatment.
        outcome: Column of the outcome.
        reason: What is missing, in words.
    """

    treatment: str
    outcome: str
    reason: str

    @property
    def words(self) -> str:
        """Return the question with what is missing."""
        return f"{self.treatment} → {self.outcome}: not enough evidence. {self.reason}"


def effect(
    frame: pl.DataFrame,
    *,
    treatment: str,
    outcome: str,
    confounders: Sequence[str],
    unit: str | None = None,
    control: str | None = None,
    findings: Sequence[Finding] = (),
    rules: Rules = DEFAULT,
) -> Effect:
    """Return the effect of one treatment on one outcome.

    Args:
        frame: One row per unit, or per unit and time zero. Rows without a treatment or outcome are left out.
        treatment: Column of Booleans, or of 0 and 1.
        outcome: Column of numbers or Booleans, measured after the treatment.
        confounders: Columns measured before the treatment: numbers, Booleans or text.
        unit: Column of the unit, where it has several rows; intervals are clustered by it.
        control: Negative-control outcome: a column that the treatment cannot have changed.
        findings: What is known against the claim from elsewhere, such as `method out of bounds`.
        rules: How effects are estimated.

    Raises:
        CausalityError: A column is missing or cannot be used in its part.
        NotEnoughEvidence: One arm only, too few units, no overlap, or an outcome that does not vary.
    """
    (found,) = _answers(frame, [treatment], [outcome], confounders, unit, control, findings, rules)
    if isinstance(found, NotEnoughEvidence):
        raise found
    return found


def effects(
    frame: pl.DataFrame,
    *,
    treatments: Sequence[str],
    outcomes: Sequence[str],
    confounders: Sequence[str],
    unit: str | None = None,
    control: str | None = None,
    findings: Sequence[Finding] = (),
    rules: Rules = DEFAULT,
) -> list[Effect | NoEffect]:
    """Return the effects of many treatments on many outcomes, which share the work on the confounders.

    Args:
        frame: One row per unit, or per unit and time zero.
        treatments: Columns of Booleans; a row that is not eligible for a treatment is null in its column.
        outcomes: Columns of numbers or Booleans.
        confounders: Columns measured before the treatments.
        unit: Column of the unit, where it has several rows.
        control: Negative-control outcome.
        findings: What is known against the claims from elsewhere.
        rules: How effects are estimated.

    Raises:
        CausalityError: A column is missing or cannot be used in its part.
    """
    found = _answers(frame, treatments, outcomes, confounders, unit, control, findings, rules)
    pairs = [(treatment, outcome) for treatment in treatments for outcome in outcomes]
    return [
        NoEffect(*pair, f"{each.culprit}: {each.problem}") if isinstance(each, NotEnoughEvidence) else each
        for pair, each in zip(pairs, found, strict=True)
    ]


@dataclass(frozen=True)
class _Shared:
    confounders: Covariates
    y: Floats
    clusters: Ints
    folds: Ints
    outcomes: tuple[str, ...]
    control: str | None
    findings: tuple[Finding, ...]
    rules: Rules


def _answers(
    frame: pl.DataFrame,
    treatments: Sequence[str],
    outcomes: Sequence[str],
    confounders: Sequence[str],
    unit: str | None,
    control: str | None,
    findings: Sequence[Finding],
    rules: Rules,
) -> list[Effect | NotEnoughEvidence]:
    named = [name for name in (unit, control) if name is not None]
    present(frame, [*treatments, *outcomes, *confounders, *named])
    if not confounders:
        raise CausalityError(
            "confounders", "are not named.", hint="Without any, only an experiment tells an effect from an association."
        )
    if frame.is_empty():
        raise NotEnoughEvidence("frame", "It has no rows.", hint="Choose days with active users.")
    units = _units(frame, unit)
    folds = folds_of(units, rules)
    order = np.argsort(folds, kind="stable")
    frame, units, folds = frame[order], units[order], folds[order]
    y = np.stack([numbers(frame[name]) for name in [*outcomes, *([control] if control else [])]], axis=1)
    _refuse_copies(frame, confounders, {name: y[:, place] for place, name in enumerate(outcomes)})
    arms = {name: _arm(frame[name]) for name in treatments}
    shared = _Shared(
        covariates(frame, confounders),
        y,
        units,
        folds,
        tuple(outcomes),
        control,
        tuple(findings),
        rules,
    )
    from threadpoolctl import threadpool_limits

    if rules.learner == "boosted":
        import sklearn.ensemble  # noqa: F401 # the limit holds for libraries that are loaded before it is set

    # Threads of BLAS and OpenMP wait in a spin: on a machine with other work two of them take ten times as long as one.
    with threadpool_limits(limits=1):
        return [each for name, arm in arms.items() for each in _of_treatment(name, arm, shared)]


def _refuse_copies(frame: pl.DataFrame, confounders: Sequence[str], outcomes: Mapping[str, Floats]) -> None:
    for name in (name for name in confounders if frame[name].dtype.is_numeric() or frame[name].dtype == pl.Boolean):
        values = numbers(frame[name])
        for outcome, y in outcomes.items():
            known = ~np.isnan(values) & ~np.isnan(y)
            one, other = values[known], y[known]
            varies = len(one) > 2 and one.std() > 0 and other.std() > 0
            if varies and abs(np.corrcoef(one, other)[0, 1]) > SAME:
                raise CausalityError(name, f"is {outcome} in another unit.", hint="Confounders are measured before it.")


def _units(frame: pl.DataFrame, unit: str | None) -> Ints:
    if unit is None:
        return np.arange(len(frame))
    if frame[unit].null_count():
        raise CausalityError(unit, "is null in some rows.", hint="Leave rows without a unit out.")
    return frame[unit].rank("dense").cast(pl.Int64).to_numpy() - 1


def _arm(column: pl.Series) -> Floats:
    found = numbers(column)
    other = np.unique(found[~np.isnan(found) & (found != 0) & (found != 1)])
    if len(other):
        raise CausalityError(
            column.name,
            f"holds {other[0]:g}, and a treatment is true or false.",
            hint="Compare with a threshold first.",
        )
    return found


def _of_treatment(name: str, arm: Floats, shared: _Shared) -> list[Effect | NotEnoughEvidence]:
    """Return the answers for one treatment; outcomes that are known for the same rows are estimated together."""
    eligible = ~np.isnan(arm)
    known = ~np.isnan(shared.y)
    groups = dict[bytes, list[int]]()
    for place in range(len(shared.outcomes)):
        groups.setdefault(np.packbits(known[:, place] & eligible).tobytes(), []).append(place)
    answers = dict[int, Effect | NotEnoughEvidence]()
    for places in groups.values():
        rows = known[:, places[0]] & eligible
        answers |= _of_group(name, arm, rows, places, shared)
    return [answers[place] for place in range(len(shared.outcomes))]


def _of_group(
    name: str, arm: Floats, rows: Bools, places: list[int], shared: _Shared
) -> Mapping[int, Effect | NotEnoughEvidence]:
    answers = dict[int, Effect | NotEnoughEvidence]()
    for place in places:
        values = shared.y[rows, place]
        if len(values) and values.min() == values.max():
            answers[place] = NotEnoughEvidence(
                shared.outcomes[place],
                f"It is {values[0]:g} in every row.",
                hint="An effect needs an outcome that varies.",
            )
        elif rare := _rare(values, arm[rows] == 1):
            answers[place] = NotEnoughEvidence(shared.outcomes[place], rare, hint="Wait for more users.")
    asked = [place for place in places if place not in answers]
    if not asked:
        return answers
    control = _control(rows, shared)
    columns = [*asked, *([] if control is None else [control])]
    whole = rows.all()
    _, clusters = np.unique(shared.clusters[rows], return_inverse=True)
    x: Floats32 = shared.confounders.values if whole else shared.confounders.values[rows]
    sample = Sample(x, arm[rows] == 1, shared.y[rows][:, columns], clusters.astype(np.int64), shared.folds[rows])
    try:
        enough(sample, "treated and untreated units")
        found = adjusted(sample, shared.rules)
    except NotEnoughEvidence as error:
        return answers | dict.fromkeys(asked, error)
    kept = sample if found.kept.all() else sample.rows(found.kept)
    spread = kept.y.std(axis=0)
    tried = refutations(kept, shared.rules) if shared.rules.refute else [()] * len(columns)
    strong = sensitivities(kept, shared.confounders.owners, found.effects, found.means)
    plain = naive(sample)
    for at, place in enumerate(asked):
        outcome, estimate = shared.outcomes[place], found.effects[at]
        if not spread[at]:
            answers[place] = NotEnoughEvidence(
                outcome, "It is the same in all comparable rows.", hint="An effect needs an outcome that varies."
            )
            continue
        refuted = tried[at]
        if control is not None and shared.control is not None and spread[-1]:
            own = negative_control(shared.control, found.effects[-1], float(spread[-1]), estimate, float(spread[at]))
            refuted = (*refuted, own)
        answers[place] = Effect(
            treatment=name,
            outcome=outcome,
            estimate=estimate,
            naive=plain[at],
            baseline=float(found.means[1, at]),
            rows=len(sample.treated),
            units=int(sample.clusters.max()) + 1,
            treated=int(sample.treated.sum()),
            overlap=found.overlap,
            refutations=refuted,
            sensitivity=strong[at],
            graded=graded("adjustment", _against(refuted, strong[at], shared.findings)),
        )
    return answers


def _rare(values: Floats, treated: Bools) -> str:
    """Return in words that a Boolean outcome hardly occurs, or hardly fails to, in an arm; empty where it does neither.

    The errors of an arm in which everybody ends alike look as if it were known for certain.
    """
    if not np.isin(values, (0.0, 1.0)).all():
        return ""
    for arm, name in ((treated, "treated"), (~treated, "untreated")):
        fewest, rows = int(min(values[arm].sum(), (1 - values[arm]).sum())), int(arm.sum())
        if rows >= FEWEST_PER_ARM and fewest < FEWEST_EACH_WAY:
            return f"All but {fewest} of {rows:,} {name} rows end alike."
    return ""


def _control(rows: Bools, shared: _Shared) -> int | None:
    """Return the column of the negative control, where it varies."""
    if shared.control is None:
        return None
    values = shared.y[rows, -1]
    if np.isnan(values).any():
        raise CausalityError(shared.control, "is null in rows that are estimated.", hint="Fill it, or leave them out.")
    return shared.y.shape[1] - 1 if len(values) and values.min() < values.max() else None


def _against(refuted: Sequence[Refutation], strong: Sensitivity, findings: Sequence[Finding]) -> list[Finding]:
    against: list[Finding] = list(findings)
    against += ["refuted"] if any(each.refuted for each in refuted) else []
    against += ["fragile"] if strong.fragile and not any(each.clears for each in refuted) else []
    return against
