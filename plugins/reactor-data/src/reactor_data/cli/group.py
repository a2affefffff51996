"""`reactor data`: the group of this plugin's commands."""

from __future__ import annotations

import click

from reactor_data.cli.explain import explain_access
from reactor_data.cli.lint import lint


@click.group("data")
def data() -> None:
    """Tables, policies and migrations; needs the admin token: the project's own in its directory, or REACTOR_TOKEN."""


for _command in (explain_access, lint):
    data.add_command(_command)
