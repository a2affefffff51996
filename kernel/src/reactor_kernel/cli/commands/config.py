"""`reactor config`: what the configuration is, where each value comes from, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

import click

from reactor_kernel.cli.invocation import Invocation
from reactor_kernel.cli.output import table
from reactor_kernel.config.nodes import Array, Node, Scalar, Table, Text
from reactor_kernel.config.schema import keys_of, paths_of
from reactor_kernel.config.secrets import is_reference
from reactor_kernel.contributions import ConfigSection

if TYPE_CHECKING:
    from reactor_kernel.kernel import Kernel

MASK = "***"


@click.group("config")
def command() -> None:
    """Check or show the configuration."""


@command.command("check")
@click.pass_obj
def check(invocation: Invocation) -> None:
    """Check every section and list every problem with its path and line; exit 2 when there is one."""
    kernel = _configured(invocation)
    data = {
        "path": str(kernel.raw.path) if kernel.raw.path else None,
        "sections": list(kernel.raw.section_names),
        "plugins": [plugin.name for plugin in kernel.enabled],
        "warnings": list(kernel.warnings),
    }
    place = data["path"] or "the environment"
    sections = f"{len(kernel.raw.section_names)} sections"
    found = f", {len(kernel.warnings)} warnings" if kernel.warnings else ""
    invocation.emit(data, lambda: invocation.out.success(f"{place} is sound: {sections}{found}"))


@command.command("show")
@click.pass_obj
def show(invocation: Invocation) -> None:
    """Show every value in force and where it comes from; secrets are masked, references are shown as written."""
    kernel = _configured(invocation)
    rows = list(_rows(kernel))
    document: dict[str, dict[str, Any]] = {}
    for section, key, value, source, where in rows:
        document.setdefault(section, {})[key] = {"value": value, "source": source, "where": where}
    data = {"path": str(kernel.raw.path) if kernel.raw.path else None, "sections": document}
    invocation.emit(
        data,
        lambda: table(
            ("key", "value", "origin"),
            [(f"{section}.{key}", _shown(value), where or source) for section, key, value, source, where in rows],
            empty="No sections found.",
        ),
    )


def _configured(invocation: Invocation) -> Kernel:
    from reactor_kernel.kernel import Stage

    return invocation.kernel(Stage.CONFIGURED)


def _rows(kernel: Kernel) -> Iterator[tuple[str, str, Any, str, str | None]]:
    """Yield section, key, value as it may be seen, source and place of every key."""
    from reactor_kernel.config.nodes import find
    from reactor_kernel.config.redact import Redactor

    for name, section in _sections(kernel).items():
        instance = kernel.section_values.get(name)
        if instance is None:
            continue
        redactor = Redactor(section.secrets)
        written = kernel.raw.section(name, paths_of(section.model))
        for path, value, hidden, is_default in _leaves(instance, ()):
            node = find(written, path) if written is not None else None
            key = ".".join(path)
            secret = hidden or redactor.covers(path)
            if isinstance(node, Scalar) and _refers(node):
                value = _as_written(node)
            elif secret and value is not None and not is_default:
                # A default is no secret: it stands in the documentation.
                value = MASK
            elif node is not None and _refers(node):
                value = _as_written(node)
            origin = kernel.raw.origin(f"{name}.{key}")
            yield name, key, _plain(value), origin.source, origin.where


def _sections(kernel: Kernel) -> dict[str, ConfigSection]:
    from reactor_kernel.config.model import KERNEL_SECTIONS

    sections = dict(KERNEL_SECTIONS)
    # A plugin that could not say has been reported by the boot.
    for plugin, section in kernel.hooks.collect("reactor_config_section", (ConfigSection,), lambda *_: None):
        sections[plugin.name] = section
    return sections


def _leaves(instance: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, bool, bool]]:
    """Yield path, value, whether the model hides it (`field(repr=False)`) and whether it is the default."""
    model: type = type(instance)
    for key in keys_of(model):
        value = getattr(instance, key.attribute)
        if is_dataclass(value) and "parse" not in key.metadata:
            yield from _leaves(value, (*path, key.name))
        else:
            yield (*path, key.name), value, not key.field.repr, not key.required and value == key.default()


def _refers(node: Node) -> bool:
    """Tell whether a reference stands anywhere in what is written."""
    if isinstance(node, Table):
        return any(map(_refers, node.entries.values()))
    if isinstance(node, Array):
        return any(map(_refers, node.items))
    text = _as_written(node)
    return isinstance(text, str) and is_reference(text)


def _as_written(node: Node) -> Any:
    """Return what is written, with references in the place of what they lead to."""
    if isinstance(node, Table):
        return {key: _as_written(entry) for key, entry in node.entries.items()}
    if isinstance(node, Array):
        return [_as_written(entry) for entry in node.items]
    return node.value.raw if isinstance(node.value, Text) else node.value


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | float | str | type(None)):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return str(value)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "-" if value is None or value == "" else str(value)
