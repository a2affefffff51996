"""Contracts and who provides them: lazy, cached, checked for cycles, limited to declared dependencies."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from reactor_kernel.contributions import ServiceProvider
from reactor_kernel.errors import ExitCode, Fault
from reactor_kernel.plugins.info import PluginInfo

T = TypeVar("T")


class ServiceError(RuntimeError):
    """A service was asked for that is not to be had; the text says what to declare."""


class ServiceRegistry:
    """Every provider of one kernel."""

    def __init__(self) -> None:
        self._providers: dict[type, tuple[str, ServiceProvider]] = {}
        self._made: dict[type, Any] = {}
        self._making: list[type] = []
        self._lock = threading.RLock()

    def add(self, providers: Iterable[tuple[str, ServiceProvider]], choices: Mapping[str, str]) -> list[Fault]:
        """Add providers; two of one contract are a fault unless `choices` (contract name → plugin) picks one."""
        offers: dict[type, list[tuple[str, ServiceProvider]]] = {}
        for plugin, provider in providers:
            offers.setdefault(provider.contract, []).append((plugin, provider))
        faults = []
        for contract, owners in offers.items():
            picked = choices.get(contract.__name__)
            chosen = [owner for owner in owners if owner[0] == picked] if picked else owners
            if len(chosen) == 1:
                self._providers[contract] = chosen[0]
                continue
            names = " and ".join(sorted(plugin for plugin, _ in owners))
            faults.append(
                Fault(
                    "conflict",
                    f"the service {contract.__name__} is provided by both {names}"
                    if not picked
                    else f"{picked} does not provide it",
                    subject=contract.__name__,
                    fix=f'choose one: [server.services] {contract.__name__} = "{owners[0][0]}"',
                    exit_code=ExitCode.CONFIG if picked else ExitCode.FAILED,
                )
            )
        return faults

    def get(self, contract: type[T], asker: str) -> T:
        """Return the provider of a contract, making it at its first use."""
        made = self._made.get(contract)
        if made is not None:
            return made  # type: ignore[no-any-return]
        with self._lock:
            if contract in self._made:
                return self._made[contract]  # type: ignore[no-any-return]
            if contract in self._making:
                circle = " → ".join(c.__name__ for c in [*self._making, contract])
                raise ServiceError(f"services wait for each other: {circle}")
            self._making.append(contract)
            try:
                made = self._providers[contract][1].factory()
            finally:
                self._making.pop()
            if made is None:
                raise ServiceError(
                    f"the factory of {contract.__name__} in {self._providers[contract][0]} returned None"
                )
            self._made[contract] = made
            return made  # type: ignore[no-any-return]

    def provider(self, contract: type) -> str | None:
        """Return the name of the plugin that provides a contract."""
        owner = self._providers.get(contract)
        return owner[0] if owner else None


class PluginServices:
    """The registry as one plugin may use it."""

    def __init__(self, registry: ServiceRegistry, info: PluginInfo) -> None:
        self._registry = registry
        self._info = info
        self._allowed = {info.name, *info.requires, *info.after}

    def require(self, contract: type[T]) -> T:
        """Return the provider of a contract.

        Raises:
            ServiceError: no enabled plugin provides it, or its provider is neither in `requires` nor in `after`.
        """
        owner = self._registry.provider(contract)
        if owner is None:
            raise ServiceError(
                f"plugin {self._info.name} needs the service {contract.__name__}, which no enabled plugin provides"
            )
        if owner not in self._allowed:
            raise ServiceError(
                f"plugin {self._info.name} asks for {contract.__name__} of {owner} without naming {owner!r} in "
                f"`requires` or `after` of its PluginInfo"
            )
        return self._registry.get(contract, self._info.name)

    def find(self, contract: type[T]) -> T | None:
        """Return the provider of a contract, or None where no enabled plugin provides it."""
        return None if self._registry.provider(contract) is None else self.require(contract)
