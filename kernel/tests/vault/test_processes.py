"""Several processes on one vault, and processes killed while they write."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reactor_kernel.contracts import Vault

PROJECT = "019213f5-0000-7000-8000-000000000001"
Opener = Callable[..., Vault]

WRITER = f"""
import sys
from pathlib import Path
from reactor_kernel.config.model import VaultConfig
from reactor_kernel.vault import open_vault

vault = open_vault(VaultConfig(master_key="5a" * 32), project_id="{PROJECT}", root=Path(sys.argv[1]))
print("ready", flush=True)
"""
COUNT = (
    WRITER + "for index in range(int(sys.argv[2])): vault.put('shared', b'x'); vault.encrypt('k' + str(index), b'y')"
)
FOREVER = WRITER + "while True: print(vault.put('a', b'v' * 5000), flush=True)"


def start(script: str, *args: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", script, *map(str, args)], stdout=subprocess.PIPE, text=True)


def test_no_write_of_several_processes_is_lost(opened: Opener, tmp_path: Path) -> None:
    writers = [start(COUNT, tmp_path, 15) for _ in range(3)]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.close()
    vault = opened()
    assert vault.names() == [("shared", 45)]
    # A key is made once, however many processes use it first.
    assert [vault.rotate(f"k{index}") for index in range(15)] == [2] * 15


def test_no_write_of_several_threads_is_lost(opened: Opener) -> None:
    vault, other = opened(), opened()
    threads = [
        threading.Thread(target=lambda one: [one.put("a", b"x") for _ in range(20)], args=(one,))
        for one in (vault, vault, other, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert vault.names() == other.names() == [("a", 80)]


@pytest.mark.faults
def test_a_writer_killed_at_any_moment_leaves_the_old_or_the_new_file(
    opened: Opener, vault_file: Path, tmp_path: Path
) -> None:
    chance = random.Random(7)
    opened().put("keep", b"kept")
    acknowledged = 0
    for _ in range(25):
        writer = start(FOREVER, tmp_path)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0.0, 0.05))
        writer.kill()
        numbers = [int(line) for line in writer.stdout.read().splitlines() if line.endswith(tuple("0123456789"))]
        writer.wait(30)
        writer.stdout.close()
        vault = opened()
        acknowledged = max([acknowledged, *numbers])
        versions = dict(vault.names()).get("a", 0)
        # One more than was acknowledged, where it died between the write and saying so.
        assert versions in (acknowledged, acknowledged + 1)
        acknowledged = versions
        assert vault.get("keep") == b"kept"
        if versions:
            assert vault.get_version("a") == (b"v" * 5000, versions)
    assert acknowledged > 0, "no writer ever wrote: the test looked at nothing"
    # What a killed writer left behind stands in nobody's way.
    opened().put("a", b"after")
    assert sorted(path.suffix for path in vault_file.parent.iterdir()) == [".lock", ".vault"]


def test_a_draft_left_by_a_killed_writer_is_neither_read_nor_in_the_way(opened: Opener, vault_file: Path) -> None:
    opened().put("a", b"old")
    vault_file.with_suffix(".new").write_bytes(vault_file.read_bytes()[:100])
    assert opened().get("a") == b"old"
    opened().put("a", b"new")
    assert opened().get("a") == b"new"
    assert not vault_file.with_suffix(".new").exists()
