"""Open the vault before the rest of the configuration is bound, because values may refer to it."""

from __future__ import annotations

from collections.abc import Callable

from reactor_kernel.config.binder import bind
from reactor_kernel.config.model import KERNEL_SECTIONS
from reactor_kernel.config.raw import RawConfig
from reactor_kernel.config.secrets import Resolver
from reactor_kernel.contracts.runtime import Vault


def vault_opener(raw: RawConfig) -> Callable[[], Vault]:
    """Return a function that opens the project's vault when it is first called, and then returns the same one.

    Only `[project]` and `[vault]` have to be sound; neither may refer to the vault. The function raises BootError with
    their faults.
    """
    opened: list[Vault] = []

    def open_once() -> Vault:
        from reactor_kernel.vault import open_vault

        if not opened:
            sections = {name: KERNEL_SECTIONS[name] for name in ("project", "vault")}
            values = bind(raw, sections, Resolver(raw.environ, raw.root, None)).require()
            opened.append(open_vault(values["vault"], project_id=values["project"].id, root=raw.root))
        return opened[0]

    return open_once
