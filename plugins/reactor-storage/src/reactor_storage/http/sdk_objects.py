"""The paths of objects that Supabase's clients use (contract storage.md §3.7 and §7, decision 35)."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as percent

import msgspec

from reactor_kernel.api import ReactorError
from reactor_storage.access import Caller
from reactor_storage.buckets import Buckets
from reactor_storage.errors import InvalidStorageRequest, ObjectNotFound, SourceChanged
from reactor_storage.grants import Grants
from reactor_storage.http.answers import answer_object
from reactor_storage.http.bodies import json_body
from reactor_storage.http.callers import caller_of, known_caller_of
from reactor_storage.http.shapes import listed_object, object_info, say, uploaded
from reactor_storage.http.signed import signed_transform
from reactor_storage.http.uploads import CREATE, receive, wants_upsert
from reactor_storage.keys import object_key
from reactor_storage.model import NewObject, StoredObject
from reactor_storage.reading import Reader
from reactor_storage.rules import ANY
from reactor_storage.writing import Writer

if TYPE_CHECKING:
    import falcon

MOST_KEYS = 1000
# A source that is replaced while it is copied is looked for again.
_AGAIN = 3
_SUPABASE_PY = re.compile(r"supabase-py/")


class RemoveBody(msgspec.Struct, frozen=True):
    """Exact keys to remove; the clients call them prefixes."""

    prefixes: list[str]


class TransferBody(msgspec.Struct, frozen=True, rename="camel"):
    """From where to where."""

    source_key: str
    destination_key: str
    bucket_id: str
    destination_bucket: str | None = None
    copy_metadata: bool = True


class SignManyBody(msgspec.Struct, frozen=True, rename="camel"):
    """What to sign, and for how many seconds; a client may write the number as text. `transform` is for one path only."""

    expires_in: int | str | None = None
    paths: list[str] = []
    transform: dict[str, Any] | None = None

    def seconds(self) -> int | None:
        """Return the seconds."""
        if isinstance(self.expires_in, str):
            if not (self.expires_in.isascii() and self.expires_in.isdigit() and len(self.expires_in) < 10):
                raise InvalidStorageRequest(f"expiresIn must be a number of seconds, not {self.expires_in[:40]!r}")
            return int(self.expires_in)
        return self.expires_in


class BulkResource:
    """Several objects of a bucket at once."""

    def __init__(self, buckets: Buckets, reader: Reader, writer: Writer) -> None:
        self._buckets = buckets
        self._reader = reader
        self._writer = writer

    def on_delete(self, req: falcon.Request, resp: falcon.Response, bucket: str) -> None:
        """Remove objects by their exact keys; answer those that were removed."""
        caller, keys = known_caller_of(req), json_body(req, RemoveBody).prefixes
        if len(keys) > MOST_KEYS:
            raise InvalidStorageRequest(f"at most {MOST_KEYS} keys can be removed at once, not {len(keys)}")
        found = self._buckets.find(caller, bucket)
        removed = self._writer.delete_many(caller, found, list(dict.fromkeys(map(object_key, keys))))
        say(resp, [listed_object(one.found, found, one.found.key) for one in removed])

    def on_post_copy(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Copy an object."""
        stored = self._transfer(req, move=False)
        say(resp, uploaded(stored))

    def on_post_move(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Move an object."""
        stored = self._transfer(req, move=True)
        say(resp, {"message": "Successfully moved", "Id": stored.id, "Key": f"{stored.bucket}/{stored.key}"})

    def _transfer(self, req: falcon.Request, *, move: bool) -> StoredObject:
        caller, body = known_caller_of(req), json_body(req, TransferBody)
        target = self._buckets.find(caller, body.destination_bucket or body.bucket_id)
        rule = ANY if wants_upsert(req) else CREATE

        def transfer() -> StoredObject:
            source = self._reader.find(caller, body.bucket_id, body.source_key)
            metadata = source.metadata if body.copy_metadata else {}
            new = NewObject(source.content_type, source.cache_control, metadata)
            return self._writer.copy(caller, source, target, body.destination_key, new, rule, move=move)

        for _ in range(_AGAIN):
            with suppress(SourceChanged):
                return transfer()
        return transfer()


class InfoResource:
    """What is known of an object."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def on_get(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Answer it without the bytes."""
        caller = caller_of(req)
        try:
            place, found = self._reader.locate(caller, bucket, key)
        except ObjectNotFound as error:
            if not _SUPABASE_PY.match(req.get_header("X-Client-Info") or ""):
                raise
            # Its `exists` reads a text under `error`, where every other client reads the envelope (decision 35).
            resp.status = 404
            say(resp, {"statusCode": "404", "error": "not_found", "message": error.message})
            return
        say(resp, object_info(found, place))


class PlainReadResource:
    """An object of a public bucket, or of any with a credential."""

    def __init__(self, buckets: Buckets, reader: Reader, *, public: bool) -> None:
        self._buckets = buckets
        self._reader = reader
        self._public = public

    def on_get(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Answer its bytes."""
        caller = caller_of(req)

        def find() -> StoredObject:
            if self._public:
                return self._reader.content_of(caller, self._buckets.find_public(caller, bucket), object_key(key))
            return self._reader.find(caller, bucket, key)

        answer_object(req, resp, self._reader, caller, find)

    on_head = on_get


class SdkSignResource:
    """Signed URLs with a token, relative to `/storage/v1`."""

    def __init__(self, grants: Grants, reader: Reader) -> None:
        self._grants = grants
        self._reader = reader

    def on_post(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Sign the reading of one object."""
        body = json_body(req, SignManyBody, empty=SignManyBody())
        grant = self._grants.give(
            caller_of(req), bucket, key, method="GET", seconds=body.seconds(), exists=True,
            transform=signed_transform(body.transform),
        )  # fmt: skip
        url = self._grants.token_url(grant)
        say(resp, {"signedURL": url, "signedUrl": url})

    def on_post_many(self, req: falcon.Request, resp: falcon.Response, bucket: str) -> None:
        """Sign the reading of several; what cannot be signed says why in its own entry."""
        body, caller = json_body(req, SignManyBody), caller_of(req)
        if len(body.paths) > MOST_KEYS:
            raise InvalidStorageRequest(f"at most {MOST_KEYS} keys can be signed at once, not {len(body.paths)}")
        seconds = body.seconds()
        self._grants.may_read(caller, bucket)
        say(resp, [self._entry(caller, bucket, key, seconds) for key in body.paths])

    def _entry(self, caller: Caller, bucket: str, key: str, seconds: int | None) -> dict[str, str | None]:
        try:
            grant = self._grants.give(caller, bucket, key, method="GET", seconds=seconds, exists=True)
        except ReactorError as error:
            if error.kind.value not in ("not_found", "bad_request", "forbidden"):
                raise
            return {"path": key, "signedURL": None, "signedUrl": None, "error": error.message}
        url = self._grants.token_url(grant)
        return {"path": key, "signedURL": url, "signedUrl": url, "error": None}

    def on_get(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Answer the bytes of an object to whoever holds the token."""
        taken = self._grants.taken_by_token("GET", bucket, key, _token(req), req.context.request_id)
        caller, grant, spending = taken
        if grant.transform:
            raise InvalidStorageRequest(
                "this URL is for a rendering of the object", hint="Use it on /render/image/sign."
            )
        if req.method == "GET":
            self._grants.spend(spending)
        answer_object(req, resp, self._reader, caller, lambda: self._reader.find(caller, bucket, grant.key))

    on_head = on_get


class SdkSignedUploadResource:
    """Uploads with a token."""

    def __init__(self, grants: Grants, writer: Writer) -> None:
        self._grants = grants
        self._writer = writer

    def on_post(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Sign the upload of one object, for two hours as Supabase does."""
        grant = self._grants.give(caller_of(req), bucket, key, method="PUT", seconds=7200, upsert=wants_upsert(req))
        token = self._grants.signer.token(grant)
        say(resp, {"url": f"/object/upload/sign/{grant.bucket}/{percent(grant.key)}?token={token}", "token": token})

    def on_put(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Store what whoever holds the token sends."""
        caller, grant, spending = self._grants.taken_by_token("PUT", bucket, key, _token(req), req.context.request_id)
        stored, _ = receive(req, self._writer, caller, bucket, grant.key, ANY if grant.upsert else CREATE, spending)
        say(resp, {"Key": f"{stored.bucket}/{stored.key}", "Id": stored.id})


def _token(req: falcon.Request) -> str:
    token = req.get_param("token")
    if not token:
        raise InvalidStorageRequest("the URL has no token")
    return token
