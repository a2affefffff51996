"""`reactor plugin new`: a plugin distribution that already passes its tests."""

from __future__ import annotations

from pathlib import Path

import click

from reactor_kernel.cli.invocation import Invocation


@click.group("plugin")
def command() -> None:
    """Start a plugin of your own."""


@command.command("new")
@click.argument("name")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory to make; default: reactor-NAME here.",
)
@click.pass_obj
def new(invocation: Invocation, name: str, directory: Path | None) -> None:
    """Write a plugin called NAME: configuration, table with migration, route, events, metric, probe, command and tests.

    NAME is one word of lower-case letters, digits and underscores.
    """
    from reactor_kernel.scaffold.plugin import create

    made = create(name, invocation.cwd / (directory or f"reactor-{name.replace('_', '-')}"))
    data = {"name": name, "path": str(made.root), "files": list(made.files)}
    invocation.emit(
        data,
        lambda: "\n".join(
            [
                invocation.out.success(f"Plugin {name} in {made.root}"),
                *(f"  {file}" for file in made.files),
                f"Next: cd {made.root} && pip install -e '.[test]' && pytest",
            ]
        ),
    )
