"""Choosing the function that a call means, by the names of its arguments (contract data.md §4.10)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches

from reactor_data.catalog.model import Function, Schema
from reactor_data.errors import DataError

# The type of one unnamed parameter that takes a whole body of a media type.
_WHOLE_BODY = {
    "application/json": ("json", "jsonb"),
    "text/plain": ("text",),
    "text/xml": ("xml",),
    "application/octet-stream": ("bytea",),
}


def find_function(schema: Schema, name: str, given: Collection[str], body: str | None) -> Function:
    """Return the one overload that takes the given argument names.

    Where none does, one with a single unnamed parameter takes the body; `body` is its media type, None where there is no
    body (GET).

    Raises:
        DataError: 404 `function_not_found`, 300 `ambiguous_function`.
    """
    overloads = schema.functions.get(name, ())
    nameless = body in _WHOLE_BODY and body != "application/json"
    found = [one for one in overloads if not nameless and _takes(one, given)]
    if not found and body is not None:
        found = [one for one in overloads if takes_body(one) and one.parameters[0].type in _WHOLE_BODY.get(body, ())]
    if len(found) == 1:
        return found[0]
    raise _ambiguous(found) if found else _not_found(schema, name, sorted(given), body, overloads)


def takes_body(function: Function) -> bool:
    """Tell whether the function has one unnamed parameter, for a whole body."""
    return len(function.parameters) == 1 and not function.parameters[0].name


def _takes(function: Function, given: Collection[str]) -> bool:
    if takes_body(function):
        return False
    required = {parameter.name for parameter in function.parameters if parameter.required}
    return required <= set(given) <= {parameter.name for parameter in function.parameters}


def _ambiguous(found: Sequence[Function]) -> DataError:
    choices = ", ".join(
        f"{one.schema}.{one.name}({', '.join(f'{parameter.name} => {parameter.type}' for parameter in one.parameters)})"
        for one in found
    )
    return DataError(
        300,
        "ambiguous_function",
        f"Could not choose the best candidate function between: {choices}",
        pgrst="PGRST203",
        hint="Try renaming the parameters or the function itself in the database so function overloading can be resolved",
    )


def _not_found(
    schema: Schema, name: str, given: Sequence[str], body: str | None, overloads: Sequence[Function]
) -> DataError:
    called = f"{schema.name}.{name}"
    listed = ", ".join(given)
    named = f"({listed})" if given else " without parameters"
    searched = f" with parameter{'s' if len(given) > 1 else ''} {listed}" if given else " without parameters"
    hint = _suggestion(schema, name, listed, overloads)
    if body == "application/json":
        searched += " or with a single unnamed json/jsonb parameter"
    elif body in _WHOLE_BODY:
        named, hint = "", None
        searched = f" with a single unnamed {_WHOLE_BODY[body][0]} parameter"
    return DataError(
        404,
        "function_not_found",
        f"Could not find the function {called}{named} in the schema cache",
        pgrst="PGRST202",
        detail=f"Searched for the function {called}{searched}, but no matches were found in the schema cache.",
        hint=hint,
        details={"function": name},
    )


def _suggestion(schema: Schema, name: str, listed: str, overloads: Sequence[Function]) -> str | None:
    if not overloads:
        near = get_close_matches(name, schema.functions, n=1, cutoff=0.75)
        return f"Perhaps you meant to call the function {schema.name}.{near[0]}" if near else None
    signatures = [f"({', '.join(sorted(parameter.name for parameter in one.parameters))})" for one in overloads]
    near = get_close_matches(f"({listed})", signatures, n=1, cutoff=0.4)
    return f"Perhaps you meant to call the function {schema.name}.{name}{near[0]}" if near else None
