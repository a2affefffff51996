"""Registers plugins with pluggy and calls hooks one plugin at a time, so that a fault always names its plugin."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from typing import Any

import pluggy

from reactor_kernel.contributions.security import Allow, Deny
from reactor_kernel.errors import BootError, Fault
from reactor_kernel.hookspecs import ALL_SPECS, PROJECT, HookKind, kind_of
from reactor_kernel.plugins.context import PluginContext
from reactor_kernel.plugins.discovery import LoadedPlugin, State

OnFault = Callable[[LoadedPlugin, Fault], None]


class HookCaller:
    """The enabled plugins of one kernel, in boot order, with their hook implementations."""

    def __init__(self) -> None:
        self._pluggy = pluggy.PluginManager(PROJECT)
        self._plugins: list[LoadedPlugin] = []
        self._contexts: dict[str, PluginContext] = {}
        self._bound: dict[tuple[str, str], Callable[..., Any] | None] = {}
        self._kinds: dict[str, HookKind] = {}
        self._arguments: dict[str, list[str]] = {}
        self._owners: dict[str, str] = {}
        for specs in ALL_SPECS:
            self._add_specs(specs)

    def _add_specs(self, specs: type, owner: str | None = None) -> None:
        self._pluggy.add_hookspecs(specs())
        for name, function in inspect.getmembers(specs, inspect.isfunction):
            if not name.startswith("_"):
                self._kinds[name] = kind_of(function)
                self._arguments[name] = [name for name in inspect.signature(function).parameters if name != "self"]
                if owner is not None:
                    self._owners[name] = owner

    @property
    def plugins(self) -> Sequence[LoadedPlugin]:
        """The registered plugins that are enabled, in boot order."""
        return [plugin for plugin in self._plugins if plugin.state is State.ENABLED]

    def hook_names(self) -> list[str]:
        """Return the names of all known hooks."""
        return sorted(self._kinds)

    def declared(self, hook: str) -> tuple[str, HookKind] | None:
        """Return which plugin brought a hook, and its kind; None for the kernel's own and unknown ones."""
        owner = self._owners.get(hook)
        return None if owner is None else (owner, self._kinds[hook])

    def register(self, plugins: Sequence[LoadedPlugin]) -> list[tuple[LoadedPlugin, Fault]]:
        """Register plugins in boot order: their own specs first, then implementations, then look for unknown hooks."""
        faults: list[tuple[LoadedPlugin, Fault]] = []
        for plugin in plugins:
            declare = getattr(plugin.instance, "reactor_hookspecs", None)
            if declare is None:
                continue
            try:
                for specs in declare():
                    self._add_specs(specs, plugin.name)
            except Exception as exc:  # noqa: BLE001 - attributed to the plugin
                faults.append((plugin, _raised(plugin, "reactor_hookspecs", exc)))
        for plugin in plugins:
            bad = [fault for owner, fault in faults if owner is plugin]
            if bad:
                continue
            problems = self._register_one(plugin)
            faults.extend((plugin, problem) for problem in problems)
            if not problems:
                self._plugins.append(plugin)
        return faults

    def _register_one(self, plugin: LoadedPlugin) -> list[Fault]:
        problems: list[Fault] = []
        # pluggy would raise on the first of these without saying which distribution it came from.
        for name, method in inspect.getmembers(plugin.instance, callable):
            if getattr(method, f"{PROJECT}_impl", None) is None:
                continue
            if name not in self._kinds:
                close = get_close_matches(name, self._kinds, n=1, cutoff=0.6)
                problems.append(
                    _plugin_fault(
                        plugin,
                        f"implements the hook {name!r}, which does not exist",
                        subject=None,
                        fix=f"did you mean {close[0]!r}?" if close else "see docs/hooks.md for the hooks there are",
                    )
                )
        if problems:
            return problems
        try:
            self._pluggy.register(plugin.instance, name=plugin.name)
            self._pluggy.check_pending()
        except (pluggy.PluginValidationError, ValueError) as exc:
            self._pluggy.unregister(name=plugin.name)
            first = str(exc).replace("\n", " ")
            problems.append(_plugin_fault(plugin, first, fix="compare the signature with docs/hooks.md"))
        return problems

    def give_context(self, name: str, context: PluginContext) -> None:
        """Set the context that a plugin's hooks are called with."""
        self._contexts[name] = context
        self._bound.clear()

    def context(self, name: str) -> PluginContext:
        """Return a plugin's context."""
        return self._contexts[name]

    def collect(self, hook: str, expected: tuple[type, ...], on_fault: OnFault) -> Iterator[tuple[LoadedPlugin, Any]]:
        """Call a collect hook plugin by plugin in boot order and yield (plugin, contribution).

        A plugin that raises, or yields something else than `expected`, is reported to `on_fault` and yields nothing; the faults
        of a BootError are reported as they are.
        """
        for plugin in list(self.plugins):
            implementation = self._implementation(plugin, hook)
            if implementation is None:
                continue
            started = time.perf_counter()
            try:
                answers = list(implementation() or ())
            except BootError as stopped:
                # The plugin knows what is wrong and how to mend it; several hooks may stumble over the same.
                for fault in stopped.faults:
                    on_fault(plugin, replace(fault, plugin=plugin.name, version=plugin.version))
                continue
            except Exception as exc:  # noqa: BLE001 - attributed to the plugin
                on_fault(plugin, _raised(plugin, hook, exc))
                continue
            finally:
                plugin.boot_ms += (time.perf_counter() - started) * 1000
            wrong = [answer for answer in answers if not isinstance(answer, expected)]
            if wrong:
                names = " or ".join(kind.__name__ for kind in expected)
                on_fault(
                    plugin,
                    _plugin_fault(
                        plugin, f"{hook} must yield {names}, not {type(wrong[0]).__name__}", fix="see docs/hooks.md"
                    ),
                )
                continue
            for answer in answers:
                yield plugin, answer

    def ask(self, hook: str, names: Sequence[str], /, **arguments: Any) -> Any:
        """Call an ask hook in the given order of plugins; the first answer that is not None wins."""
        for implementation in self._callables(hook, names):
            answer = implementation(**arguments)
            if answer is not None:
                return answer
        return None

    def prepared(self, hook: str, names: Sequence[str]) -> list[tuple[LoadedPlugin, Callable[..., Any]]]:
        """Return the implementations of a hook with their context already bound, in the given order of plugins."""
        by_name = {plugin.name: plugin for plugin in self.plugins}
        pairs = []
        for name in names:
            implementation = self._implementation(by_name[name], hook) if name in by_name else None
            if implementation is not None:
                pairs.append((by_name[name], implementation))
        return pairs

    def _callables(self, hook: str, names: Sequence[str]) -> list[Callable[..., Any]]:
        return [implementation for _, implementation in self.prepared(hook, names)]

    def vote(
        self, hook: str, on_error: Callable[[LoadedPlugin, Exception], None], /, **arguments: Any
    ) -> Allow | Deny | None:
        """Call a vote hook on every plugin and combine: one Deny or exception refuses, else one Allow grants."""
        verdict: Allow | None = None
        for plugin, implementation in self.prepared(hook, [p.name for p in self.plugins]):
            try:
                answer = implementation(**arguments)
            except Exception as exc:  # noqa: BLE001 - an exception is a refusal, and is reported
                on_error(plugin, exc)
                return Deny(f"the {plugin.name} plugin could not decide")
            if isinstance(answer, Deny):
                return answer
            if isinstance(answer, Allow):
                verdict = answer
            elif answer is not None:
                # Whoever answers False, or Deny without a reason, means to refuse and must not be taken to abstain.
                on_error(plugin, TypeError(f"{hook} must answer Allow, Deny or None, not {answer!r}"))
                return Deny(f"the {plugin.name} plugin could not decide")
        return verdict

    def tell(self, hook: str, on_error: Callable[[LoadedPlugin, Exception], None], /, **arguments: Any) -> None:
        """Call a tell hook on every plugin; exceptions are reported and stop nobody."""
        for plugin, implementation in self.prepared(hook, [p.name for p in self.plugins]):
            try:
                implementation(**arguments)
            except Exception as exc:  # noqa: BLE001 - reported, must not stop the others
                on_error(plugin, exc)

    def _implementation(self, plugin: LoadedPlugin, hook: str) -> Callable[..., Any] | None:
        # Votes are called for each request, and looking at a signature takes as long as many of them.
        try:
            return self._bound[plugin.name, hook]
        except KeyError:
            found = self._bound[plugin.name, hook] = self._bind(plugin, hook)
            return found

    def _bind(self, plugin: LoadedPlugin, hook: str) -> Callable[..., Any] | None:
        method = getattr(plugin.instance, hook, None)
        if method is None or getattr(method, f"{PROJECT}_impl", None) is None:
            return None
        wanted = inspect.signature(method).parameters
        context = self._contexts.get(plugin.name)
        bound = partial(method, ctx=context) if context is not None and "ctx" in wanted else method
        if set(self._arguments[hook]) <= set(wanted):
            return bound

        def call(**arguments: Any) -> Any:
            # As in pluggy an implementation may take fewer arguments than its spec offers.
            return bound(**{name: value for name, value in arguments.items() if name in wanted})

        return call


def _raised(plugin: LoadedPlugin, hook: str, exc: Exception) -> Fault:
    return _plugin_fault(
        plugin, f"{hook} raised {type(exc).__name__}: {exc}", fix=f"report it to the author of {plugin.dist}"
    )


def _plugin_fault(plugin: LoadedPlugin, message: str, *, fix: str, subject: str | None = None) -> Fault:
    return Fault("plugin", message, subject=subject, plugin=plugin.name, version=plugin.version, fix=fix)
