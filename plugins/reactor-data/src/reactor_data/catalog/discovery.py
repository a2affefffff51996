"""Relationships between the exposed relations, found from foreign keys, views, junctions and functions (data.md §4.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import permutations, product

import msgspec

from reactor_data.catalog.model import Cardinality, ForeignKey, Junction, Relation, Relationship

_ORDER: tuple[Cardinality, ...] = ("one-to-many", "many-to-one", "one-to-one", "many-to-many")

Shown = Mapping[int, Mapping[int, Mapping[int, Sequence[int]]]]
"""View → table → number of its column → numbers of the view's columns; all by oid and attribute number."""


class Key(msgspec.Struct, frozen=True):
    """A constraint: `kind` p (primary key), u (unique) or f (foreign key)."""

    kind: str
    name: str
    relation: int
    numbers: tuple[int, ...]
    columns: tuple[str, ...]
    target: int = 0
    target_numbers: tuple[int, ...] | None = None
    target_columns: tuple[str, ...] | None = None


class _Link(msgspec.Struct, frozen=True):
    """A foreign key as two exposed relations show it; `unique` when no two rows of the source share a target."""

    name: str
    source: Relation
    target: Relation
    columns: tuple[tuple[str, str], ...]
    unique: bool

    @property
    def source_columns(self) -> tuple[str, ...]:
        return tuple(column for column, _ in self.columns)


def with_keys(relations: Iterable[Relation], keys: Sequence[Key], shown: Shown) -> list[Relation]:
    """Return the relations with their keys; views get those of which they show every column."""
    by_relation: dict[int, list[Key]] = {}
    for key in keys:
        by_relation.setdefault(key.relation, []).append(key)
    return [
        _view_with_keys(relation, by_relation, shown.get(relation.oid, {}))
        if relation.view
        else _table_with_keys(relation, by_relation.get(relation.oid, ()))
        for relation in relations
    ]


def _table_with_keys(relation: Relation, keys: Sequence[Key]) -> Relation:
    if not keys:
        return relation
    return msgspec.structs.replace(
        relation,
        primary_key=next((key.columns for key in keys if key.kind == "p"), ()),
        uniques=tuple(key.columns for key in keys if key.kind == "u"),
        foreign_keys=tuple(
            ForeignKey(key.name, key.columns, key.target, key.target_columns or ()) for key in keys if key.kind == "f"
        ),
    )


def _view_with_keys(
    view: Relation, keys: Mapping[int, Sequence[Key]], tables: Mapping[int, Mapping[int, Sequence[int]]]
) -> Relation:
    names = {column.number: column.name for column in view.columns}
    primary: list[str] = []
    uniques: list[tuple[str, ...]] = []
    for table, columns in tables.items():
        for key in keys.get(table, ()):
            if key.kind == "f" or not all(number in columns for number in key.numbers):
                continue
            # Of several columns that show the same one, the first stands for it.
            found = tuple(names[columns[number][0]] for number in key.numbers)
            if key.kind == "p":
                primary.extend(found)
            elif len(tables) == 1:
                uniques.append(found)
    return msgspec.structs.replace(view, primary_key=tuple(primary), uniques=tuple(uniques))


def relationships(relations: Sequence[Relation], keys: Sequence[Key], shown: Shown) -> dict[str, list[Relationship]]:
    """Return what leads from each relation to others of its schema, by the quoted, qualified name of the source."""
    found: dict[str, list[Relationship]] = {}
    junctions: dict[int, list[_Link]] = {}
    for link in _links(relations, keys, shown):
        if not link.unique:
            junctions.setdefault(link.source.oid, []).append(link)
        if link.source.schema == link.target.schema:
            _add(
                found, link.source, link.target, link.name, "one-to-one" if link.unique else "many-to-one", link.columns
            )
            back = tuple((target, source) for source, target in link.columns)
            _add(found, link.target, link.source, link.name, "one-to-one" if link.unique else "one-to-many", back)
    for links in junctions.values():
        # The foreign keys of a junction are part of its primary key.
        primary = set(links[0].source.primary_key)
        for near, far in permutations([link for link in links if primary.issuperset(link.source_columns)], 2):
            _add_junction(found, near, far)
    for one in found.values():
        one.sort(key=_rank)
    return found


def merge_computed(found: Iterable[Relationship], computed: Sequence[Relationship]) -> tuple[Relationship, ...]:
    """Let computed relationships take the place of those detected to a relation of the function's name."""
    names = {relationship.name for relationship in computed}
    kept = [relationship for relationship in found if relationship.target not in names]
    return tuple(sorted((*kept, *computed), key=_rank))


def _links(relations: Sequence[Relation], keys: Sequence[Key], shown: Shown) -> Iterator[_Link]:
    tables = {relation.oid: relation for relation in relations if not relation.view}
    views: dict[int, list[tuple[Relation, Mapping[int, Sequence[int]]]]] = {}
    for relation in relations:
        for oid, seen in shown.get(relation.oid, {}).items() if relation.view else ():
            views.setdefault(oid, []).append((relation, seen))
    unique: dict[int, set[frozenset[int]]] = {}
    for key in keys:
        if key.kind != "f":
            unique.setdefault(key.relation, set()).add(frozenset(key.numbers))

    def carriers(
        oid: int, numbers: Sequence[int], columns: tuple[str, ...]
    ) -> Iterator[tuple[Relation, tuple[str, ...]]]:
        table = tables.get(oid)
        if table is not None:
            if table.partition:
                return
            yield table, columns
        for view, seen in views.get(oid, ()):
            if all(number in seen for number in numbers):
                names = {column.number: column.name for column in view.columns}
                # A view may show a column twice; each of them leads somewhere.
                for choice in product(*(seen[number] for number in numbers)):
                    yield view, tuple(names[number] for number in choice)

    for key in keys:
        if key.kind != "f" or key.target_numbers is None or key.target_columns is None:
            continue
        targets = list(carriers(key.target, key.target_numbers, key.target_columns))
        single = frozenset(key.numbers) in unique.get(key.relation, ())
        for source, columns in carriers(key.relation, key.numbers, key.columns) if targets else ():
            for target, target_columns in targets:
                yield _Link(key.name, source, target, tuple(zip(columns, target_columns, strict=True)), single)


def _add(
    found: dict[str, list[Relationship]],
    source: Relation,
    target: Relation,
    name: str,
    cardinality: Cardinality,
    columns: tuple[tuple[str, str], ...],
) -> None:
    one = Relationship(name, cardinality, source.name, target.name, columns)
    found.setdefault(source.sql, []).append(one)


def _add_junction(found: dict[str, list[Relationship]], near: _Link, far: _Link) -> None:
    junction, source, target = near.source, near.target, far.target
    if near.name == far.name or source.schema != target.schema:
        return
    through = Junction(
        junction.schema,
        junction.name,
        near.name,
        far.name,
        tuple((theirs, ours) for ours, theirs in near.columns),
        far.columns,
    )
    found.setdefault(source.sql, []).append(
        Relationship(junction.name, "many-to-many", source.name, target.name, junction=through)
    )


def _rank(one: Relationship) -> tuple[str, int, str, tuple[tuple[str, str], ...]]:
    return one.target, _ORDER.index(one.cardinality), one.name, one.columns
