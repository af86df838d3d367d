"""The section `decisions` of product.yaml: how far each action may go alone, what it is worth, and where it ends."""

import hashlib
import json
from datetime import date
from itertools import pairwise
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from intelligence.core.sections import Section
from intelligence.decisions.autonomy import ACTIVE, Kind, Level

# Raise it when the code of the policy decides otherwise on the same settings.
REVISION: Final = 3

Share = Annotated[float, Field(ge=0, le=1)]
Hour = Annotated[int, Field(ge=0, le=23)]
InDoubt = Literal["monitor", "alert", "lower_one_step"]


class ActionKind(Section):
    """How far one kind of action may go, what it is expected to be worth, and what doubt makes of it.

    `level` is its step on the ladder; `confidence` what must at least be sure of it; `effect` the share of the harm that
    it takes away. It costs `cost` and `cost_per_user`, both in users harmed for a day. `no_data` says what happens when
    what it must know is missing, `inconclusive` when something speaks for it and not enough: `monitor` and `alert`
    allow nothing stronger than that, `lower_one_step` lets the next weaker action take its place.
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


class Limits(Section):
    """How much may be touched, how often and when.

    `minimum_users` are those of a mean day of the last week, `minimum_harmed_users` those whom the trouble hits on one day.
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
    """From where on an input is doubted; each doubt lowers what touches the product by one step of the ladder."""

    widest_interval: Share = 0.5
    oldest_model_days: int = Field(60, ge=1)


class Signs(Section):
    """What trouble looks like: how recent a release can be blamed, and from when on trouble is slow or lasting.

    A release is blamed where it fails `blamed_multiple` times as often as everything else in use. Errors rise from
    `rising` standard errors above the four weeks before; trouble lasts after `lasting_days`.
    """

    blamed_release_days: int = Field(14, ge=1)
    blamed_multiple: float = Field(2, ge=1)
    ramp_days: int = Field(3, ge=0)
    rising: float = Field(3, ge=0)
    lasting_days: int = Field(5, ge=1)


class QuietHours(Section):
    """Hours on the product's clock in which nothing is touched without a person; `until` is the first hour after them."""

    since: Hour
    until: Hour

    def has(self, hour: int) -> bool:
        """Return whether the hour lies in them; they may run over midnight.

        >>> QuietHours(since=22, until=6).has(3)
        True
        """
        return self.since <= hour < self.until if self.since < self.until else hour >= self.since or hour < self.until


class Freeze(Section):
    """Days, both included, on which nothing is touched; it is only advised."""

    first: date
    last: date

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> "Freeze":
        if self.last < self.first:
            raise ValueError(f"ends on {self.last}, before it starts on {self.first}")
        return self


class Entities(Section):
    """From which risk on a single user, session or device is throttled or blocked, and what holds where nothing is known."""

    throttle: Share = 0.7
    block: Share = 0.9
    fallback: Literal["allow", "throttle"] = "allow"
    level: Level = "shadow"

    @model_validator(mode="after")
    def _block_is_above_throttle(self) -> "Entities":
        if self.block <= self.throttle:
            raise ValueError(f"blocks from {self.block} and throttles from {self.throttle}; `block` must be above")
        return self


class Decisions(Section):
    """The policy of a product; left empty it decides everything and does nothing."""

    rollback: Rollback = Rollback()
    throttle: Throttle = Throttle()
    hold: Hold = Hold()
    alert: Alert = Alert()
    ticket: Ticket = Ticket()
    harm_per_user: float = Field(1, gt=0)
    throttle_step: float = Field(0.5, gt=0, le=1)
    limits: Limits = Limits()
    doubt: Doubt = Doubt()
    signs: Signs = Signs()
    quiet_hours: tuple[QuietHours, ...] = ()
    freeze: tuple[Freeze, ...] = ()
    entities: Entities = Entities()

    @model_validator(mode="after")
    def _stronger_actions_cost_more(self) -> "Decisions":
        """Refuse costs by which fewer users at stake would make a stronger action the better one."""
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
        """Return the same policy with every kind of action on that step of the ladder.

        >>> Decisions().at_level("auto").rollback.level
        'auto'
        """
        raised: dict[str, ActionKind] = {kind: self.of(kind).model_copy(update={"level": level}) for kind in ACTIVE}
        return self.model_copy(update=raised)

    @property
    def version(self) -> str:
        """Return what names this policy: a hash of every setting, defaults included, and of the code's revision."""
        settings = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(f"{REVISION}\n{settings}".encode()).hexdigest()[:12]
