"""`reactor data`: the group of this plugin's commands."""

from __future__ import annotations

import click

from reactor_data.cli.explain import explain_access
from reactor_data.cli.lint import lint
from reactor_data.cli.migrate import migrate
from reactor_data.cli.query import query
from reactor_data.cli.tables import inspect, tables


@click.group("data")
def data() -> None:
    """Tables, policies and migrations; needs the admin token: the project's own in its directory, or REACTOR_TOKEN."""


for _command in (migrate, tables, inspect, query, explain_access, lint):
    data.add_command(_command)
