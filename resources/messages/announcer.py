"""The outbox and its targets: opened when a message is to be sent, not when the code location loads."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from resources.config.settings import Settings, action_secrets
from resources.intake.product_file import product_at
from resources.state.glance import holds_nothing

if TYPE_CHECKING:
    from resources.flags.file import FlagFile
    from resources.flags.record import FlagRecord
    from resources.flags.target import Flags
    from resources.messages.notifier import Notifier
    from resources.outbox.deliverer import DeliveryReport
    from resources.outbox.door import Outbox


@dataclass(frozen=True, kw_only=True, slots=True)
class Announcer:
    """Opens the outbox and the targets that product.yaml names.

    Attributes:
        product_file: Path of product.yaml.
        state: SQLAlchemy URL of the store of actions.
        data: Folder into which the platform writes.
    """

    product_file: str
    state: str
    data: str

    @classmethod
    def of(cls, settings: Settings) -> "Announcer":
        """Return the announcer of these settings."""
        return cls(product_file=str(settings.product_file), state=settings.state, data=str(settings.data))

    def notifier(self) -> "Notifier":
        """Return the Notifier, which sends people each message once."""
        from resources.messages.notifier import Notifier

        settings = product_at(Path(self.product_file)).actions
        return Notifier.of(self.outbox(), settings, action_secrets(), data=Path(self.data))

    def is_opened(self) -> bool:
        """Return whether the store of actions exists; a sensor that finds none creates none."""
        from sqlalchemy import make_url

        address = make_url(self.state)
        return address.get_backend_name() != "sqlite" or Path(address.database or "").exists()

    def delivered(self, *, only: Collection[str] | None = None) -> "DeliveryReport":
        """Return the report of delivering every approved action whose target can be reached now.

        Args:
            only: Ids of the actions to deliver; None for all.
        """
        from resources.outbox.deliverer import delivered

        notifier = self.notifier()
        return delivered(notifier.outbox, notifier.targets, only=only, pace=notifier.pace)

    def flags(self, keys: Sequence[str]) -> tuple["FlagFile", "FlagRecord"]:
        """Return the file of flags and its record; missing flags are added where the file is the platform's own."""
        flags = self.flag_target()
        if keys and not Path(product_at(Path(self.product_file)).actions.flag_file).is_absolute():
            flags.file.declared(keys)
        return flags.file, flags.record

    def flag_target(self) -> "Flags":
        """Return the file of flags as a target of actions."""
        from resources.messages.connected import flags_of

        return flags_of(product_at(Path(self.product_file)).actions, Path(self.data), self.outbox())

    def flag_trouble(self) -> str | None:
        """Return what is wrong with the file of flags and what to do; None where it is whole or not needed."""
        product = product_at(Path(self.product_file))
        keyed = product.feature_defaults.flag_key or any(feature.flag_key for feature in product.features.values())
        is_of_another = bool(keyed) and Path(product.actions.flag_file).is_absolute()
        path = Path(self.data) / product.actions.flag_file
        if not is_of_another and not os.path.lexists(path) and holds_nothing(self.state, ("flag_changes", "flag_copy")):
            return None
        file = self.flags([])[0]
        if is_of_another and not file.path.exists():
            return file.trouble() or f"{file.path}: it is not there. Name the file in `actions: flag_file`."
        return file.trouble()

    def days_made(self) -> dict[date, datetime]:
        """Return when each day of the simulated product was simulated, in UTC."""
        from resources.config.settings import LANDING
        from resources.intake.delivery import days_made

        return days_made(product_at(Path(self.product_file)), Path(self.data) / LANDING)

    def outbox(self) -> "Outbox":
        """Return the Outbox."""
        from resources.outbox.door import Outbox

        return Outbox.of(self.state, product_at(Path(self.product_file)).actions)
