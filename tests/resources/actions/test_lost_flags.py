"""A file of flags that was lost is a broken one: nothing is made anew, it is told, and only a person's word mends it."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from intelligence.actions.action import Action, Kind
from intelligence.actions.flags import first_document
from intelligence.actions.lost_flags import loss
from intelligence.actions.settings import Actions
from intelligence.core.errors import ActionError
from resources.flags.target import Flags
from resources.messages.connected import flags_of
from resources.outbox.deliverer import DeliveryReport, delivered
from resources.outbox.door import Outbox
from tests.resources.actions.conftest import action

KEYS = ["checkout", "search", "quiz"]


class Deployment:
    """An outbox and the platform's own file of flags, without any server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outbox = Outbox.of(f"sqlite:///{folder}/state.db", Actions(targets=("flags",)))
        self.flags.file.declared(KEYS)

    @property
    def flags(self) -> Flags:
        return flags_of(Actions(targets=("flags",)), self.folder, self.outbox)

    @property
    def path(self) -> Path:
        return self.flags.file.path

    def rolled_back(self, flag: str = "checkout", kind: Kind = Kind.ROLLBACK) -> Action:
        asked = action(f"d-{flag}-{kind}", kind, "flags", feature=flag, episode=flag, payload={"flag": flag})
        self.outbox.planned([asked], actor="policy", reason="it burns", approved=True)
        assert self.deliver().ids("confirmed") == [asked.id]
        return asked

    def deliver(self) -> DeliveryReport:
        return delivered(self.outbox, [self.flags])

    def standing(self, asked: Action) -> str:
        return self.outbox.entry(asked.id).standing

    def edit(self, change: Callable[[dict[str, Any]], object]) -> None:
        document = json.loads(self.path.read_text())
        change(document)
        self.path.write_text(json.dumps(document))


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    made = Deployment(tmp_path)
    yield made
    made.outbox.state.close()


def deleted(deployment: Deployment) -> None:
    deployment.path.unlink()


def emptied(deployment: Deployment) -> None:
    deployment.path.write_text("")


def blank(deployment: Deployment) -> None:
    deployment.path.write_text(" \n\t\n")


def zeros(deployment: Deployment) -> None:
    deployment.path.write_bytes(b"\0" * deployment.path.stat().st_size)


def cut(deployment: Deployment) -> None:
    deployment.path.write_text(deployment.path.read_text()[:120])


def a_folder(deployment: Deployment) -> None:
    deployment.path.unlink()
    deployment.path.mkdir()


def a_dangling_link(deployment: Deployment) -> None:
    deployment.path.unlink()
    deployment.path.symlink_to(deployment.folder / "share" / "flags.json")


def no_text(deployment: Deployment) -> None:
    deployment.path.write_bytes(b"\xff\xfe\x00flags")


def a_list(deployment: Deployment) -> None:
    deployment.path.write_text("[]")


def flags_as_a_list(deployment: Deployment) -> None:
    deployment.path.write_text('{"flags": ["checkout"]}')


def without_flags(deployment: Deployment) -> None:
    deployment.path.write_text('{"flags": {}}')


def without_the_platforms_flag(deployment: Deployment) -> None:
    deployment.edit(lambda document: document["flags"].pop("checkout"))


def without_the_platforms_marks(deployment: Deployment) -> None:
    deployment.edit(lambda document: document["flags"]["checkout"].pop("metadata"))


def the_flag_as_text(deployment: Deployment) -> None:
    deployment.edit(lambda document: document["flags"].update(checkout="on"))


def of_before_the_rollback(deployment: Deployment) -> None:
    deployment.path.write_text(json.dumps(first_document(KEYS)))


def of_another_product(deployment: Deployment) -> None:
    deployment.path.write_text(json.dumps(first_document(["other"])))


LOSSES = [
    deleted, emptied, blank, zeros, cut, a_folder, a_dangling_link, no_text, a_list, flags_as_a_list, without_flags,
    without_the_platforms_flag, without_the_platforms_marks, the_flag_as_text, of_before_the_rollback, of_another_product,
]  # fmt: skip


def bytes_at(path: Path) -> object:
    if path.is_symlink():
        return os.readlink(path)
    return path.read_bytes() if path.is_file() else path.is_dir()


@pytest.mark.parametrize("lost", LOSSES, ids=lambda each: each.__name__)
def test_a_lost_file_is_left_alone_told_and_restored_by_a_persons_word_alone(
    deployment: Deployment, lost: Callable[[Deployment], None]
) -> None:
    asked = deployment.rolled_back()
    whole = deployment.path.read_text()
    lost(deployment)
    left = bytes_at(deployment.path)
    for _ in range(2):
        with pytest.raises(ActionError, match=str(deployment.path)):
            deployment.flags.file.declared(KEYS)
        deployment.deliver()
        assert bytes_at(deployment.path) == left, "nothing is touched"
        assert deployment.standing(asked) == "unconfirmed", "a rollback whose flag cannot be read back is not confirmed"
    assert str(deployment.path) in (deployment.flags.file.trouble() or "")
    assert [line.event for line in deployment.outbox.history(asked.id)].count("sent") == 2, "it is doubted once"
    if deployment.path.is_dir():
        deployment.path.rmdir()
    if deployment.path.is_symlink():
        deployment.path.unlink()
    deployment.flags.file.restored(actor="ann", reason="the share was away")
    assert deployment.path.read_text() == whole
    deployment.deliver()
    assert deployment.standing(asked) == "confirmed", "it was read back again"
    assert deployment.flags.file.served("checkout", "on")[0] == 0.0
    assert deployment.flags.file.declared(KEYS) == []


