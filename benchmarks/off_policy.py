"""Off-policy evaluation on the Open Bandit Dataset (Saito et al. 2021): a published figure, and what really happened.

The small sample of the data set comes with the package obp, which pip downloads: 10,000 recommendations of a shop that were drawn
uniformly, and 10,000 that Thompson sampling made at the same time. What the second would have brought is estimated from the first.
"""

import zipfile

import numpy as np
import polars as pl
import yaml

from benchmarks.measuring import absolute, arguments, demand, downloaded, temporary
from intelligence.core.errors import NotEnoughEvidence
from intelligence.decisions.off_policy import LoggedDecisions, off_policy_value

PACKAGE = "obp==0.4.1"
DATA = "obp/dataset/obd/{policy}/all/all.csv"
# https://github.com/st-tech/zr-obp: value of Thompson sampling relative to the uniform policy, by inverse propensities.
PUBLISHED = 1.198126
# It draws the policy's probabilities by simulation, as this program does with another generator.
TOLERANCE = 0.02
DRAWS, SLOTS = 100_000, 3


def main() -> None:
    """Print the estimates beside what is published and what happened; end with status 1 where they differ."""
    parser = arguments(__doc__)
    parser.add_argument("--wheel", type=absolute, help=f"the wheel of {PACKAGE}; by default pip downloads it")
    chosen = parser.parse_args()
    with (
        temporary("off_policy", chosen.folder) as folder,
        zipfile.ZipFile(chosen.wheel or downloaded(PACKAGE, folder)) as wheel,
    ):
        uniform, thompson = (_logged(wheel, policy) for policy in ("random", "bts"))
        prior = yaml.safe_load(wheel.read("obp/policy/conf/prior_bts.yaml"))["all"]
    chances = _chances(np.array(prior["alpha"]), np.array(prior["beta"]))
    actions, positions = uniform["item_id"].to_numpy(), uniform["position"].to_numpy() - 1
    log = LoggedDecisions(uniform["click"].to_numpy(), uniform["propensity_score"].to_numpy(), np.arange(len(actions)))
    found = off_policy_value(log, chances[actions, positions])
    relative = found.ips.value / found.observed.value
    print(f"{len(actions):,} uniform recommendations, of which {found.effective_size:,.0f} count for Thompson sampling")
    print(
        f"clicks, uniform: {found.observed.value:.4f}; of Thompson sampling it made itself: {thompson['click'].mean():.4f}"
    )
    print(f"by inverse propensities:  {found.ips.value:.4f} ({found.ips.low:.4f} to {found.ips.high:.4f})")
    print(f"self-normalised:          {found.snips.value:.4f} ({found.snips.low:.4f} to {found.snips.high:.4f})")
    print(f"relative to uniform:      {relative:.3f}, published {PUBLISHED:.3f}")
    print(f"gain: {found.gain.words}: {'better' if found.is_better else 'not shown to be better'}")
    refused = ""
    try:
        shown = thompson["item_id"].to_numpy()
        rarest = int(np.bincount(shown)[np.bincount(shown) > 0].argmin())
        its_own = LoggedDecisions(
            thompson["click"].to_numpy(), thompson["propensity_score"].to_numpy(), np.arange(thompson.height)
        )
        off_policy_value(its_own, (shown == np.unique(shown)[rarest]).astype(float))
    except NotEnoughEvidence as error:
        refused = error.problem
    print(
        f"always the item that Thompson sampling showed least: refused, {refused}"
        if refused
        else "always the item that Thompson sampling showed least: not refused"
    )
    demand(abs(relative - PUBLISHED) <= TOLERANCE, f"{relative:.3f} is not the published {PUBLISHED:.3f}")
    demand(found.ips.low <= thompson["click"].mean() <= found.ips.high, "what happened is outside of the interval")
    demand(bool(refused), "a policy without support was not refused")


def _logged(wheel: zipfile.ZipFile, policy: str) -> pl.DataFrame:
    columns = ["item_id", "position", "click", "propensity_score"]
    return pl.read_csv(wheel.read(DATA.format(policy=policy)), columns=columns)


def _chances(alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Return the probability of each item in each slot under Thompson sampling, shape (items, slots)."""
    draw, counts = np.random.default_rng(12345), np.zeros((len(alpha), SLOTS))
    for _ in range(10):
        drawn = draw.beta(alpha, beta, size=(DRAWS // 10, len(alpha)))
        best = np.argsort(-drawn, axis=1)[:, :SLOTS]
        for slot in range(SLOTS):
            counts[:, slot] += np.bincount(best[:, slot], minlength=len(alpha))
    return counts / DRAWS


if __name__ == "__main__":
    main()
