"""Options and rows that several groups share."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click

from reactor_auth.cli.calls import Routes
from reactor_kernel.api import CommandContext

F = TypeVar("F", bound=Callable[..., Any])


def admin_option(function: F) -> F:
    """Add `--admin`."""
    return click.option("--admin", is_flag=True, help="Act with the admin token, even where somebody is signed in.")(
        function
    )


def page_options(function: F) -> F:
    """Add `--limit` and `--all`."""
    function = click.option("--all", "everything", is_flag=True, help="List everything, page by page.")(function)
    return click.option(
        "--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="How many at most."
    )(function)


def pages(routes: Routes, path: str, name: str, params: dict[str, str | None], limit: int, *, everything: bool) -> Any:
    """Read one page of an admin list, or every page."""
    found: list[Any] = []
    cursor = None
    while True:
        answer = routes.call("GET", path, params={**params, "limit": str(limit), "cursor": cursor})
        found += answer[name]
        cursor = answer["next_cursor"]
        if cursor is None or not everything:
            break
    if cursor is not None:
        routes.command.warn(f"there are more; pass --all or a --limit above {limit}")
    return found


def metadata_of(command: CommandContext, text: str | None) -> Any:
    """Read `--metadata`. Raises CommandFailure for what is not a JSON object."""
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError as error:
        command.stop("JSON_ERROR", f"--metadata is not JSON: {error}")
    if not isinstance(value, dict):
        command.stop("JSON_ERROR", "--metadata must be a JSON object", hint="""write --metadata '{"key": "value"}'""")
    return value


def moment(value: object) -> object:
    """Show a time of the server's as people read it."""
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return value


def given(**values: Any) -> dict[str, Any]:
    """Keep what was given."""
    return {name: value for name, value in values.items() if value is not None}


def demand_change(command: CommandContext, body: dict[str, Any]) -> dict[str, Any]:
    """Stop a change that would change nothing."""
    if not body:
        command.stop("MISSING_ARGUMENT", "there is nothing to change", hint="see the options with --help")
    return body
