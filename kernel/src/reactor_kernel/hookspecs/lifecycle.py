"""Hooks about starting and stopping."""

from __future__ import annotations

from reactor_kernel.hookspecs.marker import HookKind, hookspec
from reactor_kernel.plugins.context import PluginContext


class LifecycleSpecs:
    """Started and stopping."""

    @hookspec(HookKind.TELL)
    def reactor_started(self, ctx: PluginContext) -> None:
        """Hear that this process serves requests. Not called by commands.

        Example:
            ```python
            @hookimpl
            def reactor_started(self, ctx):
                ctx.log.info("hello is up")
            ```
        """
        raise AssertionError("a spec is not called")

    @hookspec(HookKind.TELL)
    def reactor_stopping(self, ctx: PluginContext, deadline: float) -> None:
        """Hear that this process drains; `deadline` is in seconds from now.

        Example:
            ```python
            @hookimpl
            def reactor_stopping(self, ctx, deadline):
                self.queue.close(timeout=deadline)
            ```
        """
        raise AssertionError("a spec is not called")
