"""The Reactor.toml of a new project (decision 7)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from reactor_kernel.config.schema import Key, keys_of
from reactor_kernel.contributions.config import ConfigSection

ADMIN_TOKEN_FILE = ".reactor/admin-token"
MASTER_KEY_FILE = ".reactor/vault-master-key"


def new_project_toml(name: str, project_id: str, sections: Mapping[str, ConfigSection]) -> str:
    """Write the configuration of a new project: the kernel's sections, then one for each plugin given.

    The secrets it refers to are made by `generate_project_secrets`.
    """
    lines = [
        "# The configuration of this project, for the server and for the reactor command.",
        "# The environment wins over this file: REACTOR_SERVER__BIND stands for bind under [server].",
        "# A section switches its plugin on. Check this file with: reactor config check",
        "",
        "[project]",
        f"name = {toml_value(name)}",
        "# Never change the id once there is data.",
        f"id = {toml_value(project_id)}",
        "# production, preview or dev",
        'env = "dev"',
        "",
        "[server]",
        'bind = "127.0.0.1:8000"',
        "",
        "[database]",
        "# A Postgres under .reactor/postgres. For one of your own: postgresql://user:password@host:5432/name",
        'url = "embedded"',
        "",
        "[admin]",
        "# The bearer token of /_admin, kept out of this file. Also possible: env:NAME, vault:NAME",
        f'token = "file:{ADMIN_TOKEN_FILE}"',
        "",
        "[vault]",
        "# Encrypts every secret of the project. Back it up: without it they are lost.",
        f'master_key = "file:{MASTER_KEY_FILE}"',
    ]
    for section_name, section in sections.items():
        lines += ["", f"[{section_name}]", *_section(section)]
    return "\n".join(lines) + "\n"


def toml_value(value: object) -> str:
    """Write a value as TOML. Raises TypeError for what TOML has no form of."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return '"' + "".join(_escaped(symbol) for symbol in value) + '"'
    if isinstance(value, PurePath):
        return toml_value(value.as_posix())
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    raise TypeError(f"TOML has no form of a {type(value).__name__}")


def _escaped(symbol: str) -> str:
    if symbol in '"\\':
        return "\\" + symbol
    if symbol < " " or symbol == "\x7f":
        return f"\\u{ord(symbol):04x}"
    return symbol


def _section(section: ConfigSection) -> list[str]:
    written = {key.split(".")[0].strip() for key in section.generate}
    written |= {line.partition("=")[0].split(".")[0].strip() for line in section.initial if not line.startswith("#")}
    lines = [f"{key} = {toml_value(f'vault:{made.vault_name}')}" for key, made in section.generate.items()]
    lines += section.initial
    # The rest as comments, so that the file itself says what else there is.
    for key in keys_of(section.model):
        if key.name not in written and key.name not in section.secrets:
            lines += _as_comment(key)
    return lines


def _as_comment(key: Key) -> list[str]:
    default: Any = None if key.required else key.default()
    doc = key.metadata.get("doc")
    if not doc:
        return []
    try:
        return [f"# {key.name} = {toml_value(default)}  # {doc}"]
    except TypeError:  # None, a nested table, a parsed value: shown without its default
        return [f"# {key.name} = ...  # {doc}"]
