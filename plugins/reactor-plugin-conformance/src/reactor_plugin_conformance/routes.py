"""Routes: where they lie, who may call them, how they are documented."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from reactor_kernel.contributions import Access
from reactor_kernel.kernel import Kernel, Stage
from reactor_kernel.testing import KernelFactory
from reactor_plugin_conformance.subject import Subject


class RouteChecks(Subject):
    """The HTTP surface of the plugin."""

    @pytest.fixture
    def conformance_kernel(self, kernel_factory: KernelFactory) -> Kernel:
        """The plugin with its application built; no database is touched."""
        return self.boot(kernel_factory, until=Stage.BUILT)

    def _routes(self, kernel: Kernel) -> Iterator[tuple[str, str, Access, str | None]]:
        for route in kernel.app.routes():
            if route.plugin == self.info.name:
                yield route.method, route.path, Access(route.access), route.permission

    def test_every_route_lies_under_the_prefix(self, conformance_kernel: Kernel) -> None:
        prefixes = (self.info.url_prefix, *self.info.extra_prefixes)
        allowed = tuple(f"{prefix}/" for prefix in (*prefixes, "/.well-known"))
        outside = sorted(
            path
            for _, path, _, _ in self._routes(conformance_kernel)
            if path not in prefixes and not path.startswith(allowed)
        )
        assert outside == [], f"these routes are not under {' or '.join(prefixes)}"

    def test_every_route_says_who_may_call_it(self, conformance_kernel: Kernel) -> None:
        # `Access(...)` raises for anything else; a plugin whose routes were lost would show none.
        shown = {(method, path): access for method, path, access, _ in self._routes(conformance_kernel)}
        mounted = [owned.item for owned in conformance_kernel.collected.mounts if owned.plugin.name == self.info.name]
        missing = [mount.path for mount in mounted if mount.path not in {path for _, path in shown}]
        assert missing == [], "these mounts answer no method"

    def test_every_permission_asked_for_is_documented(self, conformance_kernel: Kernel) -> None:
        known = {owned.item.name for owned in conformance_kernel.collected.permissions}
        asked = {permission for *_, permission in self._routes(conformance_kernel) if permission is not None}
        assert sorted(asked - known) == [], "yield these from reactor_permissions"

    def test_every_route_is_in_the_openapi_document(self, conformance_kernel: Kernel) -> None:
        transport = httpx.WSGITransport(app=conformance_kernel.app, remote_addr="127.0.0.1")
        with httpx.Client(transport=transport, base_url="http://reactor.test") as client:
            paths = client.get("/_api/openapi.json").json()["paths"]
        missing, silent = [], []
        for method, path, _, _ in self._routes(conformance_kernel):
            if method in ("OPTIONS", "HEAD"):
                continue
            operation = paths.get(_template(path), {}).get(method.lower())
            if operation is None:
                missing.append(f"{method} {path}")
            elif not operation.get("responses"):
                silent.append(f"{method} {path}")
        assert missing == [], "yield these from reactor_openapi"
        assert silent == [], "these operations document no response"

    def test_a_route_that_needs_a_caller_refuses_the_anonymous(self, conformance_kernel: Kernel) -> None:
        transport = httpx.WSGITransport(app=conformance_kernel.app, remote_addr="127.0.0.1")
        with httpx.Client(transport=transport, base_url="http://reactor.test") as client:
            for method, path, access, _ in self._routes(conformance_kernel):
                if access is Access.PUBLIC or method in ("OPTIONS", "HEAD"):
                    continue
                answer = client.request(method, _filled(path))
                assert answer.status_code == 401, f"{method} {path} answers an anonymous caller {answer.status_code}"
                error = answer.json()["error"]
                assert error["status"] == 401
                assert error["request_id"]


def _template(path: str) -> str:
    """Return a Falcon template as OpenAPI writes it: converters dropped."""
    parts = []
    for segment in path.split("/"):
        name, mark, _ = segment.partition(":")
        parts.append(f"{name}}}" if mark and segment.startswith("{") and segment.endswith("}") else segment)
    return "/".join(parts)


def _filled(path: str) -> str:
    """Return a path that a template matches, whatever its converters want."""
    return "/".join(
        "019213f5-0000-7000-8000-000000000001" if segment.startswith("{") else segment for segment in path.split("/")
    )
