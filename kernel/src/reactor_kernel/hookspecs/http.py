"""Hooks about the HTTP surface."""

from __future__ import annotations

from collections.abc import Iterable

from reactor_kernel.contributions import Fallback, Middleware, Mount, OpenApiFragment, ServerEngine
from reactor_kernel.hookspecs.marker import HookKind, hookspec
from reactor_kernel.plugins.context import PluginContext


class HttpSpecs:
    """Routes, middleware, documents, engines."""

    @hookspec(HookKind.COLLECT)
    def reactor_resources(self, ctx: PluginContext) -> Iterable[Mount | Fallback]:
        """Yield the routes of the plugin; each says who may call it.

        Called once at boot. Two plugins mounting one path is a boot error that names both.

        Example:
            ```python
            @hookimpl
            def reactor_resources(self, ctx):
                from reactor_hello.http import GreetingResource

                yield Mount("/hello/v1/greeting/{name}", GreetingResource(ctx.db), access=Access.PUBLIC)
            ```
        """
        raise AssertionError("a spec is not called")

    @hookspec(HookKind.COLLECT)
    def reactor_middleware(self, ctx: PluginContext) -> Iterable[Middleware]:
        """Yield Falcon middleware around every request.

        Example:
            ```python
            @hookimpl
            def reactor_middleware(self, ctx):
                yield Middleware(QuotaMeter(ctx), phase=Phase.BEFORE_ACCESS)
            ```
        """
        raise AssertionError("a spec is not called")

    @hookspec(HookKind.COLLECT)
    def reactor_openapi(self, ctx: PluginContext) -> Iterable[OpenApiFragment]:
        """Yield the plugin's part of `/_api/openapi.json`; checked at build against the mounted routes.

        Example:
            ```python
            @hookimpl
            def reactor_openapi(self, ctx):
                yield OpenApiFragment({"paths": {"/hello/v1/greeting/{name}": {"get": {"responses": {"200": {"description": "ok"}}}}}})
            ```
        """
        raise AssertionError("a spec is not called")

    @hookspec(HookKind.COLLECT)
    def reactor_server_engines(self) -> Iterable[ServerEngine]:
        """Yield HTTP servers that `[server] engine` may name.

        Example:
            ```python
            @hookimpl
            def reactor_server_engines(self):
                yield ServerEngine("bjoern", serve_with_bjoern)
            ```
        """
        raise AssertionError("a spec is not called")
