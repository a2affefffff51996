"""`reactor config`: what the configuration is, where each value comes from, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import click

from reactor_kernel.cli.invocation import Invocation
from reactor_kernel.cli.output import table
from reactor_kernel.contributions import ConfigSection

if TYPE_CHECKING:
    from reactor_kernel.config.loader import RawConfig
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
    for name, section in _sections(kernel).items():
        instance = kernel.section_values.get(name)
        if instance is None:
            continue
        for path, value, hidden in _leaves(instance, ()):
            key = ".".join(path)
            origin = kernel.raw.origin(f"{name}.{key}")
            reference = _reference(kernel.raw, name, path)
            if reference is not None:
                value = reference
            elif value is not None and (hidden or key in section.secrets):
                value = MASK
            yield name, key, _plain(value), origin.source, origin.where


def _sections(kernel: Kernel) -> dict[str, ConfigSection]:
    from reactor_kernel.config.model import KERNEL_SECTIONS

    sections = dict(KERNEL_SECTIONS)
    # A plugin that could not say has been reported by the boot.
    for plugin, section in kernel.hooks.collect("reactor_config_section", (ConfigSection,), lambda *_: None):
        sections[plugin.name] = section
    return sections


def _leaves(instance: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, bool]]:
    """Yield path, value and whether the model itself hides the value (`field(repr=False)`)."""
    for field in fields(instance):
        value = getattr(instance, field.name)
        if is_dataclass(value) and field.metadata.get("parse") is None:
            yield from _leaves(value, (*path, field.name))
        else:
            yield (*path, field.name), value, not field.repr


def _reference(raw: RawConfig, section: str, path: tuple[str, ...]) -> str | None:
    """Return the reference that is written for a key: it names the place and not the secret."""
    from reactor_kernel.config.nodes import Scalar, find
    from reactor_kernel.config.secrets import is_reference

    tree = raw.section(section, (path,))
    node = find(tree, path) if tree is not None else None
    value = node.value if isinstance(node, Scalar) else None
    text = getattr(value, "raw", value)
    return text if isinstance(text, str) and is_reference(text) else None


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
