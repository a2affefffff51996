"""The `reactor` tool: one file per command, imported when the command runs.

This module imports nothing, so that `reactor --version` costs no more than starting Python.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool with these arguments, or the process' own; return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments in (["--version"], ["-V"]):
        from reactor_kernel import __version__

        sys.stdout.write(f"reactor {__version__}\n")
        return 0
    from reactor_kernel.cli.root import run

    return run(arguments)
