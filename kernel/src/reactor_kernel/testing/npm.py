"""Packages of npm for tests with clients of other languages, installed once on a machine."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

_NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ENETUNREACH", "ETIMEDOUT")


def install(*packages: str) -> Path:
    """Install packages, each with its version, and return their `node_modules`.

    They are kept in `REACTOR_TEST_NPM`, by default a directory of the user's cache. The test is skipped where there is no npm, or
    where its registry cannot be reached.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    cache = Path(os.environ.get("REACTOR_TEST_NPM") or Path.home() / ".cache" / "reactor-tests" / "npm")
    wanted = cache / hashlib.sha256(" ".join(sorted(packages)).encode()).hexdigest()[:16]
    if not wanted.exists():
        cache.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=cache))
        command = ["npm", "install", "--prefix", str(place), "--no-audit", "--no-fund", "--fetch-retries=0", *packages]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        if done.returncode != 0:
            shutil.rmtree(place)
            if any(code in done.stderr for code in _NO_NETWORK):
                pytest.skip(f"npm's registry cannot be reached: {done.stderr.splitlines()[0]}")
            raise AssertionError(done.stderr)
        try:
            place.rename(wanted)
        except OSError:  # another process was first
            shutil.rmtree(place)
    return wanted / "node_modules"
