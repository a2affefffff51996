"""`reactor version`: the tool's version and that of the server it talks to."""

from __future__ import annotations

from typing import Any

import click

from reactor_kernel import __version__
from reactor_kernel.cli.errors import NETWORK, CliError
from reactor_kernel.cli.invocation import Invocation


@click.command("version")
@click.pass_obj
def command(invocation: Invocation) -> None:
    """Show the versions of the tool and the server.

    A server that is not there is no failure: its version is then unknown and `compatible` is null.
    """
    server = _server(invocation) if invocation.is_remote() or invocation.has_project() else None
    theirs = server["version"] if server else None
    compatible = None if theirs is None else theirs.split(".")[0] == __version__.split(".")[0]
    data: dict[str, Any] = {
        "cli": {"version": __version__},
        "server": server,
        "cli_version": __version__,
        "server_version": theirs,
        "compatible": compatible,
    }
    if compatible is False:
        invocation.out.warn(f"this tool is {__version__} and the server {theirs}: their major versions differ")
    invocation.emit(data, lambda: _human(data))


def _server(invocation: Invocation) -> dict[str, Any] | None:
    client = invocation.client()
    try:
        answer = client.request("GET", "/_admin/version", retries=0)
    except CliError as error:
        if error.exit_code == NETWORK:
            invocation.out.debug(error.message)
            return None
        raise
    return {"endpoint": client.endpoint, "version": answer["version"], "capabilities": answer["capabilities"]}


def _human(data: dict[str, Any]) -> str:
    server = data["server"]
    lines = [f"reactor {data['cli_version']}"]
    if server is None:
        lines.append("server: not reached")
    else:
        lines.append(f"server {server['version']} at {server['endpoint']}")
        lines += [f"  {name} {version}" for name, version in sorted(server["capabilities"].items())]
    return "\n".join(lines)
