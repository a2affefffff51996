"""`reactor storage`: the group of this plugin's commands."""

from __future__ import annotations

import click

from reactor_storage.cli.buckets import buckets
from reactor_storage.cli.copying import cp
from reactor_storage.cli.objects import ls, rm, sign
from reactor_storage.cli.upkeep import gc, usage


@click.group("storage")
def storage() -> None:
    """Buckets and objects, as the signed-in user or with the token of REACTOR_TOKEN, in the organisation of the context.

    An address is bucket/key or storage://bucket/key; cp needs the longer form to tell the server from this machine.
    """


for _command in (ls, cp, rm, sign, buckets, usage, gc):
    storage.add_command(_command)
# The name that the contract reserved for it.
storage.add_command(sign, "sign-url")
