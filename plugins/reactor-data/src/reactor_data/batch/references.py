"""`{"$ref": "id.body[0].col"}`: a value from the answer of an earlier request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote_plus

from reactor_data.claims import claim_path, find_claim
from reactor_data.errors import DataError

_REFERENCE = re.compile(r"(?P<id>[A-Za-z0-9_-]{1,64})\.(?P<part>status|headers|body)(?P<path>.*)\Z", re.DOTALL)
_IN_TEXT = re.compile(r'\{\s*"\$ref"\s*:\s*"((?:[^"\\]|\\.)*)"\s*\}')
# Where a value or name ends before the parameter does, only such a one stands without quotes.
_LISTED = re.compile(r"(?:not\.)?in\.", re.IGNORECASE)
_TREE = re.compile(r"(?:.*\.)?(?:and|or) *\Z", re.DOTALL)
_NAMES = re.compile(r"(?:.*\.)?order *\Z|(?:select|columns|on_conflict)\Z", re.DOTALL)
_PLAIN_VALUE = re.compile(r"[\w.:+-]+\Z")
_PLAIN_NAME = re.compile(r"\w+\Z")
_ESCAPED = re.compile(r"\\.", re.DOTALL)

Answers = Mapping[str, Mapping[str, Any]]


def resolve(value: Any, answers: Answers, where: str) -> Any:
    """Return a JSON value with every reference in it replaced by what it refers to.

    Raises:
        DataError: 400 `invalid_reference`; it names no earlier answer, or leads to nothing in it.
    """
    if isinstance(value, dict):
        if value.keys() == {"$ref"} and isinstance(value["$ref"], str):
            return _value(value["$ref"], answers, where)
        return {key: resolve(item, answers, where) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, answers, where) for item in value]
    return value


def resolve_query(query: str, answers: Answers, where: str) -> str:
    """Return a query string with the references in its values replaced, percent-encoded.

    A value that is text or a number stands as it is, in `in.(…)`, `and`, `or` and lists of names in quotes where it needs
    them, so that it is one value or name whatever it says; anything else cannot stand in a URL.
    """
    if "%24ref" not in query and "$ref" not in query:
        return query
    return "&".join(_resolved_pair(pair, answers, where) for pair in query.split("&"))


def _resolved_pair(pair: str, answers: Answers, where: str) -> str:
    key, equals, value = pair.partition("=")
    decoded = unquote_plus(value)
    if "$ref" not in decoded:
        return pair
    plain = None
    if _NAMES.match(unquote_plus(key)):
        plain = _PLAIN_NAME
    elif _LISTED.match(decoded) or _TREE.match(unquote_plus(key)):
        plain = _PLAIN_VALUE

    def replaced(found: re.Match[str]) -> str:
        reference = found.group(1).replace('\\"', '"').replace("\\\\", "\\")
        text = _url_text(reference, answers, where)
        if plain is None or plain.match(text):
            return text
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        if _ESCAPED.sub("", _IN_TEXT.sub("", decoded[: found.start()])).count('"') % 2:
            return escaped
        before, behind = decoded[: found.start()][-1:], decoded[found.end() :][:1]
        if before not in ".(, " or behind not in ",) ":
            raise _fault(f"{where}: the value of {reference!r} needs quotes around the item that it is part of")
        return f'"{escaped}"'

    return key + equals + quote(_IN_TEXT.sub(replaced, decoded), safe="(),.:*!-_~{}\"'")


def _url_text(reference: str, answers: Answers, where: str) -> str:
    value = _value(reference, answers, where)
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float | Decimal):
        raise _fault(f"{where}: {reference!r} is {_kind(value)}, which cannot stand in a URL")
    return str(value)


def _value(reference: str, answers: Answers, where: str) -> Any:
    found = _REFERENCE.match(reference)
    if found is None:
        raise _fault(f"{where}: {reference!r} is no reference")
    answer = answers.get(found.group("id"))
    if answer is None:
        raise _fault(f"{where}: {reference!r} names no earlier request")
    path = claim_path(found.group("path")) if found.group("path") else ()
    if path is None:
        raise _fault(f"{where}: {reference!r} is no reference")
    value: Any = answer[found.group("part")]
    for end in range(1, len(path) + 1):
        if _lacks(value, path[end - 1]):
            raise _fault(f"{where}: {reference!r} leads to nothing in the answer of {found.group('id')}")
        value = find_claim(value, path[end - 1 : end]) if isinstance(value, dict) else value[path[end - 1]]
    return value


def _lacks(value: Any, step: str | int) -> bool:
    if isinstance(step, str):
        return not isinstance(value, dict) or step not in value
    return not isinstance(value, list) or step >= len(value)


def _kind(value: object) -> str:
    return {type(None): "null", dict: "an object", list: "an array"}.get(type(value), type(value).__name__)


def _fault(message: str) -> DataError:
    return DataError(
        400,
        "invalid_reference",
        message,
        hint='Write {"$ref": "first.body[0].id"} with the id of a request before this one.',
    )
