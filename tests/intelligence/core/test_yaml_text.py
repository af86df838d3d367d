"""What is not plain YAML is refused with its line and with what to write instead."""

import pytest

from intelligence.core.errors import ProductFileError
from intelligence.core.yaml_text import settings_in


def refusal(text: str) -> ProductFileError:
    with pytest.raises(ProductFileError) as caught:
        settings_in(text, origin="my.yaml")
    return caught.value


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("name: Demo\nsources:\n\t- x", 3, "cannot start any token"),
        ("name: [Demo\nsources: 3", 2, "expected ',' or ']'"),
        ("name: Demo\nname2: 'open", 2, "end of stream"),
        ("name: Demo\nsources: *nowhere", 2, "undefined alias"),
        ("name: Demo\n---\nname: Other", 2, "another document"),
        ("name: Demo\nseed: !!int soon", 2, "soon is no value of the kind !!int"),
        ("name: Demo\nseed: " + "1" * 5_000, 2, "is no value of the kind !!int"),
        ("name: Demo\nsources: !!python/object:os.system x", 2, "`!!python/object:os.system` asks for a value of"),
        ("name: Demo\nsources: [!mine x]", 2, "`!mine`"),
        ("name: Demo\nstart: !!timestamp x", 2, "`!!timestamp`"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    error = refusal(text)
    assert error.culprit == f"my.yaml, line {line}"
    assert words in error.problem
    assert error.hint


@pytest.mark.parametrize(
    ("text", "line", "key", "first"),
    [
        ("name: Demo\nowner: a\nname: Other", 3, "name", 1),
        ("features:\n  quiz: {}\n  chat: {}\n  quiz: {tier: 1}", 4, "quiz", 2),
        ("features: {quiz: {tier: 1,\n tier: 2}}", 2, "tier", 1),
        ("sources:\n- name: a\n  files: x\n  files: y", 4, "files", 3),
        ("'name': Demo\nname: Demo", 2, "name", 1),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_both_lines(text: str, line: int, key: str, first: int) -> None:
    error = refusal(text)
    assert error.culprit == f"my.yaml, line {line}"
    assert error.problem == f"the key `{key}` appears a second time, first on line {first}."


@pytest.mark.parametrize(
    ("key", "kind"),
    [("1", "int"), ("1.5", "float"), ("yes", "bool"), ("~", "null"), (".inf", "float"), ("0x1F", "int")],
)
def test_a_key_that_is_no_text_asks_for_quotes(key: str, kind: str) -> None:
    error = refusal(f"features:\n  {key}: {{tier: 1}}")
    assert error.culprit == "my.yaml, line 2"
    assert error.problem == f"YAML reads the key {key} as {kind}, not as text."
    assert error.hint == f'Write "{key}" with its quotes.'
    assert settings_in(f'features: {{"{key}": 1}}', origin="my.yaml") == {"features": {key: 1}}


@pytest.mark.parametrize("key", ["[a]", "{a: 1}", ""])
def test_a_key_that_is_no_name_asks_for_one(key: str) -> None:
    assert refusal(f"features: {{? {key} : 1}}").hint == "Write a name there."


def test_anchors_and_merged_settings_are_understood() -> None:
    text = "base: &base {tier: 1, owner: a}\nquiz: {<<: *base, tier: 2}\nchat: *base"
    assert settings_in(text, origin="my.yaml") == {
        "base": {"tier": 1, "owner": "a"}, "quiz": {"tier": 2, "owner": "a"}, "chat": {"tier": 1, "owner": "a"},
    }  # fmt: skip


def test_a_list_that_holds_itself_and_one_without_end_are_no_crash() -> None:
    assert isinstance(settings_in("name: &a [*a]", origin="my.yaml")["name"], list)
    assert "nested too deeply" in refusal("name: " + "[" * 3_000).problem


def test_a_character_that_yaml_forbids_is_refused() -> None:
    assert "not YAML" in refusal("name: \x00").problem


@pytest.mark.parametrize("text", ["", "\n# only a comment\n", "- a\n- b", "just words", "3", "null"])
def test_a_file_without_settings_says_how_to_begin(text: str) -> None:
    error = refusal(text)
    assert error.problem == "it holds no settings."
    assert "`name:`" in error.hint
    assert "`sources:`" in error.hint
