"""What a request gives a function: from the query string or from the body (contract data.md §4.8 and §4.10)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite

import msgspec

from reactor_data.bodies import form_pairs, media_type, read_payload, utf8
from reactor_data.catalog.model import Function
from reactor_data.catalog.overloads import takes_body
from reactor_data.errors import invalid_body
from reactor_data.query.calls import ARGUMENT, Call
from reactor_data.query.expressions import BODY

# Postgres reads the numbers: here they need not fit into a float.
_VALUE = msgspec.json.Decoder(float_hook=str)
_RECORD = msgspec.json.Decoder(float_hook=lambda text: found if isfinite(found := float(text)) else text)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_FIRST = msgspec.json.Decoder(list[msgspec.Raw])
_encode = msgspec.json.Encoder().encode
_WHOLE = ("text/plain", "text/xml", "application/octet-stream")
_MOST_RECORDED = 8192
_MOST_READ = 4 * _MOST_RECORDED


class Arguments(msgspec.Struct, frozen=True):
    """The arguments of one call.

    `names` are given, in the order of the alphabet. Their values are in `texts`, each with all its occurrences, or else in
    `row`, a JSON object. `body` is the whole body and `media` its type; both None where the query string has the arguments.
    """

    names: tuple[str, ...]
    texts: Mapping[str, tuple[str | None, ...]] | None = None
    row: bytes = b"{}"
    body: bytes | None = None
    media: str | None = None

    def call(self, function: Function) -> Call:
        """Return how the function, which takes these arguments, is called."""
        if takes_body(function):
            return Call((), "body")
        return Call(self.names, "json" if self.texts is None else "texts")

    def values(self, function: Function) -> dict[int, str | bytes | None]:
        """Return the values of a call's parameters by their source."""
        if takes_body(function):
            body = self.body or b""
            whole: str | bytes = b"\\x" + body.hex().encode() if function.parameters[0].type == "bytea" else body
            return {BODY: whole}
        if self.texts is None:
            return {BODY: self.row}
        given = [one for one in function.parameters if one.name in self.names]
        found: dict[int, str | bytes | None] = {}
        for at, parameter in enumerate(given):
            values = self.texts[parameter.name]
            found[ARGUMENT - at] = _array(values) if parameter.variadic else values[-1]
        return found

    def recorded(self, function: Function) -> bytes:
        """Return JSON of the arguments as the audit keeps them; null where they are too long, too deep or no JSON."""
        size = len(self.body or b"") if self.texts is None else sum(len(values) for values in self.texts.values())
        if size > _MOST_READ:
            return b"null"
        try:
            text = _encode(_storable(self._shown(function)))
        except RecursionError:  # deeper than the record needs to follow; the call itself may go on
            return b"null"
        return text if len(text) <= _MOST_RECORDED else b"null"

    def _shown(self, function: Function) -> object:
        if self.texts is not None:
            return {name: values[-1] if len(values) == 1 else values for name, values in self.texts.items()}
        if not takes_body(function):
            row = _RECORD.decode(self.row)
            return {name: row.get(name) for name in self.names}
        return _RECORD.decode(self.body or b"null") if self.media == "application/json" else None


def from_query(pairs: Iterable[tuple[str, str]]) -> Arguments:
    """Return the arguments of a GET: every parameter that is neither a filter nor reserved."""
    return _from_pairs(pairs, None)


def from_body(content_type: str | None, body: bytes, columns: tuple[str, ...] | None) -> Arguments:
    """Return the arguments of a POST. Of an array, or of several rows, the first counts; `columns` chooses among them.

    Raises:
        DataError: 400 `invalid_body`.
    """
    media = media_type(content_type)
    if media == "application/json":
        return _from_json(body, columns)
    if media == "application/x-www-form-urlencoded":
        return _from_pairs(form_pairs(body), media, columns)
    if media == "text/csv":
        rows = msgspec.json.decode(read_payload(media, body, None).text, type=list[dict[str, str | None]])
        return _from_pairs(rows[0].items() if rows else (), media, columns)
    if media not in _WHOLE:
        raise invalid_body(
            f"Content-Type not acceptable: {media}",
            hint="Send application/json, application/x-www-form-urlencoded or text/csv; a function with one unnamed parameter"
            " takes text/plain, text/xml or application/octet-stream.",
        )
    if media != "application/octet-stream":
        utf8(body, media)
    return Arguments((), body=body, media=media)


def _from_json(body: bytes, columns: tuple[str, ...] | None) -> Arguments:
    body = body.strip(b" \t\r\n")
    if not body:
        body = b"{}"
    try:
        # Decoding it as a whole is what finds bytes that only look like JSON.
        _VALUE.decode(body)
        row = body
        if body[:1] == b"[":
            first = _FIRST.decode(body)
            row = bytes(first[0]) if first else b"{}"
        keys = tuple(_OBJECT.decode(row)) if row[:1] == b"{" else ()
    except RecursionError as error:
        raise invalid_body("the JSON is nested too deep") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid_body(
            "Empty or invalid json", detail=str(error), hint="Send an object with the arguments by their names."
        ) from error
    names = tuple(sorted(keys if columns is None else columns))
    return Arguments(names, row=row if keys else b"{}", body=body, media="application/json")


def _from_pairs(
    pairs: Iterable[tuple[str, str | None]], media: str | None, columns: tuple[str, ...] | None = None
) -> Arguments:
    found: dict[str, list[str | None]] = {}
    for name, value in pairs:
        if columns is None or name in columns:
            found.setdefault(name, []).append(value)
    for name in columns or ():
        found.setdefault(name, [None])
    texts = {name: tuple(values) for name, values in found.items()}
    return Arguments(tuple(sorted(texts)), texts, media=media)


def _array(values: Iterable[str | None]) -> str:
    """Return an array literal of texts."""
    parts = (
        "NULL" if value is None else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values
    )
    return "{" + ",".join(parts) + "}"


def _storable(value: object) -> object:
    """Replace what jsonb cannot hold: the character of code 0."""
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, Mapping):
        return {_storable(name): _storable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    return value
