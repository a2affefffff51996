"""Hooks about running the platform: probes, health, metrics, deploys."""

from __future__ import annotations

from collections.abc import Iterable

from reactor_kernel.contributions import DeployStep, HealthCheck, MetricCollector, Probe
from reactor_kernel.hookspecs.marker import HookKind, hookspec
from reactor_kernel.plugins.context import PluginContext


class OperationSpecs:
    """Probes, health checks, metric collectors, deploy steps and progress."""

    @hookspec(HookKind.COLLECT)
    def reactor_probes(self, ctx: PluginContext) -> Iterable[Probe]:
        """Yield doctor probes: each looks for itself and says what it found.

        Example:
            ```python
            @hookimpl
            def reactor_probes(self, ctx):
                yield Probe("greetings table", lambda: probe_table(ctx.db))
            ```
        """
        raise AssertionError("a spec is not called")

    @hookspec(HookKind.COLLECT)
    def reactor_health(self, ctx: PluginContext) -> Iterable[HealthCheck]:
        """Yield cheap checks for `/health`, each bounded to 2 s.

        Example:
            ```python
            @hookimpl
            def reactor_health(self, ctx):
                yield HealthCheck(lambda: None if self.ready else "still warming up")
            ```
        """
        raise AssertionError("a spec is not called")

    @hookspec(HookKind.COLLECT)
    def reactor_metrics(self, ctx: PluginContext) -> Iterable[MetricCollector]:
        """Yield collectors that set gauges just before a scrape.

        Example:
            ```python
            @hookimpl
            def reactor_metrics(self, ctx):
                greetings = ctx.metrics.gauge("reactor_hello_greetings", "Greetings stored")
                yield MetricCollector(("reactor_hello_greetings",), lambda: greetings.set(self.count()))
            ```
        """
        raise AssertionError("a spec is not called")

    @hookspec(HookKind.COLLECT)
    def reactor_deploy_steps(self, ctx: PluginContext) -> Iterable[DeployStep]:
        """Yield the plugin's part of a deploy.

        Example:
            ```python
            @hookimpl
            def reactor_deploy_steps(self, ctx):
                yield DeployStep("hello", validate=check, prepare=stage, activate=switch)
            ```
        """
        raise AssertionError("a spec is not called")

    @hookspec(HookKind.TELL)
    def reactor_progress(self, ctx: PluginContext, event: object) -> None:
        """Hear of a deploy's progress.

        Example:
            ```python
            @hookimpl
            def reactor_progress(self, ctx, event):
                ctx.log.info("deploy: %s", event)
            ```
        """
        raise AssertionError("a spec is not called")
