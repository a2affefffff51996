"""Fetching a content: streamed, continued where a connection broke, and compared with its ETag."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from reactor_kernel.api import uuid7
from reactor_storage.cli.addresses import Address
from reactor_storage.cli.server import ATTEMPTS, Refused, StorageServer, may_pass, pause
from reactor_storage.cli.uploading import Differs, Stored


class _Changed(Exception):
    """The object has another content than the one that was begun."""


def download_to_file(server: StorageServer, source: Address, target: Path) -> Stored:
    """Fetch an object into a file, which is there whole or not at all."""
    partial = target.parent / f".{target.name[:40]}.{uuid7()}.part"
    try:
        with partial.open("xb") as file:

            def restart() -> None:
                file.seek(0)
                file.truncate()

            stored = download(server, source, file, restart)
        os.replace(partial, target)
    except BaseException:
        with suppress(FileNotFoundError):
            partial.unlink()
        raise
    return stored


def download(server: StorageServer, source: Address, sink: BinaryIO, restart: Callable[[], None] | None) -> Stored:
    """Fetch an object into a stream.

    Args:
        restart: empties the sink, for a content that was replaced meanwhile; None where that cannot be done.

    Raises:
        Refused, httpx.TransportError: after what may pass was tried again.
        Differs: what came is not what its ETag says, or it was replaced meanwhile.
    """
    while True:
        try:
            return _Download(server, source, sink).run()
        except _Changed:
            if restart is None:
                raise Differs(f"{source} was replaced while it was read") from None
            restart()


class _Download:
    def __init__(self, server: StorageServer, source: Address, sink: BinaryIO) -> None:
        self._server = server
        self._source = source
        self._sink = sink
        self._digest = hashlib.sha256()
        self._size = 0
        self._etag: str | None = None

    def run(self) -> Stored:
        import httpx

        attempts = 0
        while True:
            self._server.go_on()
            before = self._size
            try:
                self._read()
            except (httpx.TransportError, Refused) as error:
                attempts = 1 if self._size > before else attempts + 1
                if attempts == ATTEMPTS or not may_pass(error):
                    raise
                pause(attempts)
                continue
            break
        found = f'"{self._digest.hexdigest()}"'
        if found != self._etag:
            raise Differs(f"{self._source} has the ETag {self._etag}, but what came has {found}")
        return Stored(found, self._size)

    def _read(self) -> None:
        headers = {}
        if self._etag is not None:
            headers = {"If-Match": self._etag}
            if self._size:
                headers["Range"] = f"bytes={self._size}-"
        try:
            with self._server.fetch(self._source.route("object"), headers) as response:
                self._etag = response.headers.get("ETag")
                for piece in response.iter_raw():
                    self._server.go_on()
                    self._sink.write(piece)
                    self._digest.update(piece)
                    self._size += len(piece)
        except Refused as refusal:
            if self._etag is None:
                raise
            if refusal.status == 416:  # the connection broke behind the last byte
                return
            if refusal.status in (404, 412):
                raise _Changed from None
            raise
