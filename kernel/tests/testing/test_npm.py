"""The fixture that installs packages of npm, with a program in npm's place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NPM = """#!/bin/sh
echo "$@" >> "{log}"
{then}
while [ "$1" != --prefix ]; do shift; done
mkdir "$2/node_modules"
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put node and an npm onto the path; return the log of npm's calls."""

    def make(then: str = "") -> Path:
        programs, log = tmp_path / "bin", tmp_path / "log"
        programs.mkdir()
        for name, text in (("node", "#!/bin/sh\n"), ("npm", NPM.format(log=log, then=then))):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("REACTOR_TEST_NPM", str(tmp_path / "cache"))
        return log

    return make


def test_packages_are_installed_once(machine: Callable[..., Path], npm: Any) -> None:
    log = machine()
    found = npm("a@1", "b@2")
    assert found.is_dir()
    assert npm("b@2", "a@1") == found
    assert npm("a@2") != found
    assert [line.split()[-1] for line in log.read_text().splitlines()] == ["b@2", "a@2"]


def test_without_a_network_the_test_is_skipped(machine: Callable[..., Path], npm: Any, tmp_path: Path) -> None:
    machine("echo 'npm error code ENOTFOUND' >&2; exit 1")
    with pytest.raises(pytest.skip.Exception) as skipped:
        npm("a@1")
    assert str(skipped.value) == "npm's registry cannot be reached: npm error code ENOTFOUND"
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_npm_complains_of_fails_the_test(machine: Callable[..., Path], npm: Any, tmp_path: Path) -> None:
    machine("echo 'npm error code ETARGET' >&2; exit 1")
    with pytest.raises(AssertionError) as failed:
        npm("a@999")
    assert str(failed.value) == "npm error code ETARGET\n"
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_npm_the_test_is_skipped(monkeypatch: pytest.MonkeyPatch, npm: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.skip.Exception) as skipped:
        npm("a@1")
    assert str(skipped.value) == "node and npm are not installed"
