"""`reactor types`."""

from __future__ import annotations

from pathlib import Path

import click

from reactor_kernel.api import Access, CommandContext

_FILES = {"typescript": "database.types.ts", "python": "database_types.py"}


@click.group("types")
def types() -> None:
    """The database's tables and functions as types of a client's language."""


@types.command("generate")
@click.option("--lang", type=click.Choice(sorted(_FILES)), default="typescript", help="Default: typescript.")
@click.option(
    "--out", metavar="FILE", type=click.Path(path_type=Path), help="Default: database.types.ts or database_types.py."
)
@click.pass_obj
def generate(command: CommandContext, lang: str, out: Path | None) -> None:
    """Write the module that the server makes of its present schemas.

    \b
    reactor types generate --out src/database.types.ts
    reactor types generate --lang python --out app/database_types.py
    """
    text: str = command.request("GET", f"/data/v1/_admin/types/{lang}", access=Access.ADMIN, text=True)
    path = out if out is not None else Path(_FILES[lang])
    content = text.encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        command.stop("IO_ERROR", f"{path} cannot be written: {error}")
    found = {"written": str(path), "bytes": len(content)}
    command.emit(found, lambda: command.success(f"wrote {path} ({len(content)} bytes)"))
