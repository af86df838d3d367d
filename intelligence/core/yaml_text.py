"""Strict reading of handwritten YAML: what a YAML parser would accept silently is an error that names its line."""

from collections.abc import Hashable, Iterator
from typing import Any, Final

import yaml

from intelligence.core.errors import ProductFileError

PLAIN_TAGS: Final = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "map", "seq"))
MERGE_TAG: Final = "tag:yaml.org,2002:merge"


def settings_in(text: str, *, origin: str) -> dict[str, Any]:
    """Return the settings in the YAML `text`; dates stay text, so that a wrong one is reported like any other setting.

    Args:
        text: Content of the file.
        origin: Name of the file, for error messages.

    Raises:
        ProductFileError: The text is not YAML, is not a mapping, is nested too deeply, has a tag or a key that is not plain
            text, or repeats a key.

    >>> settings_in("name: Demo\\nstart: 2026-02-30", origin="product.yaml")
    {'name': 'Demo', 'start': '2026-02-30'}
    """
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        for node in _nodes(root):
            _demand_plain_node(node, origin)
        content = loader.construct_document(root) if root else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{origin}, line {mark.line + 1}" if mark else origin
        problem = getattr(error, "problem", None) or str(error)
        raise ProductFileError(where, f"this is not YAML: {problem}.", hint="Mend that line.") from error
    except RecursionError as error:
        raise ProductFileError(origin, "it is nested too deeply.", hint="Write lists and settings flat.") from error
    if not isinstance(content, dict):
        raise ProductFileError(origin, "it holds no settings.", hint="Start with `name:` and `sources:`.")
    return content


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {  # noqa: RUF012 - the name and form are PyYAML's
        first: [resolver for resolver in resolvers if not resolver[0].endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Hashable:
        """Return the value of the node; raises MarkedYAMLError with the line where Python cannot represent a number."""
        try:
            value: Hashable = super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:
            problem = f"{str(node.value)[:40]} is no value of the kind {_kind(node)}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from error
        return value


def _nodes(root: yaml.Node | None) -> Iterator[yaml.Node]:
    """Yield every node once, in the order of the text; an alias may refer to a node that contains it."""
    waiting, seen = [root] if root else [], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, yaml.MappingNode):
            waiting += [part for pair in reversed(node.value) for part in reversed(pair)]
        elif isinstance(node, yaml.SequenceNode):
            waiting += reversed(node.value)


def _demand_plain_node(node: yaml.Node, origin: str) -> None:
    if node.tag not in (*PLAIN_TAGS, MERGE_TAG):
        raise ProductFileError(
            _line(origin, node),
            f"`{_kind(node)}` asks for a value of another kind than settings have.",
            hint="Write plain text, numbers, lists and settings, without a `!` tag.",
        )
    if not isinstance(node, yaml.MappingNode):
        return
    first: dict[str, int] = {}
    for key, _ in node.value:
        if key.tag == MERGE_TAG:
            continue
        if not isinstance(key, yaml.ScalarNode):
            raise ProductFileError(
                _line(origin, key), "a list or a mapping is used as a key.", hint="Write a name there."
            )
        if key.tag != PLAIN_TAGS[0]:
            raise ProductFileError(
                _line(origin, key),
                f"YAML reads the key {key.value or 'that is empty'} as {_kind(key)[2:]}, not as text.",
                hint=f'Write "{key.value}" with its quotes.' if key.value else "Write a name there.",
            )
        if key.value in first:
            raise ProductFileError(
                _line(origin, key),
                f"the key `{key.value}` appears a second time, first on line {first[key.value]}.",
                hint="Keep one of them, with all that belongs under it.",
            )
        first[key.value] = key.start_mark.line + 1


def _line(origin: str, node: yaml.Node) -> str:
    return f"{origin}, line {node.start_mark.line + 1}"


def _kind(node: yaml.Node) -> str:
    return str(node.tag).replace("tag:yaml.org,2002:", "!!")
