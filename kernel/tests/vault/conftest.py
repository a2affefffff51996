"""Vaults in a temporary directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reactor_kernel.config.model import VaultConfig
from reactor_kernel.contracts import Vault
from reactor_kernel.vault import open_vault

PROJECT = "019213f5-0000-7000-8000-000000000001"
MASTER_KEY = "5a" * 32

Opener = Callable[..., Vault]


@pytest.fixture
def opened(tmp_path: Path) -> Opener:
    def open_again(*, project: str = PROJECT, master_key: str | None = MASTER_KEY, cache_ttl_secs: int = 300) -> Vault:
        config = VaultConfig(master_key=master_key, cache_ttl_secs=cache_ttl_secs)
        return open_vault(config, project_id=project, root=tmp_path)

    return open_again


@pytest.fixture
def vault_file(tmp_path: Path) -> Path:
    return tmp_path / ".reactor" / "vault" / f"{PROJECT}.vault"
