"""A connection to PostgreSQL on which nothing waits without end, also where the server hangs and cannot watch a time itself."""

import time
from typing import Any, Final

import psycopg
from typing_extensions import override

CONNECT_S: Final = 5
STATEMENT_S: Final = 10.0


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed where the server has not answered a statement within STATEMENT_S seconds."""

    @classmethod
    def opened(cls, *arguments: Any, **settings: Any) -> "BoundedConnection":
        """Return a connection; the server ends statements shortly before the connection would be closed.

        Args:
            arguments: What `psycopg.connect` takes.
            settings: What it takes by name.
        """
        found = cls.connect(*arguments, **{"connect_timeout": CONNECT_S, **settings})
        found.execute(f"SET statement_timeout = {int(STATEMENT_S * 900)}")
        found.commit()
        return found

    @override
    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Return what a step of the protocol returns.

        Args:
            gen: The step.
            interval: Seconds after which signals are looked at.
            timeout: Seconds to wait; STATEMENT_S where none are given.

        Raises:
            psycopg.OperationalError: The server did not answer in time.
        """
        limit, began = STATEMENT_S if timeout is None else timeout, time.monotonic()
        try:
            return super().wait(gen, interval, limit)
        except psycopg.OperationalError as error:
            if self.closed or time.monotonic() - began < limit:
                raise
            # What the server will say to this statement can no longer be told from what it says to the next one.
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server has not answered for {limit:g} s") from error
