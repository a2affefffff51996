"""Storage's own extension points."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from reactor_kernel.api import HookKind, PluginContext, hookspec
from reactor_storage.backends.contract import Backend


@dataclass(frozen=True, slots=True)
class StorageBackend:
    """A place for bytes that `[storage] backend` may name; `make` is called once, when the first byte is needed."""

    name: str
    make: Callable[[], Backend]


class StorageSpecs:
    """Where bytes are kept."""

    @hookspec(HookKind.COLLECT)
    def reactor_storage_backends(self, ctx: PluginContext) -> Iterable[StorageBackend]:
        """Yield backends for `[storage] backend`; a name belongs to one plugin.

        A backend implements `reactor_storage.backends.contract.Backend` and passes the suite in
        `reactor_storage.conformance`.

        Example:
            ```python
            @hookimpl
            def reactor_storage_backends(self, ctx):
                yield StorageBackend("gcs", lambda: GoogleBackend(ctx.config.bucket))
            ```
        """
        raise AssertionError("a spec is not called")
