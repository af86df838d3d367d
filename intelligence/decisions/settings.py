"""The section `decisions` of product.yaml: how much each action may do without a person, its worth, and its limits."""

import hashlib
import json
from datetime import date
from itertools import pairwise
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from intelligence.core.grades import Grade
from intelligence.core.sections import Section
from intelligence.decisions.autonomy import ACTIVE, Kind, Level

# Increase it when a change of the code leads to other decisions under the same settings.
REVISION: Final = 5

Share = Annotated[float, Field(ge=0, le=1)]
Hour = Annotated[int, Field(ge=0, le=23)]
InDoubt = Literal["monitor", "alert", "lower_one_step"]


class ActionKind(Section):
    """The autonomy level of one kind of action, its expected worth, and how doubt limits it.

    Attributes:
        level: Its autonomy level.
        confidence: Least confidence in [0, 1] at which it is taken.
        effect: Share of the harm that it removes.
        cost: Fixed cost, in users harmed for a day.
        cost_per_user: Further cost for each user of the feature, in the same unit.
        no_data: What is allowed when the evidence that it requires is missing: `monitor` and `alert` allow nothing stronger
            than that, `lower_one_step` allows the next weaker action.
        inconclusive: The same when there is evidence for it, but less than `confidence`.
    """

    level: Level = "shadow"
    confidence: Share = 0.5
    effect: Share = 0.1
    cost: float = Field(1, ge=0)
    cost_per_user: float = Field(0, ge=0)
    no_data: InDoubt = "lower_one_step"
    inconclusive: InDoubt = "lower_one_step"


class Ticket(ActionKind):
    """A ticket: somebody looks at it within days."""


class Alert(ActionKind):
    """An alert: somebody looks at it today."""

    effect: Share = 0.3
    cost: float = Field(5, ge=0)


class Hold(ActionKind):
    """A hold: the ramp of a flag is frozen where it is."""

    effect: Share = 0.35
    cost: float = Field(8, ge=0)
    cost_per_user: float = Field(0.02, ge=0)
    no_data: InDoubt = "alert"


class Throttle(ActionKind):
    """A throttle: the exposure of a flag is reduced by `throttle_step`."""

    confidence: Share = 0.8
    effect: Share = 0.5
    cost: float = Field(15, ge=0)
    cost_per_user: float = Field(0.1, ge=0)
    no_data: InDoubt = "alert"


class Rollback(ActionKind):
    """A rollback: a flag serves its safe variant to everybody."""

    confidence: Share = 0.9
    effect: Share = 0.9
    cost: float = Field(20, ge=0)
    cost_per_user: float = Field(0.25, ge=0)
    no_data: InDoubt = "alert"
    inconclusive: InDoubt = "alert"


class Advance(Section):
    """An advance: a rollout shows a feature to the users of its next step. Whether it is due, its evidence alone says.

    Attributes:
        level: Its autonomy level.
    """

    level: Level = "shadow"


class Limits(Section):
    """How much the platform may touch, and how often.

    Attributes:
        minimum_users: Least number of users of the feature on a mean day of the last week.
        minimum_harmed_users: Least number of users harmed on one day.
        cooldown_days: Days that must pass between two touches of a feature.
        touches_before_person: Number of touches within `touches_within_days` from which a person decides.
        touches_within_days: Length of the period in which touches are counted.
        share_per_hour: Largest share of users touched without a person in an hour.
        share_per_day: Largest share of users touched without a person by decisions of a day.
        touches_per_day: Largest number of features touched without a person by decisions of a day.
        messages_per_day: Largest number of tickets and alerts by decisions of a day.
        person_from_tier: Highest tier number (0 is the most vital) on which a person decides; None for no tier.
    """

    minimum_users: float = Field(30, ge=0)
    minimum_harmed_users: float = Field(5, ge=0)
    cooldown_days: int = Field(3, ge=0)
    touches_before_person: int = Field(2, ge=1)
    touches_within_days: int = Field(28, ge=1)
    share_per_hour: Share = 0.25
    share_per_day: Share = 0.5
    touches_per_day: int = Field(3, ge=0)
    messages_per_day: int = Field(10, ge=0)
    person_from_tier: int | None = Field(0, ge=0, le=3)


class Doubt(Section):
    """When an input is doubted; each doubt lowers actions that touch the product by one autonomy level.

    Attributes:
        widest_interval: Widest interval of a risk that is not doubted.
        oldest_model_days: Greatest age of a champion that is not doubted.
    """

    widest_interval: Share = 0.5
    oldest_model_days: int = Field(60, ge=1)


class Signs(Section):
    """What counts as a sign of trouble.

    Attributes:
        blamed_release_days: Greatest age of a release that can be blamed.
        blamed_multiple: A release is blamed where it fails this many times as often as all other releases in use.
        ramp_days: Greatest age of a release whose ramp can be held.
        rising: Errors count as rising from this many standard errors above the four weeks before.
        lasting_days: Trouble counts as lasting after this many days.
        severe_signal: How sure a severe episode of signals makes that somebody should look; 0 leaves signals out.
    """

    blamed_release_days: int = Field(14, ge=1)
    blamed_multiple: float = Field(2, ge=1)
    ramp_days: int = Field(3, ge=0)
    rising: float = Field(3, ge=0)
    lasting_days: int = Field(5, ge=1)
    severe_signal: Share = 0.6


