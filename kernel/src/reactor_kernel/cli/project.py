"""What commands need to know of the project without booting it: kernel sections, the server's address, the admin token."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reactor_kernel.cli.errors import CliError

if TYPE_CHECKING:
    import click

    from reactor_kernel.cli.invocation import Invocation
    from reactor_kernel.config.loader import RawConfig
    from reactor_kernel.config.model import KernelConfig
    from reactor_kernel.config.values import Address
    from reactor_kernel.contracts.runtime import Vault

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def bind_kernel_sections(raw: RawConfig) -> KernelConfig:
    """Bind the kernel's own sections. Raises BootError with every fault."""
    from reactor_kernel.config.model import KERNEL_SECTIONS, KernelConfig

    return KernelConfig(**_bind(raw, *KERNEL_SECTIONS))


def open_project_vault(raw: RawConfig) -> Vault:
    """Open the project's vault; only [project] and [vault] have to be sound. Raises BootError."""
    from reactor_kernel.config.early import vault_opener

    return vault_opener(raw)()


def _bind(raw: RawConfig, *names: str) -> dict[str, Any]:
    from reactor_kernel.config.binder import bind
    from reactor_kernel.config.early import vault_opener
    from reactor_kernel.config.model import KERNEL_SECTIONS
    from reactor_kernel.config.secrets import Resolver

    sections = {name: KERNEL_SECTIONS[name] for name in names}
    return bind(raw, sections, Resolver(raw.environ, raw.root, vault_opener(raw))).require()


def base_url(host: str, port: int) -> str:
    """Return the URL at which a server that listens there is reached from this machine."""
    host = _ANY_ADDRESS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def own_server(invocation: Invocation) -> str:
    """Return the URL of the project's own server. Raises BootError where [server] cannot be read."""
    server = _bind(invocation.raw(), "server")["server"]
    return base_url(server.bind.host, server.bind.port)


def admin_token(raw: RawConfig) -> str:
    """Return the project's admin token. Raises BootError where [admin] cannot be read."""
    token: str = _bind(raw, "admin")["admin"].token
    return token


def default_context(raw: RawConfig) -> tuple[str, str] | None:
    """Return the context that `[project] default_context` names, and the place where it stands."""
    name = _written(raw, "project", "default_context")
    if not name:
        return None
    return name, f"project.default_context in {raw.origin('project.default_context').where or 'the configuration'}"


def token_place(invocation: Invocation, raw: RawConfig) -> tuple[str, str]:
    """Say where the admin token is: in words, and as shell words that a header can be made of."""
    written = _written(raw, "admin", "token")
    origin = raw.origin("admin.token")
    if written is not None and written.startswith("file:"):
        path = raw.root / written.removeprefix("file:")
        shown = os.path.relpath(path, invocation.cwd) if path.is_relative_to(invocation.cwd) else str(path)
        return f"{shown} (readable by you only)", f"$(cat {shlex.quote(shown)})"
    if origin.source == "env" and origin.where is not None:
        variable = origin.where.removeprefix("environment ")
        return f"the environment variable {variable}", f"${variable}"
    if written is not None and written.startswith("env:"):
        return f"the environment variable {written[4:]}", f"${written[4:]}"
    if written is not None and written.startswith("vault:"):
        name = written.removeprefix("vault:")
        return f"the vault: reactor vault get {name}", f"$(reactor -o human vault get {shlex.quote(name)})"
    return f"admin.token in {origin.where or 'the configuration'}", "$REACTOR_TOKEN"


def written_name(raw: RawConfig) -> str:
    """Return the project's name as it is written."""
    return _written(raw, "project", "name") or ""


def _written(raw: RawConfig, section: str, key: str) -> str | None:
    from reactor_kernel.config.nodes import Scalar, Table

    tree = raw.section(section, ((key,),))
    node = tree.entries.get(key) if isinstance(tree, Table) else None
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else None


def check_bind(context: click.Context, parameter: click.Parameter, value: str | None) -> Address | None:
    """Read the value of `--bind` before anything is done with the project."""
    from reactor_kernel.config.values import parse_address

    if value is None:
        return None
    try:
        return parse_address(value)
    except ValueError as error:
        raise CliError("INVALID_ARGUMENT", f"--bind {error}, not {value!r}") from None


def bind_flags(bind: Address | None, port: int | None, invocation: Invocation) -> dict[str, object]:
    """Turn `--bind` and `--port` into configuration flags; a port alone keeps the host that is configured."""
    if bind is not None:
        return {"server.bind": str(bind if port is None else replace(bind, port=port))}
    if port is None:
        return {}
    host = _bind(invocation.raw(), "server")["server"].bind.host
    return {"server.bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}"}


def project_path(invocation: Invocation) -> Path:
    """Return the file that `--config` names, else Reactor.toml in the working directory."""
    return invocation.cwd / (invocation.flags.config or "Reactor.toml")
