"""An object as an HTTP answer: headers, ranges, conditions, bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote as percent

from reactor_kernel.api import RequestContext
from reactor_storage.access import Caller
from reactor_storage.backends.contract import BackendFailed, BlobMissing
from reactor_storage.errors import ObjectNotFound
from reactor_storage.http.conditions import asked_range, last_modified, unmodified
from reactor_storage.model import KEPT_HEADERS, StoredObject
from reactor_storage.reading import Reader

if TYPE_CHECKING:
    import falcon

DEFAULT_TYPE = "application/octet-stream"
# Up to this size the bytes are handed over at once, which costs an engine far less than a stream.
_AT_ONCE = 1024 * 1024
# From this size on an answer counts as a stream: a slow reader holds its thread.
_HELD = 16 * 1024 * 1024
_LOOKS = 3
# What a browser shows without running anything of it. Pages, and pictures and XML with scripts, must not act on the origin that
# people sign in at; so must nothing that is no single media type: of several, divided by commas, a browser takes the last.
_INERT = re.compile(
    r"(?:(?:image|video|audio|font)/[\w.-]+|text/(?:plain|css|csv|javascript|markdown)"
    r"|application/(?:pdf|json|octet-stream|javascript|wasm|zip|gzip))\s*(?:;[^,]*)?\Z",
    re.ASCII | re.IGNORECASE,
)
_SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"


def answer_object(
    req: falcon.Request, resp: falcon.Response, reader: Reader, caller: Caller, find: Callable[[], StoredObject]
) -> None:
    """Answer GET or HEAD of an object that `find` returns.

    `find` is called again when its content was replaced before it could be opened.
    """
    for _ in range(_LOOKS):
        found = find()
        try:
            _answer(req, resp, reader, caller, found)
        except BlobMissing:
            continue
        return
    raise ObjectNotFound(
        f"the content of {found.key!r} is not there", details={"bucket": found.bucket, "key": found.key}
    )


def _answer(req: falcon.Request, resp: falcon.Response, reader: Reader, caller: Caller, found: StoredObject) -> None:
    header = req.get_header
    not_modified = unmodified(header, found)
    part = asked_range(header, found) if req.method == "GET" and not not_modified else None
    start, length = part or (0, found.size)
    whole, pieces = None, None
    if req.method == "GET" and not not_modified:
        if length > _HELD:
            context: RequestContext = req.context
            context.claim_stream()
        # What cannot be read is refused before anything is said of it.
        pieces = reader.open(caller, found, start, length)
        whole = b"".join(pieces) if length <= _AT_ONCE else None
        if whole is not None and len(whole) != length:
            raise BackendFailed(f"the content {found.locator} has not the {found.size} bytes that were kept")
    resp.set_header("ETag", found.etag)
    resp.set_header("Last-Modified", format_datetime(last_modified(found), usegmt=True))
    resp.set_header("Cache-Control", found.cache_control or "no-cache")
    if not_modified:
        resp.status = 304
        return
    resp.status = 200 if part is None else 206
    resp.set_header("Accept-Ranges", "bytes")
    say_type(resp, found.content_type or DEFAULT_TYPE)
    if (coding := _coding(found)) is not None:
        resp.set_header("Content-Encoding", coding)
    if part is not None:
        resp.set_header("Content-Range", f"bytes {start}-{start + length - 1}/{found.size}")
    if (name := req.get_param("download", default=None)) is not None or "download" in req.params:
        resp.set_header("Content-Disposition", disposition(name or found.key.rstrip("/").rpartition("/")[2]))
    if pieces is None:
        resp.content_length = found.size
        return
    if whole is not None:
        resp.data = whole
        return
    resp.stream = pieces
    resp.content_length = length


def say_type(resp: falcon.Response, media_type: str) -> None:
    """Say what the content is, and keep a browser from guessing and from running it."""
    resp.content_type = media_type
    resp.set_header("X-Content-Type-Options", "nosniff")
    if _INERT.match(media_type) is None:
        resp.set_header("Content-Security-Policy", _SANDBOX)


def _coding(found: StoredObject) -> str | None:
    """Return how the content is packed, where its upload said so."""
    kept = found.metadata.get(KEPT_HEADERS)
    coding = kept.get("content-encoding") if isinstance(kept, Mapping) else None
    return coding if isinstance(coding, str) and coding.isascii() and coding.isprintable() else None


def disposition(name: str) -> str:
    """Return a Content-Disposition that saves under a name (RFC 6266, RFC 8187)."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in name)
    value = f'attachment; filename="{plain}"'
    return value if plain == name else f"{value}; filename*=UTF-8''{percent(name, safe='')}"
