"""`reactor shutdown`: ask a running server to end."""

from __future__ import annotations

import click

from reactor_kernel.cli.invocation import Invocation


@click.command("shutdown")
@click.pass_obj
def command(invocation: Invocation) -> None:
    """Stop a running server gracefully: requests and services in hand are finished first."""
    client = invocation.client()
    client.request("POST", "/_admin/shutdown")
    data = {"status": "accepted", "endpoint": client.endpoint}
    invocation.emit(data, lambda: invocation.out.success(f"{client.endpoint} is shutting down"))
