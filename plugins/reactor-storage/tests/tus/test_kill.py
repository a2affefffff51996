"""The death of a server amid a request."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from ..conftest import Member
from .conftest import KIB, Tus, bytes_of, engine_of, eventually
from .wire import Cut


class Node:
    """A server in a process of its own."""

    def __init__(self, root: Path, database_url: str) -> None:
        script = Path(__file__).with_name("node.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(root), database_url], stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        self.address = ("127.0.0.1", int(line))
        self.url = f"http://127.0.0.1:{int(line)}"

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(20)


def test_the_server_is_killed_amid_a_request(kernel, root, sql):
    engine_of("granian")
    content = bytes_of(40 * KIB * KIB)[: 40 * KIB * KIB]
    url = kernel.config.database.url
    node = Node(root, url)
    try:
        with httpx.Client(base_url=node.url, timeout=60) as wire:
            ann = Member(wire)
            ann.bucket()
            tus = Tus(ann)
            path = tus.begin(len(content))
            Cut(node.address, ann, path, 0, len(content)).send(content[: 36 * KIB * KIB])
            eventually(lambda: tus.call("HEAD", path).headers["Upload-Offset"] != "0", 60)
            node.kill()
        node = Node(root, url)
        with httpx.Client(base_url=node.url, timeout=60) as wire:
            ann.client = wire
            offset = tus.offset(path)
            # What was acknowledged is there: whole segments.
            assert 16 * KIB * KIB <= offset <= 36 * KIB * KIB
            # The lease of the dead lapses within moments.
            eventually(lambda: tus.patch(path, offset, content[offset:]).status_code == 204, 60)
            assert ann.get("docs/a/b.bin").content == content
    finally:
        node.kill()
