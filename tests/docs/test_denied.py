"""The guide's chapter on denials: its migration is applied, its commands are run, and they print what stands below them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

GUIDE = Path(__file__).parents[2] / "docs" / "user-guide.md"


def test_the_chapter_on_denials_works_as_printed(start_server: Callable[..., Any], reactor_tool: Any) -> None:
    chapter = GUIDE.read_text().split("\n## Why was this denied?\n", 1)[1].split("\n## ", 1)[0]
    [migration] = re.findall(r"```sql\n(.*?)```", chapter, re.DOTALL)
    examples = re.findall(r"```sh\n(.*?)```\n+```text\n(.*?)```", chapter, re.DOTALL)
    assert len(examples) == 4
    server = start_server(files={"migrations/001_invoices.sql": migration}).wait()
    reactor = f'reactor() {{ {sys.executable} -m reactor_kernel.cli "$@"; }}\n'
    for command, printed in examples:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", reactor + command],
            cwd=reactor_tool.directory,
            env={**reactor_tool.environ, "REACTOR_OUTPUT": "human", "REACTOR_SERVER__BIND": f"127.0.0.1:{server.port}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), command
        assert [line.rstrip() for line in done.stdout.rstrip().splitlines()] == printed.rstrip().splitlines(), command
