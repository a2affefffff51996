"""Command groups that plugins bring: found only when a name is asked for that the kernel does not have."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from reactor_kernel.cli.errors import CliError
from reactor_kernel.contributions import CommandGroup
from reactor_kernel.errors import BootError, Fault
from reactor_kernel.hookspecs.marker import PROJECT

if TYPE_CHECKING:
    from reactor_kernel.cli.invocation import Invocation
    from reactor_kernel.plugins.discovery import Candidate, LoadedPlugin


def load(invocation: Invocation, name: str, *, known: Iterable[str]) -> click.Command:
    """Import the command or group called `name` from the plugin that brings it.

    Enabled plugins come first; then installed ones, whose commands need no project.

    Raises:
        CliError: no plugin brings it (naming the one that would, if known), or it cannot be imported.
    """
    from reactor_kernel.plugins import discovery

    installed, _ = discovery.installed()
    enabled = _enabled(invocation)
    # A plugin's commands usually bear its name; the others are only imported when that is not so.
    candidates = sorted(installed, key=lambda candidate: (candidate.name not in enabled, candidate.name != name))
    problems: list[str] = []
    for candidate in candidates:
        try:
            groups = _offered(candidate, candidate.name in enabled)
        except BootError as error:
            if candidate.name in enabled:
                problems.extend(str(fault) for fault in error.faults)
            continue
        found = next((group for group in groups if group.name == name), None)
        if found is not None:
            return _import(candidate, found)
    if problems:
        raise CliError(
            "CONFIG_ERROR",
            f"there is no command {name!r}, but not every enabled plugin could be asked",
            details={"faults": problems},
            faults=(*problems, f"error: there is no command {name!r}, but not every enabled plugin could be asked"),
        )
    raise _unknown(invocation, name, installed, known)


def listing(invocation: Invocation, *, ask_installed: bool = False) -> list[tuple[str, str]]:
    """Return name and help of every group that is offered here; a plugin that cannot be asked says so.

    In a project those are the groups of enabled plugins. Outside of one no plugin is imported unless `ask_installed`: then
    they are the groups of installed plugins that need no project.
    """
    from reactor_kernel.plugins import discovery

    try:
        enabled = _enabled(invocation)
    except BootError as error:
        return [("…", f"not known: {error.faults[0].message}")]
    if not enabled and not invocation.has_project() and not ask_installed:
        return [("…", "those of installed plugins that need no project; your shell completes them")]
    in_project = invocation.has_project() or bool(enabled)
    rows = []
    for candidate in discovery.installed()[0]:
        if in_project and candidate.name not in enabled:
            continue
        try:
            rows += [(group.name, group.help) for group in _offered(candidate, candidate.name in enabled)]
        except BootError as error:
            rows.append((candidate.name, f"not available: {error.faults[0].message}"))
    return rows


def _offered(candidate: Candidate, is_enabled: bool) -> list[CommandGroup]:
    return [group for group in _groups(candidate) if is_enabled or group.anywhere]


def _enabled(invocation: Invocation) -> set[str]:
    from reactor_kernel.plugins.discovery import section_aliases

    raw = invocation.raw()
    raw.rename_sections(section_aliases())
    return set(raw.section_names)


def _groups(candidate: Candidate) -> list[CommandGroup]:
    """Load one plugin's class and ask it for its groups. Raises BootError."""
    from reactor_kernel.plugins import discovery

    loaded, fault = discovery.load(candidate, optional=False, where=None)
    if fault is not None:
        raise BootError([fault])
    # Asked directly: registering one plugin alone would refuse hooks that belong to another plugin's specs.
    ask = getattr(loaded.instance, "reactor_commands", None)
    if ask is None or getattr(ask, f"{PROJECT}_impl", None) is None:
        return []
    try:
        groups = list(ask())
    except Exception as error:
        raise BootError([_fault(loaded, f"reactor_commands raised {type(error).__name__}: {error}")]) from error
    for group in groups:
        if not isinstance(group, CommandGroup):
            raise BootError([_fault(loaded, f"reactor_commands must yield CommandGroup, not {type(group).__name__}")])
    return groups


def _fault(plugin: LoadedPlugin, message: str) -> Fault:
    return Fault(
        "plugin", message, plugin=plugin.name, version=plugin.version, fix=f"report it to the author of {plugin.dist}"
    )


def _import(candidate: Candidate, group: CommandGroup) -> click.Command:
    module, _, attribute = group.target.partition(":")
    try:
        command = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise CliError(
            "CONFIG_ERROR",
            f"the command {group.name!r} of {candidate.dist} {candidate.version} cannot be imported: {error}",
            hint=f"pip install --upgrade {candidate.dist}",
        ) from error
    if not isinstance(command, click.Command):
        raise CliError(
            "CONFIG_ERROR",
            f"{group.target} of {candidate.dist} {candidate.version} is not a click command but {type(command).__name__}",
            hint=f"report it to the author of {candidate.dist}",
        )
    return command


def _unknown(invocation: Invocation, name: str, installed: list[Candidate], known: Iterable[str]) -> CliError:
    provider = next((candidate for candidate in installed if candidate.name == name), None)
    if provider is not None and name not in _enabled(invocation):
        return CliError(
            "FEATURE_DISABLED",
            f"there is no command {name!r} here: the plugin {name} ({provider.dist} {provider.version}) is not enabled",
            hint=f"add a [{name}] section to Reactor.toml",
        )
    if provider is not None:
        return CliError(
            "CONFIG_ERROR",
            f"the plugin {name} ({provider.dist} {provider.version}) brings no commands",
            hint="see: reactor --help",
        )
    close = get_close_matches(name, [*known, *(candidate.name for candidate in installed)], n=1, cutoff=0.7)
    return CliError(
        "CONFIG_ERROR",
        f"there is no command {name!r}",
        hint=f"did you mean {close[0]!r}?" if close else f"a plugin may bring it; try: pip install reactor-{name}",
    )
