"""Bind sections to their models and report every problem of every section at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reactor_kernel.config import coerce, env, schema
from reactor_kernel.config.nodes import DEFAULT, Array, Node, Origin, Scalar, Table, Text, dotted, find, split_dotted
from reactor_kernel.config.nodes import Path as KeyPath
from reactor_kernel.config.raw import RawConfig
from reactor_kernel.config.redact import Redactor
from reactor_kernel.config.secrets import Resolver, Unresolvable, is_reference
from reactor_kernel.config.suggest import nearest
from reactor_kernel.contributions.config import ConfigSection
from reactor_kernel.errors import BootError, ExitCode, Fault

OPTIONAL = "optional"


@dataclasses.dataclass(slots=True)
class Bound:
    """What binding gave. `values` holds an instance of each section's model, of those sections that have no fault."""

    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    faults: list[Fault] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)

    def require(self) -> dict[str, Any]:
        """Return the values, or raise BootError with every fault."""
        if self.faults:
            raise BootError(self.faults)
        return self.values


def bind(raw: RawConfig, sections: Mapping[str, ConfigSection], resolver: Resolver) -> Bound:
    """Make an instance of each section's model; a section that is absent takes its defaults."""
    bound = Bound()
    keys: dict[str, tuple[tuple[str, ...], ...]] = {}
    for name, section in sections.items():
        binding = _SectionBinding(name, section, raw, resolver)
        value = binding.bind()
        keys[name] = binding.keys
        bound.faults += [fault for fault in binding.faults if fault not in bound.faults]
        bound.warnings += binding.warnings
        if not binding.faults:
            bound.values[name] = value
    for key, origin in raw.unknown_keys():
        if key not in sections:
            bound.warnings.append(
                f"unknown key {dotted((key,))}{_at(origin)}; keys stand in a section, such as [project]"
            )
    for variable, meant in raw.misspelt_variables(keys):
        bound.warnings.append(f"unknown environment variable {variable}; did you mean {meant}?")
    return bound


class _Missing:
    """Stands for a value that could not be bound; its fault has been noted."""


_MISSING = _Missing()


