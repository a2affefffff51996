"""`reactor routes`: every route with who may call it and whose it is."""

from __future__ import annotations

import click

from reactor_kernel.cli.invocation import Invocation
from reactor_kernel.cli.output import table


@click.command("routes")
@click.option("--plugin", metavar="NAME", help="Only the routes of one plugin; kernel for the kernel's own.")
@click.pass_obj
def command(invocation: Invocation, plugin: str | None) -> None:
    """List every route and who may call it.

    The application is built as at a start; the database is not needed.
    """
    from reactor_kernel.kernel import Stage

    kernel = invocation.kernel(Stage.BUILT)
    data = [
        {
            "method": route.method,
            "path": route.path,
            "access": getattr(route.access, "value", route.access),
            "permission": route.permission,
            "plugin": route.plugin,
        }
        for route in sorted(kernel.app.routes(), key=lambda route: (route.path, route.method))
        if plugin is None or route.plugin == plugin
    ]
    columns = ("method", "path", "access", "permission", "plugin")
    invocation.emit(data, lambda: table(columns, [[row[c] for c in columns] for row in data], empty="No routes found."))
