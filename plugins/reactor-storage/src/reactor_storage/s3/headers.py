"""What S3's headers say of an object, kept in its metadata, and said again when it is read.

`x-amz-meta-NAME` is the member NAME of the metadata. Headers that this platform keeps nowhere else are in its member `s3:headers`,
which no `x-amz-meta-` header can name.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reactor_storage.http.answers import say_type
from reactor_storage.http.conditions import Header as Read
from reactor_storage.model import KEPT_HEADERS as KEPT
from reactor_storage.model import NewObject, StoredObject
from reactor_storage.s3.faults import S3Error
from reactor_storage.s3.request import Headers, S3Request

if TYPE_CHECKING:
    import falcon

_META = "x-amz-meta-"
_KEPT = ("content-disposition", "content-encoding", "content-language", "expires")
# Of an object's metadata; S3 keeps 2 KB, and Python's clients read no answer of more than a hundred headers.
_MOST = 50
_LONGEST = 8 * 1024
_TYPE = "response-content-type"
OVERRIDES = {
    _TYPE: "Content-Type",
    "response-content-language": "Content-Language",
    "response-expires": "Expires",
    "response-cache-control": "Cache-Control",
    "response-content-disposition": "Content-Disposition",
    "response-content-encoding": "Content-Encoding",
}
_PRIVATE = ("private", "bucket-owner-full-control", "bucket-owner-read")
_UNSUPPORTED = (
    "x-amz-server-side-encryption",
    "x-amz-tagging",
    "x-amz-object-lock-",
    "x-amz-website-redirect-location",
    "x-amz-grant-",
    "x-amz-copy-source-server-side-encryption",
    "x-amz-write-offset-bytes",
)


def described(asked: S3Request) -> NewObject:
    """Return what a write says of its object. Raises S3Error for what this endpoint would have to ignore."""
    header = asked.headers
    for prefix in _UNSUPPORTED:
        for name in header.names(prefix):
            if name == "x-amz-tagging" and not header(name):
                continue
            raise S3Error("NotImplemented", f"the header {name} is not supported")
    if (acl := header("x-amz-acl")) is not None and acl not in _PRIVATE:
        raise S3Error("NotImplemented", f"the access of {acl[:40]!r} is not given to objects; make their bucket public")
    if (kind := header("x-amz-storage-class")) not in (None, "STANDARD"):
        raise S3Error("NotImplemented", f"the storage class {kind!r} is not supported; there is STANDARD only")
    metadata: dict[str, Any] = {name.removeprefix(_META): _text(header(name) or "") for name in header.names(_META)}
    kept = {name: value for name in _KEPT if (value := header(name)) is not None}
    if (coding := kept.pop("content-encoding", None)) is not None:
        left = [one.strip() for one in coding.split(",") if one.strip().lower() not in ("aws-chunked", "")]
        if left:
            kept["content-encoding"] = ", ".join(left)
    if kept:
        metadata[KEPT] = kept
    return NewObject(header("content-type"), header("cache-control"), metadata)


def say_object(resp: falcon.Response, found: StoredObject, query: Mapping[str, str]) -> None:
    """Set the headers that this protocol says of an object beside those of HTTP."""
    if found.cache_control is None:
        resp.delete_header("Cache-Control")
    kept = found.metadata.get(KEPT)
    if isinstance(kept, Mapping):
        for name, value in kept.items():
            if name in _KEPT and isinstance(value, str) and _sayable(value):
                resp.set_header(name, value)
    missing, said, length = 0, 0, 0
    for name, value in found.metadata.items():
        if name == KEPT:
            continue
        text = value if isinstance(value, str) else str(value) if isinstance(value, (int, float)) else None
        if text is None or not _is_token(name):
            missing += 1
            continue
        text = text if _sayable(text) else f"=?utf-8?b?{base64.b64encode(text.encode()).decode()}?="
        said, length = said + 1, length + len(name) + len(text)
        if said > _MOST or length > _LONGEST:
            missing += 1
            continue
        resp.set_header(_META + name, text)
    if missing:
        resp.set_header("x-amz-missing-meta", str(missing))
    for name, header in OVERRIDES.items():
        if (text := query.get(name)) is not None and _sayable(text):
            resp.set_header(header, text)
            if name == _TYPE:
                say_type(resp, text)


def conditions(headers: Headers, prefix: str = "") -> Read:
    """Return how to read conditional headers, also with an ETag that was sent without its quotes."""

    def read(name: str) -> str | None:
        value = headers(prefix + name.lower())
        if value is None or not name.endswith("Match"):
            return value
        value = value.strip()
        return value if '"' in value or value == "*" else f'"{value}"'

    return read


def _text(value: str) -> str:
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value


def _sayable(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _is_token(name: str) -> bool:
    return name.isascii() and name != "" and all(one.isalnum() or one in "!#$%&'*+-.^_`|~" for one in name)
