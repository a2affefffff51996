"""Find installed plugins by their entry points, gate them by section, and load the enabled ones.

Nothing of a plugin is imported before its section is known to be present.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from typing import Any

from reactor_kernel.apiversion import KERNEL_API, supports
from reactor_kernel.errors import ExitCode, Fault
from reactor_kernel.plugins.info import PluginInfo

GROUP = "reactor.plugins"
ALIAS_GROUP = "reactor.section_aliases"


class State(Enum):
    """What became of an installed plugin in this boot."""

    ENABLED = "enabled"
    FAILED = "failed"
    DISABLED = "disabled"


@dataclass(frozen=True)
class Candidate:
    """An installed plugin that is not imported yet, or a class given by a test."""

    name: str
    dist: str
    version: str
    entry_point: Any = None
    plugin_class: type | None = None

    def load(self) -> type:
        """Import the plugin's class."""
        return self.plugin_class if self.plugin_class is not None else self.entry_point.load()


@dataclass
class LoadedPlugin:
    """An enabled plugin in this kernel; `error` says why an optional one failed."""

    name: str
    dist: str
    version: str
    optional: bool = False
    info: PluginInfo | None = None
    instance: Any = None
    state: State = State.ENABLED
    error: str | None = None
    boot_ms: float = 0.0
    routes: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def manifest(self) -> PluginInfo:
        """The manifest of a plugin that loaded."""
        if self.info is None:
            raise RuntimeError(f"plugin {self.name} did not load: {self.error}")
        return self.info

    def fail(self, reason: str) -> None:
        """Mark an optional plugin as failed; everything else goes on without it."""
        self.state = State.FAILED
        self.error = reason


def installed(plugins: Sequence[type] | None = None) -> tuple[list[Candidate], list[Fault]]:
    """List installed plugins, or the given classes instead; two distributions with one name are a fault."""
    found: dict[str, Candidate] = {}
    faults: list[Fault] = []
    for candidate in _explicit(plugins) if plugins is not None else _scanned():
        other = found.get(candidate.name)
        if other is not None:
            faults.append(
                Fault(
                    "plugin",
                    f"two installed distributions offer a plugin named {candidate.name!r}: {other.dist} {other.version} and "
                    f"{candidate.dist} {candidate.version}",
                    plugin=candidate.name,
                    fix=f"pip uninstall {candidate.dist} or {other.dist}",
                )
            )
            continue
        found[candidate.name] = candidate
    return list(found.values()), faults


def section_aliases() -> dict[str, str]:
    """Return other spellings of section names, as installed distributions declare them: `{"greet": "hello"}`."""
    from importlib_metadata import entry_points

    return {point.name: point.value for point in entry_points(group=ALIAS_GROUP)}


def _explicit(plugins: Iterable[type]) -> Iterable[Candidate]:
    for plugin in plugins:
        info: PluginInfo = plugin.info  # type: ignore[attr-defined]
        yield Candidate(info.name, plugin.__module__, info.version, plugin_class=plugin)


def _scanned() -> Iterable[Candidate]:
    from importlib_metadata import entry_points

    seen: set[tuple[str, str, str]] = set()
    for point in entry_points(group=GROUP):
        dist = point.dist
        key = (point.name, point.value, dist.name if dist else "")
        if key in seen:  # an editable install next to its own metadata on sys.path
            continue
        seen.add(key)
        yield Candidate(point.name, dist.name if dist else "unknown", dist.version if dist else "0", entry_point=point)


def load(candidate: Candidate, *, optional: bool, where: str | None) -> tuple[LoadedPlugin, Fault | None]:
    """Import, check and instantiate one enabled plugin; the fault says what is wrong and how to mend it."""
    started = time.perf_counter()
    loaded = LoadedPlugin(candidate.name, candidate.dist, candidate.version, optional=optional)
    fault = _load_into(loaded, candidate, where)
    loaded.boot_ms += (time.perf_counter() - started) * 1000
    return loaded, fault


