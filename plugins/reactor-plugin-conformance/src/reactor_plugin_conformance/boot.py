"""Booting: alone, absent, misconfigured, and without telling secrets."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import httpx
import pytest

from reactor_kernel.errors import BootError, ExitCode
from reactor_kernel.kernel import Stage
from reactor_kernel.plugins.discovery import State
from reactor_kernel.testing import ADMIN_TOKEN, KernelFactory, raw_config
from reactor_plugin_conformance.subject import Subject

_WITHOUT_SECTION = """
import json, os, sys
from pathlib import Path
from reactor_kernel.config.loader import load
from reactor_kernel.kernel import Kernel, Stage
root = Path(sys.argv[1])
kernel = Kernel(load(root / "Reactor.toml", environ={}, flags={}, cwd=root))
try:
    kernel.boot(Stage.MIGRATED)
    with kernel.database.begin() as tx:
        from sqlalchemy import text
        found = tx.execute(text("SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname = :name"), {"name": sys.argv[3]})
        schemas = [row[0] for row in found]
    mine = sorted(name for name in sys.modules if name == sys.argv[2] or name.startswith(sys.argv[2] + "."))
    print(json.dumps({"schemas": schemas, "imported": mine, "enabled": [p.name for p in kernel.enabled]}))
finally:
    kernel.close()
"""


class BootChecks(Subject):
    """What happens between discovery and the first request."""

    def test_it_boots_with_what_it_requires_and_nothing_else(self, kernel_factory: KernelFactory) -> None:
        kernel = self.boot(kernel_factory)
        states = {plugin.name: (plugin.state, plugin.error) for plugin in kernel.plugins}
        assert states[self.info.name] == (State.ENABLED, None)
        assert len(states) == 1 + len(self.requires)

    def test_without_its_section_nothing_is_imported_and_no_schema_is_made(
        self, kernel_factory: KernelFactory, tmp_path: Path
    ) -> None:
        root = tmp_path / "without"
        root.mkdir()
        raw_config(root, [], database_url=kernel_factory.empty_database_url())
        command = [sys.executable, "-c", _WITHOUT_SECTION, str(root), self.package, self.info.schema]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1]) == {"schemas": [], "imported": [], "enabled": []}

    def test_a_wrong_type_is_reported_with_its_path_and_line(self, kernel_factory: KernelFactory) -> None:
        section = self.section()
        if section is None:
            pytest.skip("the plugin has no section")
        for key, wrong in wrong_values(section.model):
            with pytest.raises(BootError) as caught:
                self.boot(kernel_factory, own={**self.config, key: wrong}, until=Stage.CONFIGURED)
            path = f"{self.info.name}.{key}"
            about = [fault for fault in caught.value.faults if (fault.subject or "").startswith(path)]
            assert about, f"a wrong value of {path} is not reported; faults: {caught.value}"
            assert about[0].exit_code == ExitCode.CONFIG
            assert about[0].where is not None, f"the fault about {path} does not say where: {about[0]}"
            assert "Reactor.toml:" in about[0].where

    def test_an_unknown_key_is_warned_about(self, kernel_factory: KernelFactory) -> None:
        if self.section() is None:
            pytest.skip("the plugin has no section")
        kernel = self.boot(kernel_factory, own={**self.config, "no_such_key_qz": 1}, until=Stage.CONFIGURED)
        assert [text for text in kernel.warnings if f"{self.info.name}.no_such_key_qz" in text], kernel.warnings

    def test_no_secret_of_its_section_is_told(
        self, kernel_factory: KernelFactory, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        section = self.section()
        if section is None or not section.secrets:
            pytest.skip("the section has no secrets")
        with caplog.at_level(logging.DEBUG):
            kernel = self.boot(kernel_factory, until=Stage.STARTED)
            values = kernel.context_for(next(p for p in kernel.plugins if p.name == self.info.name)).config
            told = [repr(values)]
            transport = httpx.WSGITransport(app=kernel.app, remote_addr="127.0.0.1")
            admin = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
            with httpx.Client(transport=transport, base_url="http://reactor.test", headers=admin) as client:
                told += [client.get(path).text for path in ("/health", "/metrics", "/_api/openapi.json")]
                told += [client.get(path).text for path in ("/_admin/doctor", "/_admin/version", "/_admin/logs")]
            kernel.close()
        told += [record.getMessage() + str(record.__dict__) for record in caplog.records]
        told += list(capfd.readouterr())
        secrets = {key: value for key in section.secrets if (value := _lookup(values, key)) is not None}
        leaked = sorted(key for key, value in secrets.items() if any(str(value) in text for text in told))
        assert leaked == [], f"the values of these secrets are shown in a log, an answer or the config's repr: {leaked}"


def wrong_values(model: type) -> Iterator[tuple[str, Any]]:
    """Yield (key, value of a type it cannot have) for each key of a section's model."""
    hints = get_type_hints(model)
    for key in fields(model):
        # A table with a key nobody knows fits no scalar and no list; a number fits no table.
        nested = is_dataclass(hints[key.name])
        yield key.name, 7 if nested else [{"not": {"a": "value"}}]


def _lookup(values: Any, dotted: str) -> Any:
    for name in dotted.split("."):
        values = getattr(values, name, None)
    return values
