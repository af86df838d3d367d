"""The identities that pairs of alias and user define depend on the set of pairs alone, not on their order."""

from random import Random

import pytest

from intelligence.telemetry.aliases import Persons, persons

CASES = [
    ([], Persons({})),
    ([("a", "ada")], Persons({"a": "ada"})),
    ([("a", "ada"), ("a", "ada")], Persons({"a": "ada"})),
    ([("a", "ada"), ("b", "ada")], Persons({"a": "ada", "b": "ada"})),
    ([("tv", "ada"), ("tv", "ben")], Persons({}, shared=("tv",))),
    ([("a", "b"), ("b", "ada")], Persons({"a": "ada", "b": "ada"})),
    ([("a", "b"), ("b", "c"), ("c", "d"), ("d", "ada")], Persons(dict.fromkeys("abcd", "ada"))),
    ([("a", "b"), ("b", "a")], Persons({}, circular=("a", "b"))),
    ([("a", "b"), ("b", "c"), ("c", "b")], Persons({}, circular=("a", "b", "c"))),
    ([("a", "a")], Persons({})),
    ([("a", "a"), ("a", "ada")], Persons({"a": "ada"})),
    ([("a", "tv"), ("tv", "ada"), ("tv", "ben")], Persons({"a": "tv"}, shared=("tv",))),
    ([("z", "b"), ("b", "c"), ("c", "z"), ("x", "z"), ("y", "ada")], Persons({"y": "ada"}, circular=("b", "c", "x", "z"))),
]  # fmt: skip


@pytest.mark.parametrize(("pairs", "said"), CASES)
def test_what_pairs_say(pairs: list[tuple[str, str]], said: Persons) -> None:
    assert persons(pairs) == said


def test_no_order_of_pairs_changes_what_they_say() -> None:
    random = Random(7)
    for _ in range(300):
        pairs = [(random.choice("abcdefgh"), random.choice("abcdefghXYZ")) for _ in range(random.randrange(1, 12))]
        said = persons(pairs)
        assert persons(random.sample(pairs, len(pairs))) == said
        assert persons({*pairs}) == said
        aliases = {alias for alias, user in pairs if alias != user}
        assert aliases == {*said.user_of, *said.shared, *said.circular}
        assert not {*said.user_of.values()} & {*said.user_of, *said.circular}
