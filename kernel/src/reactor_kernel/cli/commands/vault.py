"""`reactor vault`: the project's secrets."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from reactor_kernel.cli.invocation import Invocation
from reactor_kernel.cli.output import table

if TYPE_CHECKING:
    from reactor_kernel.contracts.runtime import Vault

_SECRETS = "/_admin/vault/secrets"


@click.group("vault")
def command() -> None:
    """Read and write the project's secrets.

    Works on the project's own vault in place. Where flags or environment name a server it asks that, which also sees the
    change at once; a server beside the files sees a change made in place after [vault] cache_ttl_secs at the latest.
    """


def _local(invocation: Invocation) -> Vault:
    from reactor_kernel.cli.project import open_project_vault

    invocation.need_project()
    return open_project_vault(invocation.raw())


def _path(key: str) -> str:
    return f"{_SECRETS}/{quote(key, safe='')}"


@command.command("list")
@click.pass_obj
def list_(invocation: Invocation) -> None:
    """List the names of secrets and their newest versions."""
    if invocation.is_remote():
        secrets = invocation.request("GET", _SECRETS)["secrets"]
    else:
        secrets = [{"name": name, "version": version} for name, version in _local(invocation).names()]
    rows = [(secret["name"], secret["version"]) for secret in secrets]
    invocation.emit({"secrets": secrets}, lambda: table(("name", "version"), rows, empty="No secrets found."))


@command.command("get")
@click.argument("key")
@click.pass_obj
def get(invocation: Invocation, key: str) -> None:
    """Show a secret. People get the bare value, so that it can be piped with -o human."""
    data = invocation.request("GET", _path(key)) if invocation.is_remote() else _read(_local(invocation), key)
    invocation.emit(data, lambda: str(data["value"]))


def _read(vault: Vault, key: str) -> dict[str, Any]:
    value, version = vault.get_version(key)
    text, is_base64 = _text(value)
    return {"key": key, "value": text, "is_base64": is_base64, "version": version}


def _text(content: bytes) -> tuple[str, bool]:
    try:
        return content.decode("utf-8"), False
    except UnicodeDecodeError:
        return base64.b64encode(content).decode("ascii"), True


@command.command("set")
@click.argument("key")
@click.argument("value")
@click.pass_obj
def set_(invocation: Invocation, key: str, value: str) -> None:
    """Store a new version of a secret.

    VALUE is the text itself, @FILE for a file's bytes, or - for standard input without its last line break. Prefer - in
    scripts: arguments are visible to other processes.
    """
    content = _content(value)
    if invocation.is_remote():
        text, is_base64 = _text(content)
        invocation.request("PUT", _path(key), body={"value": text, "is_base64": is_base64})
    else:
        _local(invocation).put(key, content)
    invocation.emit({"status": "ok", "key": key}, lambda: invocation.out.success(f"{key} is stored"))


def _content(value: str) -> bytes:
    if value == "-":
        content = sys.stdin.buffer.read()
        return content.removesuffix(b"\n").removesuffix(b"\r") if content.endswith(b"\n") else content
    if value.startswith("@"):
        return Path(value[1:]).read_bytes()
    return value.encode("utf-8", "surrogateescape")


@command.command("unset")
@click.argument("key")
@click.pass_obj
def unset(invocation: Invocation, key: str) -> None:
    """Remove a secret with all its versions."""
    invocation.confirm(f"removing the secret {key} with all its versions")
    if invocation.is_remote():
        invocation.request("DELETE", _path(key))
    else:
        _local(invocation).delete(key)
    invocation.emit({"status": "ok", "key": key}, lambda: invocation.out.success(f"{key} is removed"))


@command.command("rotate")
@click.argument("key_name")
@click.pass_obj
def rotate(invocation: Invocation, key_name: str) -> None:
    """Add a version to a named encryption key; what older versions encrypted stays readable."""
    if invocation.is_remote():
        version = int(invocation.request("POST", "/_admin/vault/rotate", body={"key_name": key_name})["new_version"])
    else:
        version = _local(invocation).rotate(key_name)
    data = {"status": "ok", "key_name": key_name, "new_version": version}
    invocation.emit(data, lambda: invocation.out.success(f"{key_name} is at version {version}"))
