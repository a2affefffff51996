"""Probes, health and background services of a running plugin."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from reactor_kernel.contributions import Readiness
from reactor_kernel.kernel import Kernel
from reactor_kernel.testing import KernelFactory, TestPostgres
from reactor_plugin_conformance.subject import Subject


class RunningChecks(Subject):
    """Truthfulness while it runs, and an end when told."""

    def test_on_a_working_database_it_is_healthy_and_no_probe_fails(self, kernel_factory: KernelFactory) -> None:
        kernel = self.boot(kernel_factory)
        status, mine = self._health(kernel)
        assert (status, mine) == (200, {"name": self.info.name, "status": "healthy"})
        failed = {name: message for name, verdict, message in self._probe(kernel) if verdict is Readiness.FAIL}
        assert failed == {}

    def test_without_the_database_probes_fail_and_health_says_so(
        self, kernel_factory: KernelFactory, reactor_postgres: TestPostgres
    ) -> None:
        if self.branch(kernel_factory) is None:
            pytest.skip("the plugin has no schema")
        url = self.database_url(kernel_factory)
        kernel = self.boot(kernel_factory, database_url=url)
        assert self._probe(kernel), "a plugin with tables yields at least one probe that looks at them"
        reactor_postgres.drop(url)
        assert Readiness.FAIL in {verdict for _, verdict, _ in self._probe(kernel)}, (
            "every probe passes although the database is gone"
        )
        if self._owned(kernel, "health"):
            status, mine = self._health(kernel)
            assert status == 503
            assert mine["status"] == "unhealthy", "its health check passes although the database is gone"
            assert mine.get("error"), "an unhealthy capability says why"

    def test_background_services_end_when_told(self, kernel_factory: KernelFactory) -> None:
        kernel = self.boot(kernel_factory)
        services = self._owned(kernel, "background")
        if not services:
            pytest.skip("the plugin has no background services")
        budget = float(kernel.config.server.drain_timeout_secs)
        for service in services:
            stop = threading.Event()
            raised: list[Exception] = []

            def run(
                start: Callable[[Any], None] = service.start, stop: Any = stop, raised: list[Exception] = raised
            ) -> None:
                try:
                    start(stop)
                except Exception as exc:  # noqa: BLE001 - shown by the assertion below, on the test's thread
                    raised.append(exc)

            thread = threading.Thread(target=run, name=service.name, daemon=True)
            thread.start()
            thread.join(0.3)  # into its loop
            assert raised == [], f"{service.name} raised"
            if service.drain is not None:
                service.drain(budget)
            stop.set()
            thread.join(budget)
            assert not thread.is_alive(), f"{service.name} still runs {budget:.0f} s after it was told to stop"
            assert raised == [], f"{service.name} raised while stopping"

    def _owned(self, kernel: Kernel, kind: str) -> list[Any]:
        return [owned.item for owned in getattr(kernel.collected, kind) if owned.plugin.name == self.info.name]

    def _health(self, kernel: Kernel) -> tuple[int, dict[str, str]]:
        transport = httpx.WSGITransport(app=kernel.app, remote_addr="127.0.0.1")
        with httpx.Client(transport=transport, base_url="http://reactor.test") as client:
            answer = client.get("/health")
        mine = [entry for entry in answer.json()["capabilities"] if entry["name"] == self.info.name]
        assert len(mine) == 1, f"/health lists {answer.json()['capabilities']}"
        return answer.status_code, mine[0]

    def _probe(self, kernel: Kernel) -> list[tuple[str, Readiness, str]]:
        found = []
        for owned in kernel.collected.probes:
            if owned.plugin.name != self.info.name:
                continue
            try:
                result = owned.item.check()
                found.append((owned.item.name, result.status, result.message))
            except Exception as exc:  # noqa: BLE001 - an exception of a probe is a failure, as doctor reports it
                found.append((owned.item.name, Readiness.FAIL, f"{type(exc).__name__}: {exc}"))
        return found
