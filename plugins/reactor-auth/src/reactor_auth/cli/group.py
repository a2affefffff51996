"""`reactor auth`: the group, and the command that renews signing keys."""

from __future__ import annotations

import click

from reactor_auth.cli.calls import as_admin
from reactor_auth.cli.invitations import invitations
from reactor_auth.cli.keys import keys
from reactor_auth.cli.members import members
from reactor_auth.cli.orgs import orgs
from reactor_auth.cli.roles import roles
from reactor_auth.cli.sessions import sessions
from reactor_auth.cli.users import users
from reactor_auth.cli_outbox import outbox
from reactor_kernel.api import CommandContext


@click.group("auth")
def auth() -> None:
    """Users, organisations, keys and sessions.

    Commands act as the signed-in user. Those about users, and others with --admin or where nobody is signed in, act with the
    admin token: the project's own in its directory, or REACTOR_TOKEN.
    """


@auth.command("rotate-keys")
@click.pass_obj
def rotate_keys(command: CommandContext) -> None:
    """Sign with a new key from now on; tokens signed with the old one stay valid."""
    answer = as_admin(command).call("POST", "/rotate-keys")
    data = answer if isinstance(answer, dict) else {"rotated": True}
    command.emit(data, lambda: command.success("a new signing key is in use, or will be once verifiers know it"))


for _group in (users, orgs, members, roles, keys, invitations, sessions):
    auth.add_command(_group)
auth.add_command(outbox)