class QuietHours(Section):
    """Hours on the product's clock, from `since` until before `until`, in which nothing is touched without a person."""

    since: Hour
    until: Hour

    def has(self, hour: int) -> bool:
        """Return whether the hour, 0 to 23, is a quiet hour; quiet hours may include midnight.

        >>> QuietHours(since=22, until=6).has(3)
        True
        """
        return self.since <= hour < self.until if self.since < self.until else hour >= self.since or hour < self.until


class Freeze(Section):
    """A period from `first` to `last`, both included, in which touching the product is only advised."""

    first: date
    last: date

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> "Freeze":
        if self.last < self.first:
            raise ValueError(f"ends on {self.last}, before it starts on {self.first}")
        return self


class Exploration(Section):
    """How often the other safe answer is given by lot, so that it can be learned which one brings more; see docs/online.md.

    Attributes:
        share: Share of the decisions by a score, at most a tenth, that get the other answer; 0 draws no lots.
        safe: The answers between which lots are drawn; blocking is never one of them.
        seed: Number from which, with the event's id, the lot is made. Keep it secret where clients choose the ids of events.
    """

    share: float = Field(0, ge=0, le=0.1)
    safe: tuple[Literal["allow", "throttle"], ...] = ("allow", "throttle")
    seed: int = 7

    @model_validator(mode="after")
    def _has_two_answers(self) -> "Exploration":
        if self.share and set(self.safe) != {"allow", "throttle"}:
            raise ValueError(
                f"draws lots between {' and '.join(self.safe) or 'no answers'}: write safe: [allow, throttle], or share: 0"
            )
        return self


class Entities(Section):
    """The policy for a single user, session or device.

    Attributes:
        throttle: Least risk in [0, 1] at which it is throttled.
        block: Least risk in [0, 1] at which it is blocked.
        fallback: The answer where there is no risk score or a rule fails.
        level: Autonomy level; below `auto` answers are recorded and not enforced.
        exploration: How often the other safe answer is given by lot.
        throttle_cost: What throttling a sound event costs, as a share of the harm of a harmful one.
    """

    throttle: Share = 0.7
    block: Share = 0.9
    fallback: Literal["allow", "throttle"] = "allow"
    level: Level = "shadow"
    exploration: Exploration = Exploration()
    throttle_cost: Share = 0.05

    @model_validator(mode="after")
    def _block_is_above_throttle(self) -> "Entities":
        if self.block <= self.throttle:
            raise ValueError(f"blocks from {self.block} and throttles from {self.throttle}; `block` must be above")
        return self


class Decisions(Section):
    """The policy of a product; with the defaults everything is decided and nothing is done (shadow mode).

    `evidence` is the weakest evidence grade of a claim about an effect that may lead to touching the product: A for own
    experiments that are declared, B for natural experiments and undeclared ones too, C for adjusted estimates, D for anything.
    """

    rollback: Rollback = Rollback()
    throttle: Throttle = Throttle()
    hold: Hold = Hold()
    alert: Alert = Alert()
    ticket: Ticket = Ticket()
    advance: Advance = Advance()
    harm_per_user: float = Field(1, gt=0)
    throttle_step: float = Field(0.5, gt=0, le=1)
    limits: Limits = Limits()
    doubt: Doubt = Doubt()
    signs: Signs = Signs()
    quiet_hours: tuple[QuietHours, ...] = ()
    freeze: tuple[Freeze, ...] = ()
    entities: Entities = Entities()
    evidence: Grade = "B"

    @model_validator(mode="after")
    def _stronger_actions_cost_more(self) -> "Decisions":
        """Raise ValueError where a stronger action costs less: then it would pay off for fewer users than a weaker one."""
        for weaker, stronger in pairwise(ACTIVE):
            for name in ("cost", "cost_per_user"):
                less, more = getattr(self.of(weaker), name), getattr(self.of(stronger), name)
                if more < less:
                    raise ValueError(
                        f"has a `{stronger}` whose {name} of {more:g} is less than that of the weaker `{weaker}`"
                        f" ({less:g}): write at least {less:g}"
                    )
        return self

    def of(self, kind: Kind) -> ActionKind:
        """Return the settings of that kind of action; raises AttributeError for `monitor`, which has none."""
        found: ActionKind = getattr(self, kind)
        return found

    def at_level(self, level: Level) -> "Decisions":
        """Return the same policy with every kind of action at one autonomy level.

        >>> Decisions().at_level("auto").rollback.level
        'auto'
        """
        raised: dict[str, Section] = {kind: self.of(kind).model_copy(update={"level": level}) for kind in ACTIVE}
        return self.model_copy(update={**raised, "advance": Advance(level=level)})

    @property
    def version(self) -> str:
        """Return the version of the policy: a hash of every setting, defaults included, and of the code's revision."""
        settings = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(f"{REVISION}\n{settings}".encode()).hexdigest()[:12]
