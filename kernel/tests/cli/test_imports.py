"""What the tool may import, and what it must not, before a command needs it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import reactor_kernel

if TYPE_CHECKING:
    from conftest import Tool

HEAVY = {"alembic", "click", "falcon", "httpx", "psycopg", "rich", "sqlalchemy", "tiny_plugin", "waitress"}
PROBE = """
import io, os, sys
sys.argv[1:] = {arguments!r}
from reactor_kernel.cli import main
out, sys.stdout = sys.stdout, io.StringIO()
code = main()
sys.stdout = out
print(code, *sorted(name for name in sys.modules if name in {heavy!r}))
"""


def imported(tool: Tool, *arguments: str) -> tuple[int, set[str]]:
    """Run a command and return its exit code and which of the heavy modules it imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(arguments=list(arguments), heavy=HEAVY)],
        cwd=tool.directory,
        env=tool.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    code, *names = done.stdout.split()
    return int(code), set(names)


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_costs_nothing(reactor: Tool, flag: str) -> None:
    reactor.project()
    assert imported(reactor, flag) == (0, set())
    done = reactor(flag)
    assert (done.code, done.out, done.err) == (0, f"reactor {reactor_kernel.__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("version",), 0),
        (("vault", "list"), 0),
        (("vault", "--help"), 0),
        (("plugins", "--nope"), 2),
        (("db", "url"), 1),
    ],
)
def test_kernel_commands_import_no_plugin(reactor: Tool, arguments: tuple[str, ...], code: int) -> None:
    reactor.project()
    found = imported(reactor, *arguments)
    assert found[0] == code
    # httpx imports rich by itself where it is installed.
    assert not found[1] & {"alembic", "falcon", "sqlalchemy", "tiny_plugin", "waitress"}
    assert "httpx" in found[1] or "rich" not in found[1]


def test_the_help_names_the_plugins_groups_without_a_database(reactor: Tool) -> None:
    reactor.project()
    code, names = imported(reactor, "--help")
    assert code == 0
    assert not names & {"alembic", "falcon", "httpx", "psycopg", "rich", "sqlalchemy", "waitress"}