class _SectionBinding:
    def __init__(self, name: str, section: ConfigSection, raw: RawConfig, resolver: Resolver) -> None:
        self.name = name
        self.section = section
        self.root = raw.root
        self.resolver = resolver
        self.faults: list[Fault] = []
        self.warnings: list[str] = []
        self.keys: tuple[tuple[str, ...], ...] = ()
        self._raw = raw
        self._redactor = Redactor(section.secrets)
        self._tree: Node = Table(DEFAULT)

    def bind(self) -> Any:
        try:
            self.keys = (*schema.paths_of(self.section.model), (OPTIONAL,))
        except schema.UndeclarableType as error:
            self._fault((), str(error), DEFAULT)
            return _MISSING
        tree = self._raw.section(self.name, self.keys)
        self._tree = tree if tree is not None else Table(DEFAULT)
        if not isinstance(self._tree, Table):
            self._fault((), f"must be a table: write [{self.name}]", self._tree.origin)
            return _MISSING
        if OPTIONAL not in {key.name for key in schema.keys_of(self.section.model)}:
            node = self._tree.entries.pop(OPTIONAL, None)
            if node is not None:
                self._value(node, bool, {}, (OPTIONAL,))
        return self._model(self._tree, self.section.model, (), None)

    # -- values -------------------------------------------------------------------------------------------------------

    def _model(self, table: Table, model: type, path: KeyPath, base: Any) -> Any:
        """Bind a table; a key that is not written takes its value from `base`, else the field's default."""
        keys = {key.name: key for key in schema.keys_of(model)}
        for name, node in table.entries.items():
            if name not in keys:
                self._unknown(name, node, path, keys)
        before = len(self.faults)
        values: dict[str, Any] = {}
        for name, key in keys.items():
            at = (*path, name)
            if name in table.entries:
                values[key.attribute] = self._value(table.entries[name], key.type, key.metadata, at)
            else:
                values[key.attribute] = self._absent(key, at, base, table.origin)
        if len(self.faults) > before:
            return _MISSING
        return self._build(model, values, path)

    def _absent(self, key: schema.Key, path: KeyPath, base: Any, origin: Origin) -> Any:
        nested = None if "parse" in key.metadata else schema.nested_model(key.type)
        default = getattr(base, key.attribute) if base is not None else (_MISSING if key.required else key.default())
        if nested is not None and isinstance(default, nested | _Missing):
            return self._model(Table(origin), nested, path, None if default is _MISSING else default)
        if default is _MISSING:
            self._fault(path, f"required{self._ways_to_set(path)}", origin)
            return _MISSING
        return default if key.metadata.get("literal") else self._settle(default, path, schema.allows_none(key.type))

    def _ways_to_set(self, path: KeyPath) -> str:
        names = [self.name, *(step for step in path if isinstance(step, str))]
        if len(names) <= len(path):  # inside a list, which no header and no variable of its own names
            return ""
        return f"; set it under [{dotted(names[:-1])}] or as {env.variable_name(names[0], names[1:])}"

    def _settle(self, default: Any, path: KeyPath, optional: bool) -> Any:
        """Make a default usable: paths start from the project, references are followed."""
        if isinstance(default, Path):
            return self.root / default
        if isinstance(default, str) and is_reference(default):
            try:
                return self._resolve(default)
            except Unresolvable as error:
                if optional:
                    return None
                self._fault(path, str(error), DEFAULT)
                return _MISSING
            except BootError as error:
                self.faults += error.faults
                return _MISSING
        if isinstance(default, list | tuple | set | frozenset):
            return type(default)(self._settle(item, path, False) for item in default)
        if isinstance(default, dict):
            return {key: self._settle(item, (*path, str(key)), False) for key, item in default.items()}
        return default

    def _value(self, node: Node, declared: Any, metadata: Mapping[str, Any], path: KeyPath) -> Any:
        try:
            followed = node if metadata.get("literal") else self._follow(node)
            return self._shaped(followed, declared, metadata, path)
        except Unresolvable as error:
            self._fault(path, str(error), node.origin)
        except BootError as error:  # the vault cannot be opened: one fault, however many keys lead there
            self.faults += [fault for fault in error.faults if fault not in self.faults]
        except coerce.Mismatch as error:
            quoted = f", not {error.quoted}" if error.quoted is not None and not self._is_secret(node, path) else ""
            self._fault(path, error.reason + quoted, node.origin)
        return _MISSING

    def _shaped(self, node: Node, declared: Any, metadata: Mapping[str, Any], path: KeyPath) -> Any:
        """Return the value in the declared shape: a list, a table or a scalar."""
        self._note_secret(node, path)
        takes_scalar = False
        for member in schema.members(declared):
            as_list, as_table = schema.list_item(member), schema.table_item(member)
            # A key with its own parser is written as text, whatever the parser makes of it.
            model = None if "parse" in metadata else schema.nested_model(member)
            anything = member in (Any, object)
            takes_scalar |= as_list is None and as_table is None and model is None
            shaped = coerce.expanded(
                node, as_list is not None or anything, as_table is not None or bool(model) or anything
            )
            if isinstance(shaped, Array) and (as_list or anything):
                make, item = as_list or (list, Any)
                return self._items(shaped, make, item, metadata, path)
            if isinstance(shaped, Table) and model is not None:
                return self._model(shaped, model, path, self._base(path, model))
            if isinstance(shaped, Table) and (as_table is not None or anything):
                return self._entries(shaped, as_table if as_table is not None else Any, metadata, path)
        if isinstance(node, Scalar) and takes_scalar:
            return coerce.scalar(node.value, declared, metadata, self.root)
        expected = schema.describe(declared)
        if isinstance(node, Scalar):
            form = coerce.written_form(expected) if isinstance(node.value, Text) else ""
            raise coerce.Mismatch(f"must be {expected}{form}", coerce.show(node.value))
        raise coerce.Mismatch(f"must be {expected}", "a list" if isinstance(node, Array) else "a table")

    def _items(self, node: Array, make: Any, item: Any, metadata: Mapping[str, Any], path: KeyPath) -> Any:
        values = [self._value(entry, item, metadata, (*path, index)) for index, entry in enumerate(node.items)]
        return _MISSING if any(value is _MISSING for value in values) else make(values)

    def _entries(self, node: Table, item: Any, metadata: Mapping[str, Any], path: KeyPath) -> Any:
        values = {key: self._value(entry, item, metadata, (*path, key)) for key, entry in node.entries.items()}
        return _MISSING if any(value is _MISSING for value in values.values()) else values

    def _base(self, path: KeyPath, model: type) -> Any:
        """Return the default of the nested table at `path`: it gives the keys that are not written."""
        current: Any = self.section.model
        base: Any = None
        for step in path:
            key = next((k for k in schema.keys_of(current) if k.name == step), None)
            if key is None:
                return None
            base = getattr(base, key.attribute) if base is not None else (None if key.required else key.default())
            nested = schema.nested_model(key.type)
            if nested is None:
                return None
            current = nested
        return base if isinstance(base, model) else None

    # -- references and secrets ---------------------------------------------------------------------------------------

    def _follow(self, node: Node) -> Node:
        """Replace a reference by what it leads to."""
        text = coerce.plain_text(node)
        if text is None or not is_reference(text):
            return node
        return Scalar(Text(self._resolve(text), quotable=False), node.origin)

    def _resolve(self, reference: str) -> str:
        value = self.resolver.resolve(reference)
        self._redactor.hide(value)
        return value

    def _is_secret(self, node: Node, path: KeyPath) -> bool:
        if self._redactor.covers(path):
            return True
        text = coerce.plain_text(node)
        return text is not None and is_reference(text)

    def _note_secret(self, node: Node, path: KeyPath) -> None:
        if isinstance(node, Scalar) and self._redactor.covers(path):
            text = coerce.plain_text(node)
            self._redactor.hide(text if text is not None else str(node.value))

    # -- reports ------------------------------------------------------------------------------------------------------

    def _build(self, model: type, values: dict[str, Any], path: KeyPath) -> Any:
        try:
            instance = model(**values)
        except (ValueError, TypeError) as error:
            self._fault(path, str(error), self._origin(path))
            return _MISSING
        before = len(self.faults)
        for key, reason in self._ask(instance, "problems", path):
            at = (*path, *split_dotted(key))
            self._fault(at, reason, self._origin(at))
        for key, reason in self._ask(instance, "advice", path):
            at = (*path, *split_dotted(key))
            self.warnings.append(self._redactor.scrub(f"{dotted((self.name, *at))}: {reason}{_at(self._origin(at))}"))
        return instance if len(self.faults) == before else _MISSING

    def _ask(self, instance: Any, method: str, path: KeyPath) -> Iterable[tuple[str, str]]:
        check = getattr(instance, method, None)
        if check is None:
            return []
        try:
            return list(check())
        except Exception as error:  # noqa: BLE001 - a plugin's own check must not hide the other faults
            # The exception's text may quote a value, so only its type is shown.
            self._fault(
                path, f"the check {type(instance).__qualname__}.{method} raised {type(error).__name__}", DEFAULT
            )
            return []

    def _origin(self, path: KeyPath) -> Origin:
        """Return where the value at `path` stands, else where the nearest table around it does."""
        for length in range(len(path), -1, -1):
            node = find(self._tree, path[:length])
            if node is not None:
                return node.origin
        return DEFAULT

    def _unknown(self, name: str, node: Node, path: KeyPath, known: Iterable[str]) -> None:
        near = nearest(name, known)
        hint = f"; did you mean {dotted((self.name, *path, near))}?" if near else ""
        self.warnings.append(f"unknown key {dotted((self.name, *path, name))}{_at(node.origin)}{hint}")

    def _fault(self, path: KeyPath, message: str, origin: Origin) -> None:
        self.faults.append(
            Fault(
                category="config",
                subject=dotted((self.name, *path)),
                message=self._redactor.scrub(message),
                where=origin.where,
                exit_code=ExitCode.CONFIG,
            )
        )


def _at(origin: Origin) -> str:
    return f" ({origin.where})" if origin.where else ""
