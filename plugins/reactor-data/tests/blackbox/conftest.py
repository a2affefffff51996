"""One kernel for each set of settings that a table asks for, on one database schema with known rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ANN = "00000000-0000-7000-8000-0000000000a1"
BOB = "00000000-0000-7000-8000-0000000000b1"
ORG_A = "00000000-0000-7000-8000-00000000000a"
ORG_B = "00000000-0000-7000-8000-00000000000b"
# What the tables may rely on; a table's own settings come over these.
SETTINGS = {
    "user_schema": "public, annex",
    "aggregates_enabled": True,
    "plan_enabled": True,
    "tx_end": "commit-allow-override",
    "default_limit": 0,
}


class Archive:
    """A kernel that serves the fixture schema."""

    def __init__(self, kernel: Any) -> None:
        import httpx

        self.kernel = kernel
        transport = httpx.WSGITransport(app=kernel.app, raise_app_exceptions=False, remote_addr="127.0.0.1")
        self.client = httpx.Client(transport=transport, base_url="http://reactor.test")
        self.refill()

    def refill(self) -> None:
        """Put the rows back as they were."""
        from reactor_kernel.api import Statement

        self.kernel.database.run(None, [Statement("select fixture.refill()")])

    def ask(self, caller: str, method: str, path: str, content: str, headers: dict[str, str]) -> Any:
        """Send a request as one of the callers; `nobody` has no token."""
        sent = dict(headers)
        if caller != "nobody":
            sent["Authorization"] = f"Bearer {caller}"
        if content and "Content-Type" not in sent:
            sent["Content-Type"] = "application/json"
        return self.client.request(method, f"/data/v1/{path}", content=content.encode(), headers=sent)


def identities() -> Any:
    from reactor_kernel.api import DbRole, Identity, IdentityKind
    from reactor_kernel.testing import fake_identities

    def user(user_id: str, org_id: str) -> Identity:
        return Identity(
            kind=IdentityKind.USER,
            subject=f"user_{user_id}",
            db_role=DbRole.AUTHENTICATED,
            user_id=user_id,
            org_id=org_id,
        )

    service = Identity(kind=IdentityKind.SERVICE, subject="service", db_role=DbRole.SERVICE)
    known = {"ann": user(ANN, ORG_A), "bob": user(BOB, ORG_B), "service": service}
    return fake_identities(known, plugin="auth")


@pytest.fixture(scope="module")
def archive(
    reactor_postgres: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[dict[str, Any]], Archive]]:
    """Return the archive for some settings, booted when it is first asked for."""
    from reactor_data.plugin import DataPlugin
    from reactor_kernel.testing import KernelFactory

    opened: dict[str, tuple[Archive, Any]] = {}
    broken: dict[str, Exception] = {}
    auth = identities()

    def find(settings: dict[str, Any]) -> Archive:
        key = repr(sorted(settings.items()))
        if key in broken:
            raise broken[key]
        if key not in opened:
            root = tmp_path_factory.mktemp("archive")
            served = root / "served"
            (served / "migrations").mkdir(parents=True)
            migration = (HERE / "schema.sql").read_text(encoding="utf-8")
            (served / "migrations" / "001_archive.sql").write_text(migration, encoding="utf-8")
            factory = KernelFactory(lambda: reactor_postgres, root)
            try:
                kernel = factory(auth, DataPlugin, config={"data": SETTINGS | settings}, root=served)
                opened[key] = Archive(kernel), factory
            except Exception as error:
                # So that each case of the table says so, without trying again.
                broken[key] = error
                factory.close()
                raise
        return opened[key][0]

    try:
        yield find
    finally:
        for one, factory in opened.values():
            one.client.close()
            factory.close()
