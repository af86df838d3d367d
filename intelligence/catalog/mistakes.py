"""Errors in product.yaml in plain words: which key, which value, and what to write instead."""

import difflib
import re
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from intelligence.actions.settings import Actions

_WRITE: Final = {
    "string_type": "text, in quotes where it looks like a number or a word such as yes",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a number that is finite",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list, such as [a, b]",
    "dict_type": "settings, such as {{key: value}}, or leave it out",
    "mapping_type": "settings, such as {{key: value}}, or leave it out",
    "model_type": "settings, such as {{key: value}}, or leave it out",
    "greater_than": "a number greater than {gt:g}",
    "greater_than_equal": "a number greater than or equal to {ge:g}",
    "less_than": "a number less than {lt:g}",
    "less_than_equal": "a number less than or equal to {le:g}",
    "literal_error": "{expected}",
    "string_too_short": "text of at least {min_length} character",
    "string_too_long": "text of at most {max_length} character",
    "too_short": "a list of at least {min_length}",
}
# The value that a key requires, where the kind of error alone does not determine it.
_WRITE_FOR_KEY: Final = {
    ("owner", "string_pattern_mismatch"): "team:name or an e-mail address",
    ("name", "string_pattern_mismatch"): "small letters, digits and _, beginning with a letter",
    ("channel", "string_pattern_mismatch"): "a channel such as #product-intelligence, or its id",
    **{
        (key, "string_pattern_mismatch"): "an address that begins with https:// or http:// and bears no password"
        for key in (*Actions.model_fields, "rewriter_url", "url")
        if key.endswith("url")
    },
    ("sources", "tuple_type"): "a list of sources, such as [{{name: app, files: events/*.csv}}]",
}


def nearest(word: str, known: Sequence[str]) -> str:
    """Return the question whether a similar known word was meant; empty where none is similar.

    Args:
        word: The word that was written.
        known: The words that are allowed.

    >>> nearest("helth", ["health", "sources"])
    ' (did you mean `health`?)'
    """
    near = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean `{near[0]}`?)" if near else ""


def in_plain_words(error: Mapping[str, Any], known: Sequence[str]) -> str:
    """Return one of pydantic's errors in plain words.

    Args:
        error: An item of `ValidationError.errors()`.
        known: The settings that are allowed in its place.

    >>> in_plain_words({"type": "int_type", "loc": ("seed",), "input": None, "msg": "…"}, [])
    '`seed` is empty: write a whole number'
    """
    kind, where = error["type"], ".".join(str(part) for part in error["loc"]) or "the file"
    if kind == "extra_forbidden":
        return f"`{where}` is not a setting{nearest(str(error['loc'][-1]), known)}"
    if kind == "missing":
        return f"`{where}` is missing"
    if kind == "value_error":
        return f"`{where}` {str(error['msg']).removeprefix('Value error, ')}"
    value = "empty" if error["input"] is None else _PASSWORD.sub("//…@", _short.repr(error["input"]))
    return f"`{where}` is {value}: {_what_to_write(error)}"


def _what_to_write(error: Mapping[str, Any]) -> str:
    kind, location = error["type"], error["loc"]
    if "mapping" in location[:-1]:
        return "write the name of a column or an SQL expression, in quotes"
    if kind.startswith(("date_", "datetime_")):
        return "write a date such as 2026-05-04"
    words = _WRITE_FOR_KEY.get((location[-1], kind)) or _WRITE.get(kind)
    message = str(error["msg"])
    return f"write {words.format(**error.get('ctx', {}))}" if words else f"{message[:1].lower()}{message[1:]}"


def without_follow_up_errors(errors: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the errors without those that follow from another one, such as an error in a default that features inherit."""
    defaults = {error["loc"][-1] for error in errors if error["loc"][:1] == ("feature_defaults",)}
    return [
        error
        for error in errors
        if not (error["type"] == "too_short" and error["input"] not in ([], ()))
        and not (error["loc"][:1] == ("features",) and error["loc"][-1] in defaults)
    ]


# A user and a password in an address: they are for nobody's log.
_PASSWORD: Final = re.compile(r"//[^/\s]*@")
_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60
