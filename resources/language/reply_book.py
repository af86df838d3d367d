"""Replies kept by content, and how many calls a day may be made: what was asked before is not asked again."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import sleep as _sleep
from typing import Final

from sqlalchemy import func, insert, select, update

from resources.language.chat_server import ChatServer, Message, NoReply, Reply
from resources.state.store import State
from resources.state.tables import CHAT_CALLS

ATTEMPTS: Final = 2
LONGEST_WAIT_S: Final = 5.0
_TURN: Final = "chat"


class BudgetSpent(NoReply):
    """No more calls may be made today; what was asked before is still replied to."""


@dataclass(frozen=True, slots=True)
class ReplyBook:
    """A server whose replies are kept in the state store: the digest of what was asked, and the reply.

    Attributes:
        server: The server.
        state: The store.
        clock: Returns the current time in UTC; a day of the budget is its date.
        purpose: What the calls are for, such as `judge`; each purpose has a budget of its own.
        calls_per_day: How many calls may be made a day, failed ones included.
        sleep: Waits before a call is repeated.
        keeps: Returns what is kept of the text of a reply; all of it by default.
    """

    server: ChatServer
    state: State
    clock: Callable[[], datetime]
    purpose: str
    calls_per_day: int
    sleep: Callable[[float], None] = _sleep
    keeps: Callable[[str], str] = str

    def reply(self, messages: Sequence[Message], *, most_tokens: int = 800) -> Reply:
        """Return the kept reply, or that of the server, which is asked a second time where that may help.

        Args:
            messages: The conversation.
            most_tokens: The largest number of tokens of the reply.

        Raises:
            BudgetSpent: Where a call would exceed the budget of the day.
            NoReply: Where the server gives no reply that can be used.
        """
        digest = self._digest(messages, most_tokens)
        kept = self._kept(digest)
        if kept:
            return kept
        return self._asked(digest, messages, most_tokens, attempts=ATTEMPTS)

    def calls_today(self) -> int:
        """Return how many calls were made today for this purpose."""
        today = self.clock().date()
        query = select(func.count()).where(CHAT_CALLS.c.day == today, CHAT_CALLS.c.purpose == self.purpose)
        with self.state.reading() as connection:
            return connection.execute(query).scalar_one()

    def _asked(self, digest: str, messages: Sequence[Message], most_tokens: int, *, attempts: int) -> Reply:
        call = self._begun(digest)
        try:
            found = self.server.reply(messages, most_tokens=most_tokens)
        except NoReply as error:
            self._ended(call, outcome=str(error))
            wait = error.retry_after_s if error.retry_after_s is not None else 1.0
            if attempts == 1 or not error.may_repeat or wait > LONGEST_WAIT_S:
                raise
            self.sleep(wait)
            return self._asked(digest, messages, most_tokens, attempts=attempts - 1)
        self._ended(call, outcome="replied", reply=found)
        return found

    def _digest(self, messages: Sequence[Message], most_tokens: int) -> str:
        asked = [self.server.url, self.server.model, most_tokens, list(messages)]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    def _kept(self, digest: str) -> Reply | None:
        names = [getattr(CHAT_CALLS.c, name) for name in ("reply", "model", "tokens_in", "tokens_out")]
        query = select(*names).where(CHAT_CALLS.c.digest == digest, CHAT_CALLS.c.reply.is_not(None)).limit(1)
        with self.state.reading() as connection:
            row = connection.execute(query).first()
        return Reply(*row) if row else None

    def _begun(self, digest: str) -> int:
        """Record the call before it is made, so that one whose process is killed counts too; raises BudgetSpent."""
        with self.state.turn(_TURN):
            if self.calls_today() >= self.calls_per_day:
                raise BudgetSpent(f"the budget of {self.calls_per_day:,} calls a day is spent")
            now = self.clock()
            values = {"at": now, "day": now.date(), "purpose": self.purpose, "digest": digest}
            with self.state.writing() as connection:
                made = connection.execute(insert(CHAT_CALLS).values(**values, model=self.server.model, outcome="begun"))
                return int(made.inserted_primary_key[0])  # type: ignore[index] # an insert of one row has one

    def _ended(self, call: int, *, outcome: str, reply: Reply | None = None) -> None:
        values: dict[str, object] = {"outcome": outcome}
        if reply:
            values |= {
                "reply": self.keeps(reply.text),
                "model": reply.model,
                "tokens_in": reply.tokens_in,
                "tokens_out": reply.tokens_out,
            }
        with self.state.writing() as connection:
            connection.execute(update(CHAT_CALLS).where(CHAT_CALLS.c.sequence == call).values(**values))
