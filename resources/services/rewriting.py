"""Rewriting: a language model puts a brief in other words, and what it writes is kept where it says what the facts say.

Nothing is sent unless product.yaml has an address, and then the sentences of one brief.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from pydantic import BaseModel, Field

from intelligence.briefs.brief import Brief
from intelligence.briefs.rewriting import ASK, Rewritten, asked_of, with_checked
from intelligence.catalog.product import Product
from resources.config.settings import language_key
from resources.language.chat_server import ChatServer, Message, NoReply, Reply
from resources.language.shaped import shaped_reply

if TYPE_CHECKING:
    from resources.language.reply_book import ReplyBook

PURPOSE: Final = "rewriter"
MOST_TOKENS: Final = 3_000


class Sentences(BaseModel):
    """What the model replies: a sentence for each that it was given."""

    sentences: list[str] = Field(max_length=200)


class Replying(Protocol):
    """Something that replies to a conversation, such as a `ChatServer` or a `ReplyBook`."""

    def reply(self, messages: Sequence[Message], *, most_tokens: int = ...) -> Reply:
        """Return the reply.

        Args:
            messages: The conversation.
            most_tokens: The largest number of tokens of the reply.
        """


@dataclass(frozen=True, slots=True)
class RewritingService:
    """Has briefs put in other words.

    Attributes:
        product: The product.
        state_url: The state store, in which replies are kept and calls are counted.
        clock: Returns the current time in UTC; a day of the budget is its date.
        server: Who rewrites; None for the server that product.yaml names, within the budget of calls that it has a day.
    """

    product: Product
    state_url: str
    clock: Callable[[], datetime]
    server: Replying | None = None

    @property
    def is_on(self) -> bool:
        """Return whether somebody rewrites."""
        return self.server is not None or self.product.briefs.rewriter_url is not None

    def rewritten(self, brief: Brief, names: Collection[str] = ()) -> Rewritten:
        """Return the brief in other words; each sentence that says something else, or all without a reply, as the rules have it.

        Args:
            brief: The brief.
            names: Names that may not come in, such as those of all features.
        """
        server = self.replying()
        if server is None:
            return _unchanged(brief, "product.yaml names no rewriter_url")
        messages: list[Message] = [
            {"role": "system", "content": ASK},
            {"role": "user", "content": asked_of(brief)},
        ]
        try:
            found = shaped_reply(lambda asked: server.reply(asked, most_tokens=MOST_TOKENS), messages, Sentences)
        except NoReply as error:
            return _unchanged(brief, str(error))
        return with_checked(brief, found.sentences, names)

    def replying(self) -> Replying | None:
        """Return who rewrites; None where product.yaml names nobody."""
        return self.server or self._book()

    def _book(self) -> "ReplyBook | None":
        asked = self.product.briefs
        if asked.rewriter_url is None:
            return None
        from resources.language.reply_book import ReplyBook
        from resources.state.store import state_at

        server = ChatServer(
            asked.rewriter_url, asked.rewriter_model, key=language_key(), timeout_s=asked.rewriter_timeout_s
        )
        return ReplyBook(server, state_at(self.state_url), self.clock, PURPOSE, asked.rewriter_calls_per_day)


def _unchanged(brief: Brief, why: str) -> Rewritten:
    own = tuple(map(str, brief.sentences))
    return Rewritten(brief, own, dict.fromkeys(range(len(own)), why))
