"""Projects for tests: a Reactor.toml in a temporary directory, and kernels booted from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from reactor_kernel.testing.events import RECORDER

if TYPE_CHECKING:
    from reactor_kernel.config.loader import RawConfig
    from reactor_kernel.contracts.runtime import Clock
    from reactor_kernel.kernel import Kernel, Stage
    from reactor_kernel.testing.events import CapturedEvents
    from reactor_kernel.testing.postgres import TestPostgres

ADMIN_TOKEN = "test-admin-token-0123456789abcdefghijkl"

_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "project": {"name": "test", "id": "019213f5-0000-7000-8000-000000000001", "env": "dev"},
    "server": {"bind": "127.0.0.1:0"},
    "admin": {"token": ADMIN_TOKEN},
    "vault": {"master_key": "5a" * 32},
}
Sections = Mapping[str, Any]


class KernelFactory:
    """Boots kernels for one test and closes them and their databases.

    Args:
        server: returns the Postgres server; called when a kernel first needs a database.
        root: directory in which each kernel gets a project directory of its own.
    """

    def __init__(self, server: Callable[[], TestPostgres], root: Path) -> None:
        self._server = server
        self._root = root
        self._kernels: list[Kernel] = []
        self._databases: list[str] = []
        self._projects = 0
        self.capture: CapturedEvents | None = None
        self.clock: Clock | None = None

    def __call__(
        self,
        *plugins: type,
        config: Sections | None = None,
        until: Stage | None = None,
        database_url: str | None = None,
        clock: Clock | None = None,
        root: Path | None = None,
    ) -> Kernel:
        """Boot a kernel of exactly these plugin classes, each with a section even where `config` has none.

        Without a `database_url` it gets a clone of the database in which the plugins' branches are migrated.
        `until` is MIGRATED unless given. `root` is the project directory; a new one when absent.

        Raises:
            BootError: with every fault of the stage that failed.
        """
        from reactor_kernel.kernel import Kernel, Stage

        stage = Stage.MIGRATED if until is None else until
        classes = list(plugins)
        if self.capture is not None:
            classes.append(self.capture.listener(plugins))
        project = self._project() if root is None else root
        url = database_url
        if url is None:
            needed = stage >= Stage.DATABASE
            url = self.database_url(*plugins, config=config) if needed else "postgresql://127.0.0.1:1/not_used"
        raw = raw_config(project, classes, config, database_url=url)
        kernel = Kernel(raw, plugins=classes, clock=clock or self.clock)
        self._kernels.append(kernel)
        return kernel.boot(stage)

    def database_url(self, *plugins: type, config: Sections | None = None) -> str:
        """Make a database in which the branches of the kernel and of `plugins` are migrated; return its URL."""
        url = self._server().clone(frozenset(plugins), lambda url: self._migrate(url, plugins, config))
        self._databases.append(url)
        return url

    def empty_database_url(self) -> str:
        """Make a database with nothing in it; return its URL."""
        url = self._server().create()
        self._databases.append(url)
        return url

    def close(self) -> None:
        """Close every kernel made here and drop every database."""
        while self._kernels:
            self._kernels.pop().close()
        while self._databases:
            self._server().drop(self._databases.pop())

    def _project(self) -> Path:
        self._projects += 1
        project = self._root / f"project{self._projects}"
        project.mkdir()
        return project

    def _migrate(self, url: str, plugins: tuple[type, ...], config: Sections | None) -> None:
        """Run the branches only: a migration step may store what depends on one project's files and secrets."""
        from dataclasses import replace

        from reactor_kernel.assembly import plugin_branches
        from reactor_kernel.db.migrate import Migrator
        from reactor_kernel.kernel import Kernel, Stage

        kernel = Kernel(raw_config(self._project(), plugins, config, database_url=url), plugins=plugins)
        try:
            kernel.boot(Stage.DATABASE)
            Migrator(kernel.database, [replace(branch, steps=()) for branch in plugin_branches(kernel)]).run()
        finally:
            kernel.close()


def raw_config(
    root: Path,
    plugins: list[type] | tuple[type, ...],
    config: Sections | None = None,
    *,
    database_url: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> RawConfig:
    """Write `root/Reactor.toml` and load it: test defaults, `config` over them, a section for each plugin."""
    from reactor_kernel.config.loader import load

    sections: dict[str, dict[str, Any]] = {name: dict(keys) for name, keys in _DEFAULTS.items()}
    if database_url is not None:
        sections["database"] = {"url": database_url, "pool_max": 5}
    for plugin in plugins:
        name: str = plugin.info.name  # type: ignore[attr-defined]
        sections.setdefault(name, {})
    for name, keys in (config or {}).items():
        sections.setdefault(name, {}).update(keys)
    path = root / "Reactor.toml"
    path.write_text(toml_text(sections), encoding="utf-8")
    return load(path, environ=dict(environ or {}), flags={}, cwd=root)


def toml_text(sections: Sections) -> str:
    """Write tables as TOML text; keys whose value is None are left out."""
    lines: list[str] = []
    _write_table(lines, (), sections)
    return "\n".join(lines) + "\n"


def _write_table(lines: list[str], path: tuple[str, ...], table: Mapping[str, Any]) -> None:
    if path:
        lines.append(f"[{'.'.join(map(_key, path))}]")
    nested = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    for key, value in table.items():
        if key not in nested and value is not None:
            lines.append(f"{_key(key)} = {_value(value)}")
    for key, value in nested.items():
        _write_table(lines, (*path, key), value)


def _key(key: str) -> str:
    return (
        key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else msgspec.json.encode(key).decode()
    )


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, Path):
        value = str(value)
    # JSON's spelling of strings, booleans and numbers is TOML's too.
    return msgspec.json.encode(value).decode()


__all__ = ["ADMIN_TOKEN", "RECORDER", "KernelFactory", "raw_config", "toml_text"]