def _load_into(loaded: LoadedPlugin, candidate: Candidate, where: str | None) -> Fault | None:
    def fault(message: str, fix: str) -> Fault:
        return Fault("plugin", message, plugin=candidate.name, version=candidate.version, where=where, fix=fix)

    try:
        plugin_class = candidate.load()
    except ModuleNotFoundError as exc:
        return fault(
            f"cannot be imported: no module named {exc.name!r}",
            f"pip install --upgrade {candidate.dist}, or install the library that provides {exc.name}",
        )
    except Exception as exc:  # noqa: BLE001 - a plugin's import may raise anything; the fault names it
        return fault(
            f"cannot be imported: {type(exc).__name__}: {exc}",
            f"pip install --upgrade {candidate.dist}, or remove [{candidate.name}]",
        )
    info = getattr(plugin_class, "info", None)
    if not isinstance(info, PluginInfo):
        return fault(f"{plugin_class!r} has no `info`", "give the plugin class an attribute `info = PluginInfo(...)`")
    loaded.info = info
    loaded.version = info.version
    if info.name != candidate.name:
        return fault(
            f"its entry point is named {candidate.name!r} but its PluginInfo.name is {info.name!r}",
            "make the two equal",
        )
    if not supports(info.api):
        wanted, have = ".".join(map(str, info.api)), ".".join(map(str, KERNEL_API))
        newer = info.api > KERNEL_API
        return fault(
            f"was written for kernel API {wanted}; this kernel offers {have}",
            "pip install --upgrade reactor-kernel" if newer else f"pip install --upgrade {candidate.dist}",
        )
    try:
        loaded.instance = plugin_class()
    except Exception as exc:  # noqa: BLE001 - see above
        return fault(f"cannot be made: {type(exc).__name__}: {exc}", f"report it to the author of {candidate.dist}")
    return None


def unknown_section(name: str, known: Iterable[str], where: str | None) -> str:
    """The warning for a section that no installed plugin owns."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    place = f" ({where})" if where else ""
    if close:
        return f"unknown section [{name}]{place}; did you mean [{close[0]}]?"
    return f"unknown section [{name}]{place}: no installed plugin provides it; try: pip install reactor-{name}"


def order(plugins: Sequence[LoadedPlugin]) -> tuple[list[LoadedPlugin], list[Fault]]:
    """Sort plugins so that what one `requires` or comes `after` stands before it; ties by name."""
    by_name = {plugin.name: plugin for plugin in plugins}
    faults: list[Fault] = []
    for plugin in plugins:
        for need in plugin.manifest.requires:
            if need not in by_name or by_name[need].state is not State.ENABLED:
                reason = "is not configured" if need not in by_name else f"failed: {by_name[need].error}"
                faults.append(
                    Fault(
                        "config",
                        f"depends on [{need}], which {reason}",
                        subject=plugin.name,
                        exit_code=ExitCode.CONFIG,
                        fix=f"add a [{need}] section to Reactor.toml",
                    )
                )
    done: list[LoadedPlugin] = []
    waiting = sorted((p for p in plugins), key=lambda p: p.name)
    while waiting:
        placed = {plugin.name for plugin in done}
        ready = [
            plugin
            for plugin in waiting
            if all(
                name in placed or name not in by_name for name in (*plugin.manifest.requires, *plugin.manifest.after)
            )
        ]
        if not ready:
            circle = " → ".join(_cycle(waiting))
            faults.append(
                Fault(
                    "plugin",
                    f"plugins wait for each other: {circle}",
                    fix="remove one of these names from `requires` or `after`",
                )
            )
            return done + waiting, faults
        done.append(ready[0])
        waiting.remove(ready[0])
    return done, faults


def _cycle(waiting: Sequence[LoadedPlugin]) -> list[str]:
    names = {plugin.name: plugin for plugin in waiting}
    path = [waiting[0].name]
    while True:
        info = names[path[-1]].manifest
        step = next(name for name in (*info.requires, *info.after) if name in names)
        if step in path:
            return [*path[path.index(step) :], step]
        path.append(step)
