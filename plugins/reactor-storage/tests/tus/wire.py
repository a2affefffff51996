"""Requests over bare sockets, so that a test can end a connection wherever it likes."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from typing import Any

from .conftest import BODY


class Cut:
    """A PATCH whose body is sent as far as a test wants."""

    def __init__(
        self, address: tuple[str, int], member: Any, path: str, offset: int, announced: int, method: str = "PATCH",
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        sent = {
            "Host": "reactor.test",
            "Tus-Resumable": "1.0.0",
            "Upload-Offset": str(offset),
            "Content-Type": BODY,
            "Content-Length": str(announced),
            **member.headers,
            **(headers or {}),
        }
        self.socket = socket.create_connection(address, timeout=30)
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode())

    def send(self, content: bytes) -> Cut:
        self.socket.sendall(content)
        return self

    def close(self) -> None:
        """Say that no more comes."""
        self.socket.close()

    def reset(self) -> None:
        """Go away without a word: what the other side has not read yet is lost."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def status(self) -> int:
        """Wait for the answer."""
        received = b""
        while b"\r\n" not in received and (block := self.socket.recv(65536)):
            received += block
        return int(received.split(b" ", 2)[1])
