"""Functions as paths of OpenAPI 2.0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reactor_data.catalog.model import Function, Parameter, Schema
from reactor_data.description.schemas import halves, typed


def function_paths(schema: Schema, name: str, overloads: Sequence[Function]) -> dict[str, Any]:
    """Return how a function is called; of several of one name, that with the most parameters is shown."""
    shown = max(overloads, key=lambda one: len(one.parameters))
    summary, description = halves(shown.comment)
    beside: dict[str, Any] = {"tags": [f"(rpc) {name}"]}
    beside |= {"summary": summary} if summary else {}
    beside |= {"description": description} if description else {}
    answers = {"responses": {"200": {"description": "OK"}}}
    if shown.returns == "void":
        answers = {"responses": {"204": {"description": "No Content"}}}
    named = [one for one in shown.parameters if one.name]
    found: dict[str, Any] = {}
    if any(one.volatility != "volatile" for one in overloads):
        found["get"] = {**beside, "parameters": [_argument(schema, one) for one in named], **answers}
    body: dict[str, Any] = {"type": "object"}
    required = [one.name for one in named if one.required]
    body |= {"required": required} if required else {}
    body |= {"properties": {one.name: _typed(schema, one) for one in named}} if named else {}
    body |= {"description": shown.comment} if shown.comment else {}
    given = {"required": bool(required), "name": "args", "in": "body", "schema": body}
    found["post"] = {**beside, "parameters": [given, {"$ref": "#/parameters/preferParams"}], **answers}
    return found


def _argument(schema: Schema, parameter: Parameter) -> dict[str, Any]:
    found = {"name": parameter.name, "in": "query", "required": parameter.required, **_typed(schema, parameter)}
    found.setdefault("type", "string")
    if parameter.variadic:
        found["collectionFormat"] = "multi"
    return found


def _typed(schema: Schema, parameter: Parameter) -> dict[str, Any]:
    return typed(schema, parameter.type, schema.domains.get(parameter.type, parameter.type))
