"""The body of an answer as Postgres writes it, by media type (contract data.md §4.11)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from reactor_data.sql.native import literal, quote

# What SQL wants the answer to say (contract data.md §5.2): `response.status`, a blank, `response.headers`; null where it
# set neither. The last column of every data statement.
OVERRIDES = (
    "nullif(concat(current_setting('response.status', true), ' ', current_setting('response.headers', true)), ' ')"
)


class Shape(msgspec.Struct, frozen=True):
    """The form of a body.

    array: all rows; object: the one row there must be; csv: a header and each row as Postgres writes records; geojson: a
    FeatureCollection; custom: what the function or aggregate `function` (quoted, qualified) makes of the rows; value: the column
    `value` of the only row as it is. `stripped` leaves null members out. `row_type` is the type that `function` takes, None where
    it takes any. `explain` are the options of EXPLAIN, which then runs in place of the statement.

    Of functions: `value` is the one column of a scalar result, which is answered in place of rows; `bare` says that there is one
    row and no array around it. `binary` tells that the body is bytea: it is written in hexadecimal digits.
    """

    kind: Literal["array", "object", "csv", "geojson", "custom", "value"] = "array"
    stripped: bool = False
    function: str | None = None
    row_type: str | None = None
    explain: str | None = None
    value: str | None = None
    bare: bool = False
    binary: bool = False

    @property
    def singular(self) -> bool:
        """Tell whether exactly one row is asked for."""
        return self.kind == "object"


def body_sql(shape: Shape, source: str, names: Sequence[str] = ()) -> str:
    """Return the aggregate expression that makes the body of the rows of `source`, a quoted alias.

    `names` are the columns of the answer in their order; CSV needs them for its first line.
    """
    if shape.kind == "csv":
        head = ",".join(csv_field(name) for name in names)
        # A record's text without its parentheses. With the star it is the row, though a column may have the alias' name.
        record = f"substring(({source}.*)::text, 2, length(({source}.*)::text) - 2)"
        return f"{literal(head)} || coalesce(E'\\n' || string_agg({record}, E'\\n'), '')"
    if shape.kind == "geojson":
        features = f"coalesce(json_agg({shape.function}({source}.*)::json), '[]')"
        return f"json_build_object('type', 'FeatureCollection', 'features', {features})"
    row = f"{source}.*" if shape.value is None else f"{source}.{quote(shape.value)}"
    if shape.kind == "custom":
        if shape.value is None:
            row = f"({source}.*)::{shape.row_type}" if shape.row_type else f"{source}.*"
        return _written(shape, f"{shape.function}({row})")
    if shape.kind == "value":
        return _written(shape, f"(array_agg({row}))[1]")
    if shape.stripped:
        row = f"json_strip_nulls(to_json({row}))"
    if shape.singular:
        return f"json_agg({row})->0"
    return f"coalesce(json_agg({row})->0, 'null')" if shape.bare else f"coalesce(json_agg({row}), '[]')"


def read_body(shape: Shape, body: bytes | None) -> bytes:
    """Return the body that a statement's column holds."""
    if body is None:
        return b""
    return bytes.fromhex(body.decode()) if shape.binary else body


def _written(shape: Shape, value: str) -> str:
    return f"encode({value}, 'hex')" if shape.binary else value


def csv_field(text: str) -> str:
    """Quote a name for the first line where it needs it (RFC 4180)."""
    if any(mark in text for mark in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
