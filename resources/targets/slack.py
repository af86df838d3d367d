"""Slack: one thread for each episode, whose first message is kept up to date."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from intelligence.actions.action import Action
from intelligence.actions.rendering import line, slack_message, slack_text
from intelligence.actions.target import Precedent, Receipt, Refused, Unavailable, Unknown
from resources.targets.http import SETTLE_S
from resources.targets.slack_calls import SlackCalls

NAME = "slack"
EVENT_TYPE = "intelligence_action"
PAGE = 200
MOST_PAGES = 20
CHANNEL_TYPES = "public_channel,private_channel"
CLOCK_SKEW = timedelta(minutes=10)
# Slack accepts the name of a channel when a message is posted; all other methods need its id.
_ID_BEGINS_WITH = ("C", "G", "D")


@dataclass(frozen=True, slots=True)
class Slack:
    """Channels and threads of Slack; `channel` is where an action goes that names none."""

    calls: SlackCalls
    channel: str
    name: str = NAME
    settle_s: float = SETTLE_S
    rate_per_s: float | None = None

    def sent(self, action: Action, precedent: Precedent | None) -> Receipt:
        """Return the receipt of the message, which is a reply where the episode has a thread.

        Args:
            action: The action; its id is the idempotency key.
            precedent: The first action of the same episode, whose thread is used; None starts a thread.

        Raises:
            Unavailable: Where nothing happened and the call may be repeated.
            Refused: Where nothing happened and repeating will not help.
            Unknown: Where the message may have been posted or not, or the first message of the thread was not updated.
        """
        thread = _thread(precedent)
        parameters = {
            "channel": thread["channel"] if thread else self._channel(action),
            "text": slack_message(action),
            "metadata": _metadata(action),
            "unfurl_links": False,
            "unfurl_media": False,
            "parse": "none",
            "link_names": False,
        }
        if thread:
            parameters["thread_ts"] = thread["parent"]
        posted = self.calls.answer("chat.postMessage", parameters)
        receipt = _receipt(posted["channel"], posted["ts"], thread)
        try:
            self._update_parent(precedent, action)
        except Unavailable as error:
            # The reply is posted. Its parent is updated later, when the reply is looked for.
            raise Unknown(f"the reply was posted, its parent was not updated: {error}") from None
        return receipt

    def found(self, action: Action, precedent: Precedent | None, *, since: datetime) -> Receipt | None:
        """Return the receipt of the message where the channel contains it; None where it does not.

        Args:
            action: The action; its id is the idempotency key.
            precedent: The first action of the same episode, whose thread is used; None starts a thread.
            since: When the action was planned, in UTC; older messages are not searched.

        Raises:
            Unavailable: Where Slack cannot be asked now.
            Unknown: Where there are too many channels or newer messages to search.
        """
        thread = _thread(precedent)
        channel = thread["channel"] if thread else self._channel_id(self._channel(action))
        if channel is None:
            return None
        asked = {"channel": channel, "include_all_metadata": True, "limit": PAGE}
        if thread:
            asked["ts"] = thread["parent"]
        asked["oldest"] = str((since - CLOCK_SKEW).timestamp())
        method = "conversations.replies" if thread else "conversations.history"
        ts = self._ts_of(action.id, method, asked)
        if ts is None:
            return None
        self._update_parent(precedent, action)
        return _receipt(channel, ts, thread)

    def undone(self, action: Action, receipt: Receipt) -> Receipt:
        """Return the receipt of the message, which is struck through and marked as withdrawn.

        Args:
            action: The action to undo.
            receipt: Its receipt, with the channel and the timestamp of the message.
        """
        text = f"_Withdrawn:_ ~{slack_text(line(action.title))}~"
        where = {"channel": receipt.details["channel"], "ts": receipt.details["ts"]}
        self._repeatable("chat.update", {**where, "text": text, "metadata": _metadata(action)})
        return receipt

    def _channel(self, action: Action) -> str:
        return str(action.payload.get("channel") or self.channel)

    def _channel_id(self, channel: str) -> str | None:
        if channel.startswith(_ID_BEGINS_WITH) and channel.isupper():
            return channel
        asked: dict[str, Any] = {"limit": PAGE, "exclude_archived": True, "types": CHANNEL_TYPES}
        for _ in range(MOST_PAGES):
            answer = self._repeatable("conversations.list", asked)
            for each in answer["channels"]:
                if each["name"] == channel.removeprefix("#"):
                    return str(each["id"])
            asked["cursor"] = answer.get("response_metadata", {}).get("next_cursor")
            if not asked["cursor"]:
                return None
        raise Unknown(f"Slack has too many channels to find {channel}; give its id")

    def _ts_of(self, key: str, method: str, asked: Mapping[str, Any]) -> str | None:
        page = dict(asked)
        for _ in range(MOST_PAGES):
            answer = self._repeatable(method, page)
            for message in answer["messages"]:
                payload = message.get("metadata", {}).get("event_payload", {})
                if payload.get("idempotency_key") == key:
                    return str(message["ts"])
            page["cursor"] = answer.get("response_metadata", {}).get("next_cursor")
            if not answer.get("has_more") or not page["cursor"]:
                return None
        raise Unknown("the channel has too many newer messages to be searched")

    def _repeatable(self, method: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return self.calls.answer(method, parameters)
        except Unknown as error:
            # A call that changes nothing, or nothing when repeated, can simply be repeated.
            raise Unavailable(str(error)) from None

    def _update_parent(self, precedent: Precedent | None, newest: Action) -> None:
        thread = _thread(precedent)
        if precedent is None or thread is None:
            return
        text = slack_message(precedent.action, latest=newest.title)
        where = {"channel": thread["channel"], "ts": thread["parent"], "parse": "none", "link_names": False}
        # Repeating changes nothing, so a lost answer leaves no doubt. A parent that a person removed is not restored.
        with suppress(Refused):
            self._repeatable("chat.update", {**where, "text": text, "metadata": _metadata(precedent.action)})


def _thread(precedent: Precedent | None) -> Mapping[str, Any] | None:
    return precedent.receipt.details if precedent else None


def _receipt(channel: str, ts: str, thread: Mapping[str, Any] | None) -> Receipt:
    parent = thread["parent"] if thread else ts
    return Receipt(f"{channel}/{ts}", {"channel": channel, "ts": ts, "parent": parent})


def _metadata(action: Action) -> dict[str, Any]:
    payload = {"idempotency_key": action.id, "episode": action.episode_key, "decision_id": action.decision_id}
    return {"event_type": EVENT_TYPE, "event_payload": payload}
