"""Functions as what they serve for: to be called, as a computed field, as a computed relationship."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from reactor_data.catalog.discovery import merge_computed
from reactor_data.catalog.domains import Representations
from reactor_data.catalog.model import Column, Function, Parameter, Relation, Relationship


class RawFunction(msgspec.Struct, frozen=True):
    """A function as the catalogue has it: `argument` and `result_relation` are oids of relations, 0 where there is none."""

    oid: int
    schema: str
    name: str
    parameters: tuple[Parameter, ...]
    callable: bool
    required: int
    argument: int
    result_oid: int
    result: str
    result_relation: int
    void: bool
    returns_set: bool
    composite: bool
    columns: tuple[Column, ...]
    volatility: Literal["immutable", "stable", "volatile"]
    rows: float
    security_definer: bool
    settings: tuple[tuple[str, str], ...]
    comment: str | None = None


class Routines:
    """Functions as what they serve for: to be called, as a computed field, as a computed relationship."""

    def __init__(
        self,
        functions: Sequence[RawFunction],
        relations: Sequence[Relation],
        representations: Representations,
        media: Mapping[int, str],
    ) -> None:
        self._relations = {relation.oid: relation for relation in relations}
        self._functions = [(one, self._function(one, representations, media)) for one in functions]

    def exposed(self, schema: str) -> dict[str, tuple[Function, ...]]:
        """Return the functions that can be called, overloads with fewer parameters first."""
        found: dict[str, list[Function]] = {}
        for raw, function in self._functions:
            if raw.schema == schema and raw.callable:
                found.setdefault(function.name, []).append(function)
        return {name: tuple(sorted(them, key=lambda one: len(one.parameters))) for name, them in found.items()}

    def computed(self, schema: str, path: Sequence[str]) -> dict[tuple[str, str], Function]:
        """Return the functions that serve as columns of a relation; a column of the same name hides one."""
        found: dict[tuple[str, str], Function] = {}
        # Backwards, so that what stands first on the search path is what remains.
        for raw, function in sorted(self._functions, key=lambda pair: _place(path, pair[0].schema), reverse=True):
            relation = self._relations.get(raw.argument)
            if relation is None or relation.schema != schema or raw.schema not in path:
                continue
            if raw.required == 1 and not raw.returns_set and not raw.void and raw.name not in relation.by_name:
                found[relation.name, raw.name] = function
        return found

    def related(
        self, schema: str, path: Sequence[str], detected: Mapping[str, Sequence[Relationship]]
    ) -> dict[str, tuple[Relationship, ...]]:
        """Return the relationships of a schema's relations by name, computed ones included."""
        computed: dict[str, list[Relationship]] = {}
        for raw, function in self._functions:
            source, target = self._relations.get(raw.argument), self._relations.get(raw.result_relation)
            if source is None or target is None or raw.schema not in path or len(raw.parameters) != 1:
                continue
            if source.schema == schema and target.schema == schema:
                single = not raw.returns_set or raw.rows == 1
                one = Relationship(
                    raw.name,
                    "many-to-one" if single else "one-to-many",
                    source.name,
                    target.name,
                    function=function.sql,
                )
                computed.setdefault(source.name, []).append(one)
        found: dict[str, tuple[Relationship, ...]] = {}
        for relation in self._relations.values():
            if relation.schema == schema:
                merged = merge_computed(detected.get(relation.sql, ()), computed.get(relation.name, ()))
                if merged:
                    found[relation.name] = merged
        return found

    def _function(self, raw: RawFunction, representations: Representations, media: Mapping[int, str]) -> Function:
        target = self._relations.get(raw.result_relation)
        returned = target is not None and target.schema == raw.schema
        return Function(
            oid=raw.oid,
            schema=raw.schema,
            name=raw.name,
            parameters=raw.parameters,
            returns="void" if raw.void else "composite" if raw.composite else "scalar",
            result=raw.result,
            returns_set=raw.returns_set,
            volatility=raw.volatility,
            base=representations.base(raw.result_oid, raw.result),
            relation=target.name if returned and target is not None else None,
            columns=representations.columns(raw.columns),
            rows=raw.rows,
            security_definer=raw.security_definer,
            settings=raw.settings,
            comment=raw.comment,
            media=media.get(raw.result_oid),
        )


def _place(path: Sequence[str], schema: str) -> int:
    return path.index(schema) if schema in path else len(path)
