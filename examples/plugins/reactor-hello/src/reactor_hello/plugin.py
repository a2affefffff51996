"""The manifest: what the plugin brings, hook by hook. It is imported at boot, so everything heavy is imported inside."""

from __future__ import annotations

from collections.abc import Iterable

from reactor_hello import __version__
from reactor_hello.config import HelloConfig
from reactor_kernel.api import (
    Access,
    BackgroundService,
    CommandGroup,
    ConfigSection,
    Delivery,
    EventType,
    HealthCheck,
    MethodRule,
    MetricCollector,
    Mount,
    OpenApiFragment,
    PermissionDoc,
    PluginContext,
    PluginInfo,
    Probe,
    SchemaBranch,
    ServiceProvider,
    Subscription,
    hookimpl,
)


class HelloPlugin:
    """Greets over HTTP, keeps greetings per organisation and counts them."""

    info = PluginInfo(name="hello", version=__version__, api=(1, 1), summary="Greets")

    @hookimpl
    def reactor_config_section(self) -> Iterable[ConfigSection]:
        yield ConfigSection(HelloConfig, secrets=("seal_key",), initial=('greeting = "Hello"',))

    @hookimpl
    def reactor_schema(self) -> Iterable[SchemaBranch]:
        def metadata():  # type: ignore[no-untyped-def]  # its type would import sqlalchemy
            from reactor_hello.tables import METADATA

            return METADATA

        yield SchemaBranch("hello", "reactor_hello.migrations", metadata)

    @hookimpl
    def reactor_permissions(self) -> Iterable[PermissionDoc]:
        yield PermissionDoc("hello:greet", "Send a greeting")
        yield PermissionDoc("hello:read", "Read the organisation's greetings")

    @hookimpl
    def reactor_event_types(self) -> Iterable[EventType]:
        from reactor_hello.contract import GreetingSent

        yield EventType("hello.greeting.sent", GreetingSent)

    @hookimpl
    def reactor_services(self, ctx: PluginContext) -> Iterable[ServiceProvider]:
        from reactor_hello.contract import Greeter
        from reactor_hello.service import ConfiguredGreeter

        yield ServiceProvider(Greeter, lambda: ConfiguredGreeter(ctx.config))

    @hookimpl
    def reactor_resources(self, ctx: PluginContext) -> Iterable[Mount]:
        from reactor_hello.http import GreetingResource, GreetingsResource, TallyResource
        from reactor_hello.service import ConfiguredGreeter, Greetings, Tallies

        greeter = ConfiguredGreeter(ctx.config)
        sent = ctx.metrics.counter("reactor_hello_greetings_total", "Greetings stored since the start")
        greetings = Greetings(ctx.db, greeter, ctx.clock, sent.inc)
        yield Mount("/hello/v1/greeting/{name}", GreetingResource(greeter), access=Access.PUBLIC)
        yield Mount(
            "/hello/v1/greetings",
            GreetingsResource(greetings),
            access=Access.USER,
            permission="hello:read",
            body_limit=16 * 1024,
            methods={"POST": MethodRule(permission="hello:greet")},
        )
        tally = TallyResource(Tallies(ctx.db), ctx.draining, ctx.clock.monotonic)
        yield Mount("/hello/v1/tally/{name}", tally, access=Access.PUBLIC, stream=True)

    @hookimpl
    def reactor_openapi(self) -> Iterable[OpenApiFragment]:
        from reactor_hello.openapi import DOCUMENT

        yield OpenApiFragment(DOCUMENT)

    @hookimpl
    def reactor_subscriptions(self, ctx: PluginContext) -> Iterable[Subscription]:
        from reactor_hello.service import Tallies

        yield Subscription("hello.greeting.sent", Tallies(ctx.db).count, Delivery.DURABLE, name="hello.tally")

    @hookimpl
    def reactor_background(self, ctx: PluginContext) -> Iterable[BackgroundService]:
        from reactor_hello.service import Sweeper

        yield BackgroundService("hello-sweeper", Sweeper(ctx.db, ctx.config, ctx.clock, ctx.log).run, leader_only=True)

    @hookimpl
    def reactor_probes(self, ctx: PluginContext) -> Iterable[Probe]:
        from reactor_hello.probes import probe_tables

        yield Probe("greetings", lambda: probe_tables(ctx.db))

    @hookimpl
    def reactor_health(self, ctx: PluginContext) -> Iterable[HealthCheck]:
        from reactor_hello.probes import reason_unhealthy

        yield HealthCheck(lambda: reason_unhealthy(ctx.db))

    @hookimpl
    def reactor_metrics(self, ctx: PluginContext) -> Iterable[MetricCollector]:
        from reactor_hello.probes import stored_greetings

        stored = ctx.metrics.gauge("reactor_hello_greetings_stored", "Greetings in the table")
        yield MetricCollector(("reactor_hello_greetings_stored",), lambda: stored.set(stored_greetings(ctx.db)))

    @hookimpl
    def reactor_commands(self) -> Iterable[CommandGroup]:
        yield CommandGroup("hello", "reactor_hello.cli:hello", help="Greet somebody through the running server")
