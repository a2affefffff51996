"""A plugin calls the hooks it brought itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from reactor_kernel.contributions.security import Allow, Deny
from reactor_kernel.hookspecs import HookKind
from reactor_kernel.plugins.discovery import LoadedPlugin
from reactor_kernel.plugins.manager import HookCaller


class OwnHooks:
    """The hooks one plugin declared with `reactor_hookspecs`; see `contracts.Hooks`."""

    def __init__(self, caller: HookCaller, owner: str, log: logging.Logger) -> None:
        self._caller = caller
        self._owner = owner
        self._log = log

    def collect(self, hook: str, /, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """Yield each answer with the name of the plugin that gave it; what an implementation raises is raised."""
        self._demand(hook, HookKind.COLLECT)
        for plugin, implementation in self._caller.prepared(hook, self._names()):
            for answer in implementation(**arguments) or ():
                yield plugin.name, answer

    def ask(self, hook: str, /, **arguments: Any) -> Any:
        """Return the first answer that is not None."""
        self._demand(hook, HookKind.ASK)
        return self._caller.ask(hook, self._names(), **arguments)

    def vote(self, hook: str, /, **arguments: Any) -> Allow | Deny | None:
        """Combine all votes: one Deny or exception refuses, else one Allow grants."""
        self._demand(hook, HookKind.VOTE)
        return self._caller.vote(hook, self._failed(hook), **arguments)

    def tell(self, hook: str, /, **arguments: Any) -> None:
        """Tell every plugin; exceptions are logged and stop nobody."""
        self._demand(hook, HookKind.TELL)
        self._caller.tell(hook, self._failed(hook), **arguments)

    def _names(self) -> list[str]:
        return [plugin.name for plugin in self._caller.plugins]

    def _demand(self, hook: str, kind: HookKind) -> None:
        declared = self._caller.declared(hook)
        if declared is None or declared[0] != self._owner:
            raise ValueError(f"the plugin {self._owner} declares no hook {hook!r}; it may call its own only")
        if declared[1] is not kind:
            raise ValueError(f"{hook} is of the kind {declared[1].value} and cannot be called as {kind.value}")

    def _failed(self, hook: str) -> Any:
        def report(plugin: LoadedPlugin, error: Exception) -> None:
            self._log.error("%s of the plugin %s failed", hook, plugin.name, exc_info=error)

        return report
