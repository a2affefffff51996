"""Choosing the relationship that an embed means (contract data.md §4.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches

from reactor_data.catalog.model import Relation, Relationship, Schema
from reactor_data.errors import DataError


def find_relationship(schema: Schema, source: Relation, target: str, hint: str | None) -> Relationship:
    """Return the relationship from `source` that `target!hint` names.

    `target` is a relation, a foreign key constraint, the column of a single-column foreign key or a computed relationship's
    function; constraints and columns lead to tables only. `hint` is a constraint, a column of either side or a junction.

    Raises:
        DataError: 400 `embed_not_found`, 300 `ambiguous_embed`.
    """
    known = schema.relationships.get(source.name, ())
    found = [one for one in known if _matches(schema, one, target, hint)]
    if not found:
        raise _not_found(schema, source, target, hint)
    if len(found) > 1:
        raise _ambiguous(source, target, found)
    return found[0]


def _matches(schema: Schema, one: Relationship, target: str, hint: str | None) -> bool:
    if one.function is not None:
        return target == one.name
    if one.source == one.target:
        return _matches_self(one, target, hint)
    if hint is not None:
        return target == one.target and (
            hint in (_constraint(one), _column(one), _target_column(one))
            or (one.junction is not None and hint == one.junction.name)
        )
    if target == one.target:
        return True
    return target in (_constraint(one), _column(one)) and not schema.relations[one.target].view


def _matches_self(one: Relationship, target: str, hint: str | None) -> bool:
    """Tell the two directions of a self reference apart: the relation's name means the children, the column the parent."""
    if one.cardinality == "many-to-one":
        return hint is None and target == _column(one)
    if one.cardinality != "one-to-many" or target != one.target:
        return False
    return hint is None or hint in (_target_column(one), one.name)


def _constraint(one: Relationship) -> str | None:
    return one.name if one.junction is None else None


def _column(one: Relationship) -> str | None:
    return one.columns[0][0] if len(one.columns) == 1 else None


def _target_column(one: Relationship) -> str | None:
    return one.columns[0][1] if len(one.columns) == 1 else None


def _not_found(schema: Schema, source: Relation, target: str, hint: str | None) -> DataError:
    using = "" if hint is None else f"' using the hint '{hint}"
    return DataError(
        400,
        "embed_not_found",
        f"Could not find a relationship between '{source.name}' and '{target}' in the schema cache",
        pgrst="PGRST200",
        detail=f"Searched for a foreign key relationship between '{source.name}' and '{target}{using}' in the schema"
        f" '{schema.name}', but no matches were found.",
        hint=_suggestion(schema, source, target),
        details={"table": source.name, "embed": target},
    )


def _suggestion(schema: Schema, source: Relation, target: str) -> str | None:
    known = schema.relationships.get(source.name)
    if known is None:
        near = get_close_matches(source.name, schema.relationships, n=1, cutoff=0.6)
        return f"Perhaps you meant '{near[0]}' instead of '{source.name}'." if near else None
    targets = {one.name if one.function is not None else one.target for one in known}
    # A target that exists was refused because of its hint.
    near = [] if target in targets else get_close_matches(target, sorted(targets), n=1, cutoff=0.6)
    return f"Perhaps you meant '{near[0]}' instead of '{target}'." if near else None


def _ambiguous(source: Relation, target: str, found: Sequence[Relationship]) -> DataError:
    choices = ", ".join(f"'{one.target}!{one.name}'" for one in found)
    described = [
        {
            "cardinality": one.cardinality,
            "embedding": f"{one.source} with {one.target}",
            "relationship": _described(one),
        }
        for one in found
    ]
    return DataError(
        300,
        "ambiguous_embed",
        f"Could not embed because more than one relationship was found for '{source.name}' and '{target}'",
        pgrst="PGRST201",
        detail=described,
        hint=f"Try changing '{target}' to one of the following: {choices}. Find the desired relationship in the"
        " 'details' key.",
    )


def _described(one: Relationship) -> str:
    if one.junction is not None:
        near = _listed(one.junction.source_columns, lambda pair: pair[1])
        far = _listed(one.junction.target_columns, lambda pair: pair[0])
        return f"{one.junction.name} using {one.junction.source_constraint}{near} and {one.junction.target_constraint}{far}"
    ours, theirs = _listed(one.columns, lambda pair: pair[0]), _listed(one.columns, lambda pair: pair[1])
    return f"{one.name} using {one.source}{ours} and {one.target}{theirs}"


def _listed(pairs: Sequence[tuple[str, str]], side: Callable[[tuple[str, str]], str]) -> str:
    return f"({', '.join(side(pair) for pair in pairs)})"
