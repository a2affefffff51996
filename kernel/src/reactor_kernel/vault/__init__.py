"""Secrets and named encryption keys of one project (contract kernel.md §7.7)."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from reactor_kernel.config.model import VaultConfig
from reactor_kernel.contracts.runtime import Vault
from reactor_kernel.errors import BootError, ExitCode, Fault
from reactor_kernel.ids import parse_project_id

__all__ = ["open_vault"]

_MASTER_KEY = re.compile(r"[0-9a-fA-F]{64}\Z")
_LOG = logging.getLogger("reactor_kernel.vault")


def open_vault(config: VaultConfig, *, project_id: str, root: Path) -> Vault:
    """Open the vault of a project with the configured backend.

    The embedded backend keeps everything in one encrypted file per project under `config.path`; nothing is written before
    something is stored. The mock backend keeps it in memory.

    Raises:
        BootError: the master key is missing, malformed or another one than the vault was encrypted with, the vault's file
            is damaged, or the backend is not available (exit 2).
    """
    # Here, because most commands never open the vault.
    from reactor_kernel.vault.embedded import EmbeddedVault
    from reactor_kernel.vault.store import DamagedStore, FileStore, MemoryStore, WrongMasterKey

    project = str(parse_project_id(project_id))
    if config.backend == "openbao":
        raise _fault("vault.backend", 'the backend "openbao" is not available in this version; use "embedded"')
    if config.backend == "mock":
        _LOG.warning(
            "vault.backend is mock: secrets live in memory, are lost at exit and differ in each process; tests only"
        )
        return EmbeddedVault(MemoryStore(project), cache_ttl_secs=config.cache_ttl_secs)
    if config.master_key is None:
        raise _fault(
            "vault.master_key",
            "required by the embedded vault: 64 hexadecimal characters, such as openssl rand -hex 32 prints, "
            "here or in the environment variable REACTOR_VAULT_MASTER_KEY",
        )
    if not _MASTER_KEY.match(config.master_key):
        raise _fault("vault.master_key", "must be 64 hexadecimal characters (32 bytes)")
    directory = root / config.path
    try:
        store = FileStore(directory, project, bytes.fromhex(config.master_key))
    except WrongMasterKey as error:
        raise _fault("vault.master_key", str(error)) from None
    except DamagedStore as error:
        raise _fault("vault.path", str(error)) from None
    except OSError as error:
        raise _fault("vault.path", f"{directory} cannot be read: {error.strerror}") from None
    return EmbeddedVault(store, cache_ttl_secs=config.cache_ttl_secs)


def _fault(subject: str, message: str) -> BootError:
    return BootError([Fault(category="config", subject=subject, message=message, exit_code=ExitCode.CONFIG)])