def test_what_a_person_brings_back_is_whole_again_without_another_word(deployment: Deployment) -> None:
    asked, whole = deployment.rolled_back(), deployment.path.read_text()
    deployment.path.unlink()
    deployment.deliver()
    assert deployment.standing(asked) == "unconfirmed"
    deployment.path.write_text(whole)
    deployment.deliver()
    assert deployment.standing(asked) == "confirmed"
    assert deployment.flags.record.lost_since() is None


def test_a_file_that_was_on_for_everybody_may_begin_anew(deployment: Deployment) -> None:
    deployment.path.unlink()
    assert deployment.flags.file.declared(KEYS) == KEYS
    deployment.path.write_text("")
    assert deployment.flags.file.declared(KEYS) == KEYS


def test_what_a_person_hid_by_hand_is_not_shown_anew_either(deployment: Deployment) -> None:
    deployment.edit(lambda document: document["flags"]["search"].update(defaultVariant="off"))
    deployment.flags.file.declared(KEYS)
    deployment.path.unlink()
    with pytest.raises(ActionError, match="search"):
        deployment.flags.file.declared(KEYS)
    deployment.flags.file.restored(actor="ann", reason="lost")
    assert deployment.flags.file.served("search", "on")[0] == 0.0


def test_a_flag_that_a_person_removed_is_accepted_with_who_and_why(deployment: Deployment) -> None:
    asked = deployment.rolled_back()
    without_the_platforms_flag(deployment)
    deployment.deliver()
    deployment.flags.file.accepted(actor="ann", reason="it goes")
    assert deployment.flags.file.trouble() is None
    assert deployment.flags.file.declared(KEYS) == ["checkout"], "a person's word lets it begin anew"
    deployment.deliver()
    assert deployment.standing(asked) == "unconfirmed", "what it did is not there, whoever wanted that"


def test_a_persons_edit_is_no_loss(deployment: Deployment) -> None:
    asked = deployment.rolled_back()
    deployment.edit(lambda document: document["flags"]["checkout"].update(defaultVariant="on"))
    deployment.deliver()
    assert deployment.flags.file.trouble() is None
    assert deployment.flags.taken_over() == {asked.id: "a person changed checkout since: it is on for 100% of users"}


def test_a_store_of_actions_that_was_lost_beside_its_flags_is_told(deployment: Deployment, tmp_path: Path) -> None:
    deployment.rolled_back()
    deployment.outbox.state.close()
    for file in tmp_path.glob("state.db*"):
        file.unlink()
    deployment.outbox = Outbox.of(f"sqlite:///{tmp_path}/state.db", Actions(targets=("flags",)))
    with pytest.raises(ActionError, match=r"knows nothing of, at checkout"):
        deployment.flags.file.declared(KEYS)
    deployment.flags.file.accepted(actor="ann", reason="the store is new")
    assert deployment.flags.file.declared([*KEYS, "new"]) == ["new"]
    assert deployment.flags.file.served("checkout", "on")[0] == 0.0


def test_a_copied_flag_is_no_loss(deployment: Deployment) -> None:
    deployment.rolled_back()
    deployment.edit(lambda document: document["flags"].update(checkout2=document["flags"]["checkout"]))
    assert deployment.flags.file.trouble() is None


def test_a_store_of_the_former_version_has_no_copy_and_says_so(deployment: Deployment) -> None:
    deployment.rolled_back()
    deployment.flags.record.forget()
    deployment.path.unlink()
    with pytest.raises(ActionError, match="checkout"):
        deployment.flags.file.declared(KEYS)
    with pytest.raises(ActionError, match="no copy of it is known"):
        deployment.flags.file.restored(actor="ann", reason="lost")


def test_nothing_is_restored_over_a_whole_file_and_a_link_stays_one(deployment: Deployment, tmp_path: Path) -> None:
    with pytest.raises(ActionError, match="nothing was lost"):
        deployment.flags.file.restored(actor="ann", reason="for fun")
    target = tmp_path / "elsewhere.json"
    deployment.path.rename(target)
    deployment.path.symlink_to(target)
    deployment.rolled_back()
    assert deployment.path.is_symlink()
    assert '"off"' in target.read_text()


def test_an_intended_change_that_was_never_written_is_no_loss() -> None:
    document = first_document(KEYS)
    assert loss(document, known=document, least={}, actions=frozenset()) is None
    assert loss(document, known=document, least={"quiz": 1}, actions=frozenset()) is not None
