"""How often each score errs, as counted on labelled answers: without such a card no rate is called a rate of faults.

The numbers are those that `python -m benchmarks.answers` prints for simulated answers with planted faults, and for `refusal` those for
public answers as well; whoever has labelled answers of a product measures them there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Card:
    """What a score said of labelled answers to which it applies.

    Attributes:
        found: Answers with the fault that it flags.
        missed: Answers with the fault that it does not flag.
        false: Answers without the fault that it flags.
        passed: Answers without the fault that it does not flag.
    """

    found: int
    missed: int
    false: int
    passed: int

    @property
    def faulty(self) -> int:
        """Return how many answers had the fault."""
        return self.found + self.missed

    @property
    def sound(self) -> int:
        """Return how many answers did not have the fault."""
        return self.false + self.passed

    @property
    def sensitivity(self) -> float:
        """Return the share of faulty answers that it flags; 0 where there were none."""
        return self.found / self.faulty if self.faulty else 0.0

    @property
    def specificity(self) -> float:
        """Return the share of other answers that it does not flag; 0 where there were none."""
        return self.passed / self.sound if self.sound else 0.0

    @property
    def precision(self) -> float | None:
        """Return the share of flagged answers that had the fault; None where it flagged none."""
        flagged = self.found + self.false
        return self.found / flagged if flagged else None


CARDS: Final[Mapping[str, Card]] = {
    "ungrounded_number": Card(2_411, 7, 338, 35_189),
    "ungrounded_date": Card(541, 0, 0, 36774),
    "ungrounded_name": Card(61, 0, 0, 36740),
    "ungrounded_quote": Card(40, 0, 0, 36702),
    "contradicted_direction": Card(576, 0, 0, 36812),
    "refusal": Card(1623, 411, 0, 37945),
    "empty": Card(61, 0, 0, 39979),
    "cut_off": Card(573, 0, 0, 39406),
    "repetition": Card(571, 0, 0, 36904),
    "other_language": Card(59, 0, 0, 38297),
    "unsafe": Card(58, 0, 0, 39921),
    "personal_data": Card(58, 0, 0, 39921),
}
# What `refusal` said of full and partial refusals among public answers of a real model, which people labelled (`examples/refusals`): where
# the words of the score were chosen with the answers in view, and where they were not. Real models refuse in more ways than the simulated.
SEEN_REFUSALS: Final = Card(73, 49, 2, 100)
HELD_OUT_REFUSALS: Final = Card(4, 29, 1, 57)
