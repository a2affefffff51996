"""What a plugin's own commands are handed by the `reactor` tool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from reactor_kernel.plugins.context import PluginContext


class CommandContext(Protocol):
    """`ctx.obj` of every click command of the tool; take it with `@click.pass_obj`.

    Example:
        ```python
        @click.command()
        @click.pass_obj
        def greetings(command: CommandContext) -> None:
            rows = Greetings(command.plugin("hello").db).all()
            command.emit(rows, lambda: "\\n".join(row["text"] for row in rows))
        ```
    """

    def emit(self, data: Any, human: str | Callable[[], str]) -> None:
        """Write the command's result, once: `data` inside the JSON envelope for programs, the text for people."""
        ...

    def confirm(self, question: str) -> None:
        """Ask before something is destroyed, e.g. `confirm("deleting bucket photos")`; ends the command on no."""
        ...

    def request(self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: Any = None) -> Any:
        """Send a request to the server with the admin token and return the parsed answer; a refusal ends the command."""
        ...

    def plugin(self, name: str) -> PluginContext:
        """Boot the project up to a migrated database in this process and return the context of an enabled plugin."""
        ...
