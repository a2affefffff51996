"""A plugin with one PUBLIC route that touches nothing: what is left is the kernel's own cost per request."""

from __future__ import annotations

from collections.abc import Iterable

from reactor_kernel.api import KERNEL_API, Access, Mount, OpenApiFragment, PluginContext, PluginInfo, hookimpl

BODY = b'{"answer":42}'


class Noop:
    """Answers at once."""

    def on_get(self, req: object, resp: object) -> None:
        """Answer."""
        resp.content_type = "application/json"  # type: ignore[attr-defined]
        resp.data = BODY  # type: ignore[attr-defined]


class NoopPlugin:
    """The manifest."""

    info = PluginInfo(name="noop", version="1.0.0", api=KERNEL_API, summary="Answers at once")

    @hookimpl
    def reactor_resources(self, ctx: PluginContext) -> Iterable[Mount]:
        """Mount the one route."""
        yield Mount("/noop/v1/noop", Noop(), access=Access.PUBLIC)

    @hookimpl
    def reactor_openapi(self, ctx: PluginContext) -> Iterable[OpenApiFragment]:
        """Describe it."""
        operation = {"summary": "Answer at once", "responses": {"200": {"description": "The answer"}}}
        yield OpenApiFragment({"paths": {"/noop/v1/noop": {"get": operation}}})
