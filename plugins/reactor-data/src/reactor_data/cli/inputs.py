"""What commands are given as JSON or in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reactor_kernel.api import CommandContext


def object_of(command: CommandContext, option: str, given: str) -> dict[str, Any]:
    """Return the JSON object that an option holds, or that the file has which it names as `@FILE`."""
    if given.startswith("@"):
        try:
            given = Path(given[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            command.stop("IO_ERROR", f"{option}: {given[1:]} cannot be read: {error}")
    try:
        found = json.loads(given)
    except ValueError as error:
        command.stop("JSON_ERROR", f"{option} is not JSON: {error}")
    if not isinstance(found, dict):
        command.stop("JSON_ERROR", f"{option} must be a JSON object")
    return found
