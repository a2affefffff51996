"""Request bodies: from JSON text to the one parameter that Postgres reads the rows from (contract data.md §4.8)."""

from __future__ import annotations

import msgspec

from reactor_data.errors import invalid_body, unsupported

_Rows = list[dict[str, msgspec.Raw]]
_ROWS = msgspec.json.Decoder(_Rows)
_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY = msgspec.json.Decoder()


class Payload(msgspec.Struct, frozen=True):
    """The rows of a body: JSON text of an array, how many, and the keys that all of them have."""

    text: bytes
    rows: int
    keys: tuple[str, ...]


def read_payload(content_type: str | None, body: bytes, columns: tuple[str, ...] | None) -> Payload:
    """Read a JSON body; with `columns` only these keys are written and rows may differ in theirs.

    Raises:
        DataError: 400 `invalid_body`.
    """
    media = (content_type or "application/json").partition(";")[0].strip().lower()
    if media in ("text/csv", "application/x-www-form-urlencoded"):
        raise unsupported(f"a body of type {media} is")
    if media != "application/json":
        raise invalid_body(f"Content-Type not acceptable: {media}", hint="Send application/json.")
    start = body.lstrip(b" \t\r\n")[:1]
    if start == b"{":
        body = b"[" + body + b"]"
    elif start != b"[":
        _check_scalar(body)
        return Payload(b"[]", 0, columns or ())
    try:
        # Decoding everything once is what finds bytes that only look like JSON inside a value.
        _ANY.decode(body)
        rows = _ROWS.decode(body)
    except RecursionError as error:
        raise invalid_body("the JSON is nested too deep") from error
    except msgspec.ValidationError as error:
        raise invalid_body("All elements of the array must be JSON objects", detail=str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(error) from error
    if columns is not None:
        return Payload(body, len(rows), columns)
    # Sorted, so that bodies that differ in the order of keys share one statement.
    keys = tuple(sorted(rows[0])) if rows else ()
    expected = set(keys)
    for index, row in enumerate(rows):
        if row.keys() != expected:
            raise invalid_body(
                "All object keys must match",
                detail=f"element {index} differs from the first: {_difference(expected, set(row))}",
                hint="Give every object the same keys, or name the columns to write with columns=.",
            )
    return Payload(body, len(rows), keys)


def _check_scalar(body: bytes) -> None:
    if not body.strip():
        raise invalid_body(
            "Empty or invalid json", detail="the body is empty", hint="Send an object or an array of them."
        )
    try:
        _ANY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(error) from error


def _malformed(error: Exception) -> Exception:
    return invalid_body("Empty or invalid json", detail=str(error), hint="Send an object or an array of them.")


def _difference(expected: set[str], found: set[str]) -> str:
    missing = ", ".join(sorted(expected - found))
    extra = ", ".join(sorted(found - expected))
    parts = [f"without {missing}" if missing else "", f"with {extra}" if extra else ""]
    return " and ".join(part for part in parts if part)
