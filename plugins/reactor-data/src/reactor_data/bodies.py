"""Request bodies: from what was sent to the one JSON parameter that Postgres reads the rows from (contract data.md §4.8)."""

from __future__ import annotations

import csv
import io
from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from reactor_data.errors import DataError, invalid_body

_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
# Postgres reads the numbers: here they need not fit into a float.
_ROW = msgspec.json.Decoder(dict[str, Any], float_hook=str)
_ANY = msgspec.json.Decoder(float_hook=str)
_encode = msgspec.json.Encoder().encode
_EXPECTED = "Send an object or an array of them."
# The route's body limit bounds fields already; the module's own limit of 128 KiB would refuse honest ones.
csv.field_size_limit(2**31 - 1)


class Payload(msgspec.Struct, frozen=True):
    """The rows of a body: JSON text of an array, how many, and the keys that all of them have.

    `textual` tells that all values are texts, also those of json columns; `array` that the client sent an array.
    """

    text: bytes
    rows: int
    keys: tuple[str, ...]
    textual: bool = False
    array: bool = True


def media_type(content_type: str | None) -> str:
    """Return a body's media type without parameters, in lower case; JSON where none is given."""
    return (content_type or "application/json").partition(";")[0].strip().lower() or "application/json"


def read_payload(content_type: str | None, body: bytes, columns: tuple[str, ...] | None) -> Payload:
    """Read rows from JSON, CSV or a form; with `columns` only these keys are written and rows may differ in theirs.

    Raises:
        DataError: 400 `invalid_body`.
    """
    media = media_type(content_type)
    if media == "application/json":
        return _read_json(body, columns)
    if media == "text/csv":
        return _read_csv(body, columns)
    if media == "application/x-www-form-urlencoded":
        fields = dict(form_pairs(body))  # of a repeated name the last value counts
        keys = columns if columns is not None else tuple(sorted(fields))
        return Payload(_encode([fields]), 1, keys, textual=True, array=False)
    raise invalid_body(
        f"Content-Type not acceptable: {media}",
        hint="Send application/json, text/csv or application/x-www-form-urlencoded.",
    )


def _read_json(body: bytes, columns: tuple[str, ...] | None) -> Payload:
    start = body.lstrip(b" \t\r\n")[:1]
    array = start == b"["
    if start == b"{":
        body = b"[" + body + b"]"
    elif not array:
        _check_scalar(body)
        return Payload(b"[]", 0, columns or ())
    try:
        # Row by row: a large body never stands decoded in memory as a whole. Decoding each value is what finds bytes that
        # only look like JSON.
        elements = _ELEMENTS.decode(body)
        if not array and len(elements) > 1:
            raise invalid_body("Empty or invalid json", detail="there is more behind the object", hint=_EXPECTED)
        first = _row(elements[0], 0).keys() if elements else {}.keys()
        expected = set(first)
        for index, element in enumerate(elements):
            row = _row(element, index)
            if columns is None and row.keys() != expected:
                raise invalid_body(
                    "All object keys must match",
                    detail=f"element {index} differs from the first: {_difference(expected, set(row))}",
                    hint="Give every object the same keys, or name the columns to write with columns=.",
                )
    except RecursionError as error:
        raise invalid_body("the JSON is nested too deep") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(error) from error
    # Sorted, so that bodies that differ in the order of keys share one statement.
    keys = columns if columns is not None else tuple(sorted(expected))
    return Payload(body, len(elements), keys, array=array)


def _row(element: msgspec.Raw, index: int) -> dict[str, Any]:
    try:
        return _ROW.decode(element)
    except msgspec.ValidationError as error:
        raise invalid_body(
            "All elements of the array must be JSON objects", detail=f"element {index}: {error}", hint=_EXPECTED
        ) from error


def _check_scalar(body: bytes) -> None:
    if not body.strip():
        raise invalid_body("Empty or invalid json", detail="the body is empty", hint=_EXPECTED)
    try:
        _ANY.decode(body)
    except RecursionError as error:
        raise invalid_body("the JSON is nested too deep") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(error) from error


def _read_csv(body: bytes, columns: tuple[str, ...] | None) -> Payload:
    lines = csv.reader(io.StringIO(utf8(body.removeprefix(BOM_UTF8), "CSV"), newline=""), strict=True)
    try:
        head = tuple(next(lines, ()))
        if not head:
            raise invalid_body(
                "the CSV is empty", hint="Name the columns in the first line and put one row into each that follows."
            )
        if len(set(head)) < len(head):
            twice = next(name for name in head if head.count(name) > 1)
            raise invalid_body(f"the CSV names the column {twice!r} twice", hint="Name each column once.")
        rows = [_encode(dict(zip(head, row, strict=True))) for row in _csv_rows(lines, head)]
    except csv.Error as error:
        raise invalid_body(
            f"the CSV cannot be read at line {lines.line_num}", detail=str(error), hint="Quote as RFC 4180 says."
        ) from error
    keys = columns if columns is not None else tuple(sorted(head))
    return Payload(b"[" + b",".join(rows) + b"]", len(rows), keys, textual=True)


def _csv_rows(lines: Any, head: tuple[str, ...]) -> Iterator[list[str | None]]:
    number = 0
    for fields in lines:
        if not fields:  # an empty line, as after the last row; one empty field is written ""
            continue
        number += 1
        if len(fields) != len(head):
            raise invalid_body(
                "All lines must have same number of fields",
                detail=f"row {number} (line {lines.line_num}) has {len(fields)} fields, the first line names {len(head)}",
                hint="Give each row one field for each column; quote a field that has a comma, a quote or a line break in it.",
            )
        yield [None if field == "NULL" else field for field in fields]


def form_pairs(body: bytes) -> list[tuple[str, str]]:
    """Read a form (WHATWG URL, application/x-www-form-urlencoded), repeats kept."""
    pairs: list[tuple[str, str]] = []
    for part in body.split(b"&"):
        if part:
            name, _, value = part.replace(b"+", b" ").partition(b"=")
            pairs.append((utf8(unquote_to_bytes(name), "form"), utf8(unquote_to_bytes(value), "form")))
    return pairs


def utf8(data: bytes, what: str) -> str:
    """Decode what was sent. Raises 400 `invalid_body`."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise invalid_body(
            f"the {what} is not UTF-8", detail=f"byte {error.start}: {error.reason}", hint="Encode it as UTF-8."
        ) from error


def _malformed(error: Exception) -> DataError:
    return invalid_body("Empty or invalid json", detail=str(error), hint=_EXPECTED)


def _difference(expected: set[str], found: set[str]) -> str:
    missing = ", ".join(sorted(expected - found))
    extra = ", ".join(sorted(found - expected))
    parts = [f"without {missing}" if missing else "", f"with {extra}" if extra else ""]
    return " and ".join(part for part in parts if part)
