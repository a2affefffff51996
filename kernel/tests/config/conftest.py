"""A project in a directory, and what binding its configuration says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from reactor_kernel.config.binder import Bound, bind
from reactor_kernel.config.loader import load
from reactor_kernel.config.raw import RawConfig
from reactor_kernel.config.secrets import Resolver
from reactor_kernel.contracts import Vault
from reactor_kernel.contributions import ConfigSection


class ConfiguredProject:
    """Writes, loads and binds; relative places in messages are those of this directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, text: str) -> None:
        (self.root / "Reactor.toml").write_text(text, encoding="utf-8")

    def load(
        self,
        text: str | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        flags: Mapping[str, object] | None = None,
    ) -> RawConfig:
        if text is not None:
            self.write(text)
        return load(None, environ=environ or {}, flags=flags or {}, cwd=self.root)

    def bind(
        self,
        sections: Mapping[str, ConfigSection | type],
        text: str | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        flags: Mapping[str, object] | None = None,
        vault: Callable[[], Vault] | None = None,
    ) -> Bound:
        raw = self.load(text, environ=environ, flags=flags)
        made = {name: s if isinstance(s, ConfigSection) else ConfigSection(s) for name, s in sections.items()}
        return bind(raw, made, Resolver(raw.environ, raw.root, vault))


@pytest.fixture
def project(tmp_path: Path) -> ConfiguredProject:
    return ConfiguredProject(tmp_path)


@pytest.fixture
def messages() -> Callable[[Bound], list[str]]:
    def of(bound: Bound) -> list[str]:
        assert all(fault.exit_code == 2 and fault.category == "config" for fault in bound.faults)
        return [str(fault) for fault in bound.faults]

    return of


Messages = Callable[[Any], list[str]]
