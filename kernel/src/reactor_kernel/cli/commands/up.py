"""`reactor up`: from an empty directory to a serving project (decision 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reactor_kernel.cli.invocation import Invocation
from reactor_kernel.cli.project import bind_flags, check_bind, project_path
from reactor_kernel.cli.serving import serve_project

if TYPE_CHECKING:
    from reactor_kernel.config.values import Address


@click.command("up")
@click.option("--bind", metavar="HOST:PORT", callback=check_bind, help="Listen here instead of [server] bind.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Listen on this port of the configured host; 0 takes a free one."
)
@click.option(
    "--admin-token", metavar="T", help="Use this admin token; visible to other processes, prefer the environment."
)
@click.pass_obj
def command(invocation: Invocation, bind: Address | None, port: int | None, admin_token: str | None) -> int:
    """Serve this project in the foreground; make it first where there is none.

    Without a Reactor.toml one is written with every installed plugin enabled, and its secrets are made in .reactor/, readable
    by you only and ignored by git. Ctrl+C stops it gracefully.
    """
    path = project_path(invocation)
    if not path.exists():
        from reactor_kernel.scaffold.project import create

        made = create(path)
        if made is not None:
            invocation.out.progress(f"wrote {path.name} with {len(made.plugins)} plugins and secrets in .reactor/")
    flags = bind_flags(bind, port, invocation)
    if admin_token is not None:
        flags["admin.token"] = admin_token
    return serve_project(invocation, invocation.raw(flags), screen=True)
