"""`reactor init`: a project that `reactor up` serves untouched."""

from __future__ import annotations

import click

from reactor_kernel.cli.errors import CliError
from reactor_kernel.cli.invocation import Invocation


@click.command("init")
@click.argument("name", required=False)
@click.option("--force", is_flag=True, help="Write the generated files anew; the project's id and its secrets stay.")
@click.pass_obj
def command(invocation: Invocation, name: str | None, force: bool) -> None:
    """Make a project in the directory NAME, or in this one.

    Writes Reactor.toml with every installed plugin enabled, secrets in .reactor/, a .gitignore and the files that plugins
    bring for a start.
    """
    from reactor_kernel.scaffold.project import create

    directory = invocation.cwd / name if name is not None else invocation.cwd
    path = directory / "Reactor.toml"
    taken = directory.exists() if name is not None else path.exists()
    if taken and not force:
        raise CliError(
            "USER_ERROR",
            f"{directory if name is not None else path} exists already",
            hint="pass --force to write its generated files anew; its id and secrets stay",
        )
    if directory.exists() and not directory.is_dir():
        raise CliError("USER_ERROR", f"{directory} is not a directory")
    made = create(path, with_files=True, overwrite=force)
    if made is None:
        raise CliError("USER_ERROR", f"{path} has just been written by another process")
    data = {
        "project_id": made.project_id,
        "name": made.name,
        "path": str(directory),
        "files": list(made.files),
        "plugins": list(made.plugins),
    }
    step = f"cd {name} && reactor up" if name is not None else "reactor up"
    invocation.emit(
        data,
        lambda: "\n".join(
            [
                invocation.out.success(f"Project {made.name} in {directory}"),
                *(f"  {file}" for file in made.files),
                f"Next: {step}",
            ]
        ),
    )
