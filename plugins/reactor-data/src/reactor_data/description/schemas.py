"""Relations and types as the schema objects of OpenAPI 2.0."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from reactor_data.catalog.model import Column, Relation, Schema

_TYPES = {
    **dict.fromkeys(("smallint", "integer", "bigint"), "integer"),
    **dict.fromkeys(("real", "double precision", "numeric"), "number"),
    "boolean": "boolean",
}
_LENGTH = re.compile(r"character(?: varying)?\((\d+)\)\Z")


def definition(schema: Schema, relation: Relation, known: Collection[str]) -> dict[str, Any]:
    """Return a relation as an object. `known` are the relations that the caller may be told of."""
    found: dict[str, Any] = {"type": "object"}
    if relation.comment:
        found["description"] = relation.comment
    required = [column.name for column in relation.columns if not column.nullable]
    if required:
        found["required"] = required
    found["properties"] = {column.name: _property(schema, relation, column, known) for column in relation.columns}
    return found


def _property(schema: Schema, relation: Relation, column: Column, known: Collection[str]) -> dict[str, Any]:
    """Return a column; that it is a key stands in its description, as PostgREST's readers expect."""
    found = typed(schema, column.type, column.base)
    notes = []
    if column.name in relation.primary_key:
        notes.append("This is a Primary Key.<pk/>")
    for one in schema.relationships.get(relation.name, ()):
        if one.cardinality != "many-to-one" or one.target not in known or len(one.columns) != 1:
            continue
        if one.columns[0][0] == column.name:
            target, theirs = one.target, one.columns[0][1]
            notes.append(f"This is a Foreign Key to `{target}.{theirs}`.<fk table='{target}' column='{theirs}'/>")
            break
    told = [column.comment] if column.comment else []
    if notes:
        told.append("\n".join(["Note:", *notes]))
    if told:
        found["description"] = "\n\n".join(told)
    if column.default is not None:
        found["default"] = column.default
    return found


def typed(schema: Schema, written: str, base: str) -> dict[str, Any]:
    """Return what a value of a type looks like; `base` is the type below any domain."""
    found: dict[str, Any] = {"format": schema.shown(written)}
    if base.endswith("[]"):
        element = base[:-2]
        items: dict[str, Any] = {"type": _TYPES.get(element, "string")}
        if element in schema.enums:
            items["enum"] = list(schema.enums[element])
        return {**found, "type": "array", "items": items if element not in ("json", "jsonb") else {}}
    if base not in ("json", "jsonb"):
        found["type"] = _TYPES.get(base, "string")
    if base in schema.enums:
        found["enum"] = list(schema.enums[base])
    length = _LENGTH.match(written)
    if length is not None:
        found["maxLength"] = int(length[1])
    return found


def halves(comment: str | None) -> tuple[str, str]:
    """Part a comment into its first line and the rest: summary and description."""
    first, _, rest = (comment or "").partition("\n")
    return first.strip(), rest.strip()
