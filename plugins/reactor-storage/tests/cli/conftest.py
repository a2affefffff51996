"""The tool as a process in an empty directory, against a served kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..conftest import Member


@dataclass
class Done:
    """How a run ended."""

    code: int
    out: bytes
    err: str

    @property
    def data(self) -> Any:
        assert self.code == 0, (self.code, self.out, self.err)
        document = json.loads(self.out)
        assert document["ok"] is True
        return document["data"]

    @property
    def error(self) -> dict[str, Any]:
        assert self.code != 0, self.out
        return dict(json.loads(self.out)["error"])


@dataclass
class Tool:
    """`reactor storage` as one person."""

    directory: Path
    environ: dict[str, str]

    def __call__(
        self, *arguments: str, stdin: bytes = b"", flags: tuple[str, ...] = (), env: Mapping[str, str] | None = None
    ) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "reactor_kernel.cli", *flags, "storage", *arguments],
            cwd=self.directory,
            env={**self.environ, **(env or {})},
            input=stdin,
            capture_output=True,
            timeout=120,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr.decode())


def token_of(member: Member) -> str:
    """Return the member's token without blanks, which the tool would refuse."""
    facts = json.loads(member.headers["Authorization"].removeprefix("Bearer "))
    return json.dumps(facts, separators=(",", ":"))


@pytest.fixture
def ann(live_server: Any) -> Any:
    with httpx.Client(base_url=live_server.url, timeout=60) as client:
        yield Member(client)


@pytest.fixture
def tool_for(live_server: Any, tmp_path: Path) -> Callable[[str], Tool]:
    directory = tmp_path / "elsewhere"
    directory.mkdir()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REACTOR_")}
    environ |= {"REACTOR_HOME": str(tmp_path / "home"), "REACTOR_URL": live_server.url}

    def make(token: str) -> Tool:
        return Tool(directory, {**environ, "REACTOR_TOKEN": token})

    return make


@pytest.fixture
def tool(tool_for: Callable[[str], Tool], ann: Member) -> Tool:
    """The tool as ann."""
    return tool_for(token_of(ann))
