"""The account that Postgres gets where Reactor runs as root."""

from __future__ import annotations

import os
import pwd
import secrets
import subprocess
import sys

import pytest

FIRST_START = """
import sys
from reactor_kernel.embedded.account import _ensure_account
print("ready", flush=True)
sys.stdin.read()
print(_ensure_account(sys.argv[1]).pw_uid)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes an account for Postgres")
def test_projects_that_start_at_once_on_a_fresh_machine_share_one_account():
    name = f"reactor-test-{secrets.token_hex(3)}"
    command = [sys.executable, "-c", FIRST_START, name]
    starts = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    try:
        assert [start.stdout.readline() for start in starts] == ["ready\n"] * 8
        for start in starts:
            start.stdin.close()
        answers = [(start.stdout.read(), start.stderr.read(), start.wait(30)) for start in starts]
        assert answers == [(f"{pwd.getpwnam(name).pw_uid}\n", "", 0)] * 8
    finally:
        for start in starts:
            start.stdout.close()
            start.stderr.close()
        subprocess.run(["userdel", name], check=True, capture_output=True)
