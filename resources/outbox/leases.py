"""Who may deliver alone: a lease with an end, and a token that grows whenever another takes over.

Clocks may differ, so the end of a lease only says when another may try. What keeps two owners apart is the token: every
change of state renews the lease in its own transaction and is refused to a token that is not the last one.
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
    """Another owner took over; this one has to stop."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do what `name` stands for, until another takes it over."""

    name: str
    owner: str
    token: int

    def renew(self, connection: Connection, *, now: datetime) -> None:
        """Renew the lease in this transaction; raises LeaseLost where another has taken it over."""
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
        """Let the next owner begin at once; nothing happens where another has taken over already."""
        with state.writing() as connection:
            connection.execute(
                update(LEASES)
                .where(LEASES.c.name == self.name, LEASES.c.token == self.token)
                .values(owner=None, until=None)
            )


def new_owner() -> str:
    """Return a name for one delivery by this process."""
    me = this_process()
    return f"{me.host} {me.number} {me.birth} {uuid4().hex[:8]}"


def lease_taken(state: State, name: str, *, owner: str, now: datetime) -> Lease | None:
    """Return the lease, or None while another owner that may be alive holds it."""
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
    """Return whether the owner was a process of this machine that is no more; False where that cannot be known.

    `noted_at` is when the owner was noted down. Former versions noted no more than the process's number.
    """
    return _named_by(owner).is_gone(noted_at=noted_at.timestamp() if noted_at else None)


def _named_by(owner: str) -> ProcessIdentity:
    if " " in owner:
        host, number, birth, _ = owner.split(" ")
        return ProcessIdentity(host, int(number), birth)
    host, number = owner.rsplit(":", 2)[:2]
    return ProcessIdentity(host, int(number), None)


def _is_over(until: datetime, now: datetime) -> bool:
    # An end further away than any lease lasts was written by a clock that runs ahead.
    return until <= now or until > now + timedelta(seconds=2 * LEASE_S)
