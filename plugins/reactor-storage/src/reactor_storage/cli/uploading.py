"""Sending a content: whole while it is small, else in parts, with one copy of each piece in memory."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from reactor_storage.cli.addresses import Address
from reactor_storage.cli.parallel import in_parallel
from reactor_storage.cli.server import Refused, StorageServer

if TYPE_CHECKING:
    import httpx

MIB = 1024 * 1024
# What the server takes at least of a part that is not the last, and how many parts.
LEAST_PART = 5 * MIB
MOST_PARTS = 10000


class Differs(Exception):
    """What the server keeps is not what was sent, or what came is not what the server keeps."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as the server keeps it; `etag` is its quoted SHA-256."""

    etag: str
    size: int


class Source:
    """A stream that is read in pieces, and knows the SHA-256 of what was taken."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._returned = b""
        self._digest = hashlib.sha256()
        self._confirmed = self._digest.copy()
        self.taken = 0

    @property
    def etag(self) -> str:
        """The ETag of what was taken."""
        return f'"{self._digest.hexdigest()}"'

    def take(self, size: int) -> bytes:
        """Return `size` bytes; fewer only at the end."""
        pieces, missing = [self._returned[:size]], size - len(self._returned[:size])
        self._returned = self._returned[size:]
        while missing:
            piece = self._stream.read(missing)
            if not piece:
                break
            pieces.append(piece)
            missing -= len(piece)
        found = b"".join(pieces)
        self._confirmed = self._digest.copy()
        self._digest.update(found)
        self.taken += len(found)
        return found

    def give_back(self, piece: bytes) -> None:
        """Undo the last `take`."""
        self._returned = piece + self._returned
        self._digest = self._confirmed.copy()
        self.taken -= len(piece)


class Uploader:
    """Sends contents to one server.

    Args:
        jobs: how many parts of one content are sent at once.
        part_size: bytes of a part, and up to which a content is sent whole.
        headers: sent with each object: `Cache-Control`, `X-Metadata`.
    """

    def __init__(self, server: StorageServer, *, jobs: int, part_size: int, headers: Mapping[str, str]) -> None:
        self._server = server
        self._jobs = jobs
        self._part_size = part_size
        self._headers = dict(headers)

    def upload(self, stream: BinaryIO, size: int | None, target: Address, content_type: str | None) -> Stored:
        """Send a content of `size` bytes, None where that is not known.

        Raises:
            Refused, httpx.TransportError: nothing was stored.
            Differs: the server keeps something else.
        """
        source = Source(stream)
        part_size = max(self._part_size, -(-(size or 0) // MOST_PARTS))
        first = source.take(part_size)
        if len(first) < part_size:
            try:
                return self._whole(source, first, target, content_type)
            except Refused as refusal:
                part_size = _smaller(refusal, len(first))
        source.give_back(first)
        return self._in_parts(source, part_size, target, content_type)

    def _whole(self, source: Source, content: bytes, target: Address, content_type: str | None) -> Stored:
        headers = {**self._headers, **digest_of(content)}
        if content_type is not None:
            headers["Content-Type"] = content_type
        answer = self._server.send("PUT", target.route("object"), headers=headers, content=content).json()
        return _same(source, answer, target)

    def _in_parts(self, source: Source, part_size: int, target: Address, content_type: str | None) -> Stored:
        body = {} if content_type is None else {"content_type": content_type}
        begun = self._send_json("POST", target.route("upload"), body, self._headers)
        query = {"upload_id": str(begun["upload_id"])}
        try:
            parts = list(self._parts(source, part_size, target, query))
            return self._complete(source, target, query, parts)
        except BaseException:
            # The server gives it up by itself after a day.
            with suppress(Refused, *_broken()):
                self._server.send("DELETE", target.route("upload") + "/abort", params=query, even_at_end=True)
            raise

    def _parts(self, source: Source, part_size: int, target: Address, query: Mapping[str, str]) -> Iterator[Any]:
        """Send the parts; the first alone, because the server may say with it how large one may be."""

        def part(number: int, content: bytes) -> Callable[[], dict[str, Any]]:
            return lambda: self._part(target, query, number, content)

        first = source.take(part_size)
        try:
            yield part(1, first)()
        except Refused as refusal:
            part_size = _smaller(refusal, len(first))
            source.give_back(first)
            yield part(1, source.take(part_size))()

        def rest() -> Iterator[Callable[[], dict[str, Any]]]:
            number = 1
            while content := source.take(part_size):
                number += 1
                yield part(number, content)

        yield from in_parallel(self._jobs, rest())

    def _part(self, target: Address, query: Mapping[str, str], number: int, content: bytes) -> dict[str, Any]:
        params = {**query, "part_number": str(number)}
        sent = digest_of(content)
        answer = self._server.send(
            "PUT", target.route("upload") + "/part", params=params, headers=sent, content=content
        ).json()
        return {"part_number": number, "etag": answer["etag"]}

    def _complete(self, source: Source, target: Address, query: Mapping[str, str], parts: list[Any]) -> Stored:
        try:
            answer = self._send_json("POST", target.route("upload") + "/complete", {"parts": parts}, {}, query)
        except Refused as refusal:
            if refusal.code != "multipart_not_found":
                raise
            # The answer to an attempt before may have been lost after it was done.
            kept = self._server.send("HEAD", target.route("object"))
            if kept.headers.get("ETag") != source.etag:
                raise refusal from None
            return Stored(source.etag, source.taken)
        return _same(source, answer, target)

    def _send_json(
        self, method: str, path: str, body: Any, headers: Mapping[str, str], params: Mapping[str, str] | None = None
    ) -> Any:
        response: httpx.Response = self._server.send(
            method,
            path,
            params=params,
            headers={**headers, "Content-Type": "application/json"},
            content=json.dumps(body).encode(),
        )
        return response.json()


def digest_of(content: bytes) -> dict[str, str]:
    """Return the header by which the server refuses a content that was spoilt on its way (RFC 9530)."""
    return {"Repr-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"}


def _same(source: Source, answer: Mapping[str, Any], target: Address) -> Stored:
    if answer.get("etag") != source.etag:
        raise Differs(f"{target} has the ETag {answer.get('etag')}, but {source.etag} was sent")
    return Stored(source.etag, source.taken)


def _smaller(refusal: Refused, sent: int) -> int:
    """Return how large parts may be, where the server refused one because of its size and a smaller one may do."""
    limit = refusal.details.get("limit")
    allowed = limit if isinstance(limit, int) else LEAST_PART  # a server engine refuses without saying the limit
    if refusal.code != "payload_too_large" or not LEAST_PART <= allowed < sent:
        raise refusal
    return allowed


def _broken() -> tuple[type[BaseException], ...]:
    import httpx

    return (httpx.TransportError,)
