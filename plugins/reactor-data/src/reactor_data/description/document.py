"""The OpenAPI 2.0 document, in the form that PostgREST gives it."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor_data import __version__
from reactor_data.catalog.model import Relation, Schema
from reactor_data.description.functions import function_paths
from reactor_data.description.rights import RelationRights, Rights
from reactor_data.description.schemas import definition, halves, typed

_ALL = RelationRights()
_NONE = RelationRights(False, False, False, False)
_MEDIA = [
    "application/json",
    "application/vnd.pgrst.object+json;nulls=stripped",
    "application/vnd.pgrst.object+json",
    "text/csv",
]
_REPRESENTATION = ["return=representation", "return=minimal", "return=none"]


def describe(schema: Schema, rights: Rights | None, *, host: str, scheme: str, base_path: str) -> dict[str, Any]:
    """Return the document of what the rights allow; None = of everything."""
    visible = []
    for _, relation in sorted(schema.relations.items()):
        allowed = _ALL if rights is None else rights.relations.get(relation.oid, _NONE)
        if not relation.partition and allowed.any:
            visible.append((_permitted(relation, allowed.columns), allowed))
    names = {relation.name for relation, _ in visible}
    functions = {
        name: [one for one in found if rights is None or one.oid in rights.functions]
        for name, found in sorted(schema.functions.items())
    }
    title, description = halves(schema.comment)
    paths: dict[str, Any] = {"/": _root()}
    for relation, allowed in visible:
        paths[f"/{relation.name}"] = _path(relation, allowed)
    for name, found in functions.items():
        if found:
            paths[f"/rpc/{name}"] = function_paths(schema, name, found)
    return {
        "swagger": "2.0",
        "info": {
            "title": title or "Reactor data API",
            "description": description or "The relations and functions that the caller may use, made from the database",
            "version": __version__,
        },
        "host": host,
        "basePath": base_path,
        "schemes": [scheme],
        "consumes": [*_MEDIA, "application/x-www-form-urlencoded"],
        "produces": _MEDIA,
        "securityDefinitions": {"JWT": {"type": "apiKey", "in": "header", "name": "Authorization"}},
        "security": [{"JWT": []}],
        "paths": paths,
        "definitions": {relation.name: definition(schema, relation, names) for relation, _ in visible},
        "parameters": _parameters(schema, [relation for relation, _ in visible]),
    }


def _permitted(relation: Relation, columns: tuple[str, ...] | None) -> Relation:
    """Return the relation with those of its columns only that the caller has a right on."""
    if columns is None:
        return relation
    return msgspec.structs.replace(relation, columns=tuple(one for one in relation.columns if one.name in columns))


def _root() -> dict[str, Any]:
    return {
        "get": {
            "tags": ["Introspection"],
            "summary": "OpenAPI description (this document)",
            "produces": ["application/openapi+json", "application/json"],
            "responses": {"200": {"description": "OK"}},
        }
    }


def _path(relation: Relation, allowed: RelationRights) -> dict[str, Any]:
    name = relation.name
    summary, description = halves(relation.comment)
    beside: dict[str, Any] = {"tags": [name]}
    beside |= {"summary": summary} if summary else {}
    beside |= {"description": description} if description else {}
    filters = [_refer(f"rowFilter.{name}.{column.name}") for column in relation.columns]
    body = _refer(f"body.{name}")
    rows = {"type": "array", "items": {"$ref": f"#/definitions/{_pointer(name)}"}}
    paging = [_refer(key) for key in ("select", "order", "range", "rangeUnit", "offset", "limit", "preferCount")]
    found: dict[str, Any] = {}
    if allowed.select:
        responses = {"200": {"description": "OK", "schema": rows}, "206": {"description": "Partial Content"}}
        found["get"] = {**beside, "parameters": [*filters, *paging], "responses": responses}
    if allowed.insert and relation.insertable:
        given = [body, _refer("select"), _refer("preferPost")]
        found["post"] = {**beside, "parameters": given, "responses": {"201": {"description": "Created"}}}
    changed = {"204": {"description": "No Content"}}
    if allowed.delete and relation.deletable:
        found["delete"] = {**beside, "parameters": [*filters, _refer("preferReturn")], "responses": changed}
    if allowed.update and relation.updatable_rows:
        found["patch"] = {**beside, "parameters": [*filters, body, _refer("preferReturn")], "responses": changed}
    return found


def _parameters(schema: Schema, relations: list[Relation]) -> dict[str, Any]:
    resolution = ["resolution=ignore-duplicates", "resolution=merge-duplicates"]
    found: dict[str, Any] = {
        "preferParams": _header("Prefer", "Preference", ["params=single-object"]),
        "preferReturn": _header("Prefer", "Preference", _REPRESENTATION),
        "preferPost": _header("Prefer", "Preference", [*_REPRESENTATION, *resolution]),
        "preferCount": _header(
            "Prefer", "Preference", ["count=none", "count=exact", "count=planned", "count=estimated"]
        ),
        "select": _query("select", "Filtering Columns"),
        "on_conflict": _query("on_conflict", "On Conflict"),
        "order": _query("order", "Ordering"),
        "range": _header("Range", "Limiting and Pagination"),
        "rangeUnit": {**_header("Range-Unit", "Limiting and Pagination"), "default": "items"},
        "offset": _query("offset", "Limiting and Pagination"),
        "limit": _query("limit", "Limiting and Pagination"),
    }
    for relation in relations:
        found[f"body.{relation.name}"] = {
            "name": relation.name,
            "in": "body",
            "required": False,
            "schema": {"$ref": f"#/definitions/{_pointer(relation.name)}"},
            **({"description": relation.comment} if relation.comment else {}),
        }
        for column in relation.columns:
            shown = typed(schema, column.type, column.base)
            found[f"rowFilter.{relation.name}.{column.name}"] = {
                "name": column.name,
                "in": "query",
                "required": False,
                "type": "string",
                **({"format": shown["format"]} if "format" in shown else {}),
                **({"description": column.comment} if column.comment else {}),
            }
    return found


def _header(name: str, description: str, values: list[str] | None = None) -> dict[str, Any]:
    found = {"name": name, "description": description, "required": False, "in": "header", "type": "string"}
    return found if values is None else {**found, "enum": values}


def _query(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "description": description, "required": False, "in": "query", "type": "string"}


def _refer(parameter: str) -> dict[str, str]:
    return {"$ref": f"#/parameters/{_pointer(parameter)}"}


def _pointer(name: str) -> str:
    """Escape a name for a JSON pointer (RFC 6901 §3)."""
    return name.replace("~", "~0").replace("/", "~1")
