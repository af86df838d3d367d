"""The notice about a champion that the gate did not approve contains its decision; there is none where it approved."""

from datetime import UTC, datetime

import pytest

from intelligence.risk.versions import Move, overruled_by, overruling, verdict_overruled

AT = datetime(2026, 8, 1, 12, tzinfo=UTC)


def move(verdict: str | None, to_version: str | None = "3", from_version: str | None = "2", reason: str = "") -> Move:
    against = overruled_by(verdict, to_version)
    return Move(
        *(7, AT, "user_churn", from_version, to_version, "ann", "promoted by hand", reason),
        overruled=against,
        gate_reason="PR-AUC -0.030." if against and verdict else "",
    )


@pytest.mark.parametrize(
    ("verdict", "to_version", "from_version", "words"),
    [
        ("promote", "3", "2", None),
        ("promote", "3", None, None),
        ("promote", None, "2", None),
        ("reject", None, "2", None),
        (None, None, None, None),
        ("hold", "3", "2", "Against its verdict: the gate held back version 3. PR-AUC -0.030."),
        ("hold", "3", None, "Against its verdict: the gate held back version 3. PR-AUC -0.030."),
        ("reject", "3", "2", "Against its verdict: the gate rejected version 3. PR-AUC -0.030."),
        (
            *("not_enough_evidence", "3", "2"),
            "Against its verdict: the gate had not enough evidence to judge version 3. PR-AUC -0.030.",
        ),
        (None, "3", "2", "The gate has not judged version 3."),
        ("", "3", "2", "The gate has not judged version 3."),
        (
            "a person's own word",
            "3",
            "2",
            "Against its verdict: the gate said a person's own word of version 3. PR-AUC -0.030.",
        ),
    ],
)
def test_a_verdict_that_was_overruled_is_announced_and_none_that_was_followed(
    verdict: str | None, to_version: str | None, from_version: str | None, words: str | None
) -> None:
    made = move(verdict, to_version, from_version)
    assert verdict_overruled(made) == words
    notice = overruling(made)
    assert (notice is None) == (words is None)
    if notice and words:
        assert notice.text.splitlines()[:2] == [words, "By ann, promoted by hand."]
        assert ("Back to version 2: intelligence revert user_churn" in notice.text) == (from_version is not None)


def test_the_reason_of_a_person_is_part_of_the_message_and_each_move_is_announced_separately() -> None:
    one = overruling(move("hold", reason="clearer reasons"))
    other = overruling(Move(8, AT, "user_churn", "2", "3", "ann", "promoted by hand", "", overruled="hold"))
    assert one
    assert other
    assert "By ann, promoted by hand: clearer reasons\n" in one.text
    assert one.key != other.key
    assert one.title == other.title == "User churn: version 3 was made champion against its verdict"
