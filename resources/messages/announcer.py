"""The outbox and its targets as a Dagster resource: opened when a message is to be sent, not when the code location loads."""

import dagster as dg

from resources.config.fixed import Fixed
from resources.config.settings import Settings
from resources.messages.announcements import Announcements


class Announcer(Fixed, Announcements, dg.ConfigurableResource["Announcer"]):
    """Opens the outbox and the targets that product.yaml names."""

    product_file: str
    state: str
    data: str

    @classmethod
    def of(cls, settings: Settings) -> "Announcer":
        """Return the announcer of these settings."""
        return cls(product_file=str(settings.product_file), state=settings.state, data=str(settings.data))
