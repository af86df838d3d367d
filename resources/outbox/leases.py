"""Who alone may deliver: a lease with an end, and a token that grows whenever another owner takes over.

Clocks may differ, so the end of a lease only says when another owner may try. The token keeps two owners apart (it is a
*fencing token*): every change of state renews the lease in its own transaction, and fails unless its token is the last
one.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import Connection, select, update

from intelligence.core.errors import ActionError
from resources.config.process_identity import ProcessIdentity, this_process
from resources.state.rows import inserted_if_new
from resources.state.store import State
from resources.state.tables import LEASES

LEASE_S = 60.0


class LeaseLost(ActionError):
    """Another owner has taken over, and this one has to stop."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The exclusive right to the work called `name`, until another owner takes it over."""

    name: str
    owner: str
    token: int

    def renew(self, connection: Connection, *, now: datetime) -> None:
        """Renew the lease in this transaction.

        Args:
            connection: An open transaction on the state store; the change is part of it.
            now: The time by the owner's clock, in UTC.

        Raises:
            LeaseLost: Where another owner has taken it over.
        """
        renewed = connection.execute(
            update(LEASES)
            .where(LEASES.c.name == self.name, LEASES.c.token == self.token)
            .values(owner=self.owner, until=now + timedelta(seconds=LEASE_S))
        )
        if renewed.rowcount != 1:
            raise LeaseLost(
                self.name, "another deliverer has taken over.", hint="It goes on with what is left; nothing is to do."
            )

    def give_back(self, state: State) -> None:
        """End the lease so that the next owner can begin at once; it has no effect where another has taken over already."""
        with state.writing() as connection:
            connection.execute(
                update(LEASES)
                .where(LEASES.c.name == self.name, LEASES.c.token == self.token)
                .values(owner=None, until=None)
            )


def new_owner() -> str:
    """Return a unique name for one delivery by this process."""
    me = this_process()
    return f"{me.host} {me.number} {me.birth} {uuid4().hex[:8]}"


def lease_taken(state: State, name: str, *, owner: str, now: datetime) -> Lease | None:
    """Return the lease, or None while another owner that may be alive holds it.

    Args:
        state: The state store that keeps leases.
        name: The work that is leased, such as `delivery`.
        owner: The name of the new owner; see `new_owner`.
        now: The time by the owner's clock, in UTC.
    """
    with state.writing() as connection:
        inserted_if_new(connection, LEASES, [{"name": name, "token": 0}])
        held = connection.execute(select(LEASES).where(LEASES.c.name == name)).mappings().one()
        if (
            held["owner"]
            and not _is_over(held["until"], now)
            and not is_gone(held["owner"], noted_at=held["until"] - timedelta(seconds=LEASE_S))
        ):
            return None
        taken = connection.execute(
            update(LEASES)
            .where(LEASES.c.name == name, LEASES.c.token == held["token"])
            .values(owner=owner, until=now + timedelta(seconds=LEASE_S), token=held["token"] + 1)
        )
        return Lease(name, owner, held["token"] + 1) if taken.rowcount == 1 else None


def is_gone(owner: str, *, noted_at: datetime | None = None) -> bool:
    """Return whether the owner was a process of this machine that has ended; False where that cannot be known.

    Args:
        owner: The name of the owner; former versions recorded only host and process number.
        noted_at: When the owner was recorded, in UTC: a process that started later only reuses the number.
    """
    return _process_named(owner).is_gone(noted_at=noted_at.timestamp() if noted_at else None)


def _process_named(owner: str) -> ProcessIdentity:
    if " " in owner:
        host, number, birth, _ = owner.split(" ")
        return ProcessIdentity(host, int(number), birth)
    host, number = owner.rsplit(":", 2)[:2]
    return ProcessIdentity(host, int(number), None)


def _is_over(until: datetime, now: datetime) -> bool:
    # An end further away than any lease lasts was written by a clock that runs ahead.
    return until <= now or until > now + timedelta(seconds=2 * LEASE_S)
