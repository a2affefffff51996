"""`reactor serve`: the server executable (contract kernel.md §2.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reactor_kernel.cli.invocation import Invocation
from reactor_kernel.cli.project import bind_flags, check_bind
from reactor_kernel.cli.serving import serve_project

if TYPE_CHECKING:
    from reactor_kernel.config.values import Address


@click.command("serve")
@click.option("--bind", metavar="HOST:PORT", callback=check_bind, help="Listen here instead of [server] bind.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Listen on this port of the configured host; 0 takes a free one."
)
@click.option(
    "--admin-token", metavar="T", help="Use this admin token; visible to other processes, prefer the environment."
)
@click.pass_obj
def command(invocation: Invocation, bind: Address | None, port: int | None, admin_token: str | None) -> int:
    """Serve an existing project, as in production.

    Nothing is generated. A configuration file is not needed when the environment (REACTOR_*) says everything. Exit codes: 0
    clean, 1 failed or migration failed, 2 configuration, 3 address taken, 4 no signing key, 5 database.
    """
    flags = bind_flags(bind, port, invocation)
    if admin_token is not None:
        flags["admin.token"] = admin_token
    return serve_project(invocation, invocation.raw(flags), screen=False)
