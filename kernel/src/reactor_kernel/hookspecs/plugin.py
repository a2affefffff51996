"""Hooks that describe the plugin itself."""

from __future__ import annotations

from collections.abc import Iterable

from reactor_kernel.contributions import CommandGroup, ConfigSection, ServiceProvider
from reactor_kernel.hookspecs.marker import HookKind, hookspec
from reactor_kernel.plugins.context import PluginContext


class PluginSpecs:
    """Extension points, configuration, services, commands."""

    @hookspec(HookKind.COLLECT)
    def reactor_hookspecs(self) -> Iterable[type]:
        """Yield classes of hook specs: this plugin's own extension points.

        Called first, right after the plugins are loaded and before any implementation is validated. The plugin calls them
        with `ctx.hooks`, by the method of their kind: `collect`, `ask`, `vote` or `tell`.

        Example:
            ```python
            class SearchSpecs:
                @hookspec(HookKind.COLLECT)
                def search_analyzers(self, ctx): ...

            @hookimpl
            def reactor_hookspecs(self):
                yield SearchSpecs
            ```
        """
        raise AssertionError("a spec is not called")

    @hookspec(HookKind.COLLECT)
    def reactor_config_section(self) -> Iterable[ConfigSection]:
        """Yield the shape of the plugin's section in Reactor.toml; at most one.

        Called before the configuration is bound; all faults of all sections are reported together.

        Example:
            ```python
            @hookimpl
            def reactor_config_section(self):
                yield ConfigSection(HelloConfig, secrets=("api_key",), initial=('greeting = "Hello"',))
            ```
        """
        raise AssertionError("a spec is not called")

    @hookspec(HookKind.COLLECT)
    def reactor_services(self, ctx: PluginContext) -> Iterable[ServiceProvider]:
        """Yield the contracts this plugin implements.

        Called once at boot; a provider's factory runs when it is first required.

        Example:
            ```python
            @hookimpl
            def reactor_services(self, ctx):
                yield ServiceProvider(Greeter, lambda: DatabaseGreeter(ctx.db))
            ```
        """
        raise AssertionError("a spec is not called")

    @hookspec(HookKind.COLLECT)
    def reactor_commands(self) -> Iterable[CommandGroup]:
        """Yield command groups for the `reactor` tool, by import path.

        Called by the tool before any configuration is bound; the target is imported only when it is used.

        Example:
            ```python
            @hookimpl
            def reactor_commands(self):
                yield CommandGroup("hello", "reactor_hello.cli:hello", help="Greet from the command line")
            ```
        """
        raise AssertionError("a spec is not called")
