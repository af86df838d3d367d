"""Feature flags in a file as a target: a person's change has priority, and a change counts only after it was read back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from intelligence.actions.action import Action
from intelligence.actions.flags import (
    STEP,
    Document,
    FlagChange,
    changed_document,
    digest_of,
    exposure,
    flag_in,
    former_rule,
    on_variant,
    restored_document,
    version_of,
)
from intelligence.actions.target import Precedent, Receipt, Refused, Unavailable, Unknown
from intelligence.core.errors import ActionError
from resources.config.faults import reach
from resources.flags.file import FlagFile
from resources.flags.record import FlagRecord, Left

NAME = "flags"
TOLERANCE = 0.05
WATCHER = "read-back"


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags of one file, with the record of what the platform did to them."""

    file: FlagFile
    record: FlagRecord
    name: str = NAME
    settle_s: float = 0.0
    rate_per_s: float | None = None

    def sent(self, action: Action, precedent: Precedent | None) -> Receipt:  # noqa: ARG002
        """Return the receipt of the changed flag, which contains the rule that it had before.

        Args:
            action: The action; its payload names the `flag` and may give `step`, `safe`, `on`, `share` and
                `former_share`. A `digest` says how the flag was when the action was planned.
            precedent: Not used: a flag needs no earlier message.

        Raises:
            Unavailable: Where another process changes the file at the same time.
            Refused: Where the flag is locked, was changed by a person, or the file is broken.
            Unknown: Where OpenFeature serves something else than was written.
        """
        flag, planned_on = _flag_of(action), action.payload.get("digest")
        step, safe, on, share, former = (
            action.payload.get(name) for name in ("step", "safe", "on", "share", "former_share")
        )
        change = FlagChange(flag, action.kind, action.id, STEP if step is None else step, safe, on, share, former)
        return self._changed(flag, action.id, lambda document: changed_document(document, change), planned_on)

    def found(self, action: Action, precedent: Precedent | None, *, since: datetime) -> Receipt | None:  # noqa: ARG002
        """Return the receipt if the file contains the change, None if the flag is as it was before the change.

        Args:
            action: The action; its payload names the flag.
            precedent: Not used: a flag needs no earlier message.
            since: Not used: the record of flags says what the action did.

        Raises:
            Unavailable: Where the file is broken now, so that it can be asked only later.
            Unknown: Where a person changed the flag in the meantime.
        """
        left = self.record.of_action(action.id)
        if left is None:
            return None
        try:
            with self._turn():
                digest = digest_of(self.file.document(), left.flag)
                if left.done or digest == left.digest:
                    return self._finished(left)
        except Refused as error:
            # The file is broken now; when it is whole again it can be asked.
            raise Unavailable(str(error)) from None
        if digest == left.base_digest:
            return None
        raise Unknown(f"flag {left.flag} was changed by a person meanwhile")

    def undone(self, action: Action, receipt: Receipt) -> Receipt:
        """Return the receipt of the former rule, which is restored.

        Args:
            action: The action to undo.
            receipt: Its receipt, with the flag and its former rule.

        Raises:
            Refused: Where the flag was changed since.
        """
        flag, former = receipt.details["flag"], receipt.details["former"]
        undo_id = f"{action.id}:undo"
        left = self.record.last(flag)
        if left and left.action_id == undo_id and left.digest == digest_of(self._document(), flag):
            return self._finished(left)
        if left is None or left.action_id not in (action.id, undo_id):
            raise Refused(f"flag {flag} was changed since; undo the later action, or mend it by hand")
        return self._changed(flag, undo_id, lambda doc: restored_document(doc, flag, former, action_id=undo_id))

    def lapsed(self) -> str | None:
        """Return what is wrong with the file; None where it is whole."""
        trouble = self.file.trouble()
        if trouble and self.record.lost_since() is None:
            self.record.note("lost", str(self.file.path), actor=WATCHER, reason=trouble)
        elif trouble is None and self.file.path.exists():
            self.file.keep()
        return trouble

    def standing_actions(self) -> frozenset[str]:
        """Return the ids of the actions that changed flags which no person has taken over since."""
        return self.record.standing_actions()

    def taken_over(self) -> dict[str, str]:
        """Return, by action, how its flag is now where a person changed it since; nothing where the file is broken."""
        try:
            document = self.file.document()
        except ActionError:
            return {}
        found = {}
        for flag in self.record.least_versions():
            left = self.record.last(flag)
            if left and left.done and digest_of(document, flag) != left.digest:
                share = exposure(document, flag)
                seen = "by its targeting" if share is None else f"for {share:.0%} of users"
                found[left.action_id] = f"a person changed {flag} since: it is on {seen}"
        return found

    def _changed(
        self, flag: str, action_id: str, changed: Callable[[Document], Document], planned_on: str | None = None
    ) -> Receipt:
        with self._turn():
            text = self.file.text()
            before = self.file.document_in(text)
            self._demand_untouched(flag, before, planned_on)
            after = changed(before)
            left = self.record.intend(flag, action_id, before, after, former_rule(before, flag))
            reach("flag.change_intended")
            if not self.file.write(after, instead_of=text):
                raise Unavailable("somebody edited the flags at this moment")
            reach("flag.written")
            return self._finished(left)

    def _demand_untouched(self, flag: str, document: Document, planned_on: str | None) -> None:
        lock = self.record.lock_of(flag)
        if lock:
            raise Refused(f"flag {flag} is locked ({lock.actor}: {lock.reason}) until it is released")
        flag_in(document, flag)
        left = self.record.last(flag)
        # A change that was intended but not read back may be in the file or not; one that was read back is.
        expected = {left.digest} | ({left.base_digest} if not left.done else set()) if left else {planned_on} - {None}
        if expected and digest_of(document, flag) not in expected:
            when = "after the platform" if left else "after the action was planned"
            self.record.lock(flag, actor=WATCHER, reason=f"a person changed it {when}")
            raise Refused(f"flag {flag} was changed by a person; it is locked until it is released")

    def _finished(self, left: Left) -> Receipt:
        document = self.file.document()
        served = _read_back(self.file, document, left.flag)
        if not left.done:
            self.record.finish(left)
        details = {"flag": left.flag, "version": left.version, "former": dict(left.former), "served": served}
        return Receipt(f"{left.flag} version {left.version}", details)

    def _document(self) -> Document:
        with self._turn():
            return self.file.document()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        try:
            with self.file.turn():
                yield
        except TimeoutError as error:
            raise Unavailable(str(error)) from None
        except ActionError as error:
            raise Refused(str(error)) from None


def _read_back(file: FlagFile, document: Document, flag: str) -> float:
    """Return the share of users who are served the variant that is on; raises Unknown where it is not the written one."""
    written, version = exposure(document, flag), version_of(document, flag)
    try:
        served, read = file.served(flag, on_variant(document, flag))
    except Exception as error:
        raise Unknown(f"flag {flag} cannot be read through OpenFeature ({type(error).__name__})") from None
    if read != version:
        raise Unknown(f"flag {flag} was written as version {version}, and OpenFeature serves version {read}")
    if written is not None and abs(served - written) > TOLERANCE:
        raise Unknown(f"flag {flag} was written for {written:.0%} of users, and OpenFeature serves {served:.0%}")
    return served


def _flag_of(action: Action) -> str:
    flag = action.payload.get("flag")
    if not isinstance(flag, str) or not flag:
        raise Refused(f"the action on {action.feature} names no flag; give the feature a `flag_key`")
    return flag
