"""Hooks about events, background services and jobs."""

from __future__ import annotations

from collections.abc import Iterable

from reactor_kernel.contributions import BackgroundService, EventType, JobHandler, Subscription
from reactor_kernel.hookspecs.marker import HookKind, hookspec
from reactor_kernel.plugins.context import PluginContext


class EventSpecs:
    """Events, subscriptions, background services, job handlers."""

    @hookspec(HookKind.COLLECT)
    def reactor_event_types(self) -> Iterable[EventType]:
        """Yield the typed, versioned events the plugin publishes.

        Example:
            ```python
            @hookimpl
            def reactor_event_types(self):
                yield EventType("hello.greeting.sent", GreetingSent)
            ```
        """
        raise AssertionError("a spec is not called")

    @hookspec(HookKind.COLLECT)
    def reactor_subscriptions(self, ctx: PluginContext) -> Iterable[Subscription]:
        """Yield handlers of events, of this or any other plugin. A topic nobody publishes is only a warning.

        Example:
            ```python
            @hookimpl
            def reactor_subscriptions(self, ctx):
                yield Subscription("auth.user.created", self.greet, Delivery.DURABLE, name="hello.greet_new_user")
            ```
        """
        raise AssertionError("a spec is not called")

    @hookspec(HookKind.COLLECT)
    def reactor_background(self, ctx: PluginContext) -> Iterable[BackgroundService]:
        """Yield services that run beside the requests.

        Started after the database is migrated and before the socket is bound; not started by commands.

        Example:
            ```python
            @hookimpl
            def reactor_background(self, ctx):
                yield BackgroundService("hello-janitor", Janitor(ctx).run, leader_only=True)
            ```
        """
        raise AssertionError("a spec is not called")

    @hookspec(HookKind.COLLECT)
    def reactor_job_handlers(self, ctx: PluginContext) -> Iterable[JobHandler]:
        """Yield Python functions that durable jobs may run by name.

        Example:
            ```python
            @hookimpl
            def reactor_job_handlers(self, ctx):
                yield JobHandler("hello.digest", "reactor_hello.jobs:digest")
            ```
        """
        raise AssertionError("a spec is not called")
