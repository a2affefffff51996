"""A plugin from outside of this repository's plugins passes the kit in a virtual environment of its own."""

from __future__ import annotations

import os
import subprocess
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def own_place() -> Iterator[Path]:
    """A directory outside of pytest's own, which every run of pytest by this user closes to the account Postgres runs as."""
    with tempfile.TemporaryDirectory(prefix="reactor-test-") as place:
        yield Path(place)


@pytest.mark.slow
@pytest.mark.timeout(900)  # installs distributions from their sources and their index
def test_reactor_hello_passes_its_tests_in_its_own_environment(own_place: Path) -> None:
    """Installed as a user installs it: with what its metadata asks for and nothing else of this repository."""
    place = own_place / "venv"
    venv.create(place, with_pip=True)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}

    def run(*command: object) -> str:
        line = [str(word) for word in command]
        done = subprocess.run(line, capture_output=True, text=True, cwd=own_place, env=environ, check=False)
        assert done.returncode == 0, f"{' '.join(line)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    python = place / "bin" / "python"
    hello = ROOT / "examples" / "plugins" / "reactor-hello"
    kit = ROOT / "plugins" / "reactor-plugin-conformance"
    run(python, "-m", "pip", "install", "--quiet", ROOT / "kernel", kit, f"{hello}[test]")
    listed = run(python, "-m", "pip", "list", "--format=freeze")
    assert "reactor-auth" not in listed
    assert "reactor-data" not in listed
    said = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", hello / "tests")
    assert " passed" in said.splitlines()[-1]
