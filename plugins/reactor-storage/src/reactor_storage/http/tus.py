"""`/storage/v1/upload/resumable`: uploads by TUS 1.0.0 (decisions 32 and 40), with a credential or with a signed URL's token."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from reactor_kernel.api import MethodNotAllowed, Statement
from reactor_storage.access import Caller
from reactor_storage.errors import ChecksumMismatch, UploadLocked
from reactor_storage.grants import Grants
from reactor_storage.http import tus_headers as headers
from reactor_storage.http.callers import caller_of
from reactor_storage.signing import MissingSignature
from reactor_storage.tus import ResumableUploads
from reactor_storage.tus_body import Incoming
from reactor_storage.tus_leases import no_such_upload
from reactor_storage.tus_model import Asked

if TYPE_CHECKING:
    import falcon

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z", re.IGNORECASE)
Spending = Sequence[Statement]


class TusResource:
    """Uploads of callers with a credential: the place where they begin, and (`_one`) each of them."""

    path = "/storage/v1/upload/resumable"

    def __init__(self, uploads: ResumableUploads, *, max_size: int) -> None:
        """Take the most bytes that an object may have."""
        self._uploads = uploads
        self._max_size = max_size

    def on_options(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Say what this server can do."""
        resp.set_header("Tus-Resumable", headers.VERSION)
        resp.set_header("Tus-Version", headers.VERSION)
        resp.set_header("Tus-Extension", headers.EXTENSIONS)
        resp.set_header("Tus-Max-Size", str(self._max_size))
        resp.set_header("Tus-Checksum-Algorithm", headers.ALGORITHMS)
        resp.status = 204

    def on_options_one(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """Say the same."""
        self.on_options(req, resp)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Begin an upload, or make an object of several."""
        if _method(req) != "POST":
            raise MethodNotAllowed(f"{self.path} does not answer {_method(req)[:20]}")
        with _speaking(req, resp):
            asked, ids = headers.asked(req)
            caller, asked, spending = self._beginning(req, asked)
            if ids:
                upload = self._uploads.concatenate(caller, asked, ids, spending)
            else:
                incoming, digests = None, None
                if req.content_length:
                    headers.demand_body_type(req)
                    incoming, digests = _body(req), headers.checksum(req)
                upload = self._uploads.create(caller, asked, incoming, digests, spending)
        resp.set_header("Location", f"{self.path}/{upload.id}")
        headers.answer_offset(resp, upload)
        resp.status = 201

    def on_patch_one(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """Do to an upload what the request's method says, or the header that stands for it."""
        acts: dict[str, Callable[[falcon.Request, falcon.Response, str], None]]
        acts = {"HEAD": self._tell, "PATCH": self._append, "DELETE": self._terminate}
        act = acts.get(_method(req))
        if act is None:
            raise MethodNotAllowed(f"an upload does not answer {_method(req)[:20]}")
        with _speaking(req, resp):
            if not _UUID.match(id):
                raise no_such_upload()
            act(req, resp, id.lower())

    on_head_one = on_delete_one = on_post_one = on_patch_one

    def _tell(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """Say where an upload is."""
        caller, _ = self._continuing(req, id)
        headers.answer_state(resp, self._uploads.find(caller, id))

    def _append(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """Take its next bytes."""
        headers.demand_body_type(req)
        offset, length, digests = headers.offset(req), headers.length(req), headers.checksum(req)
        caller, spending = self._continuing(req, id)
        upload = self._uploads.append(caller, id, offset, _body(req), length=length, digests=digests, spending=spending)
        headers.answer_offset(resp, upload)
        resp.status = 204

    def _terminate(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """End it."""
        caller, _ = self._continuing(req, id)
        self._uploads.terminate(caller, id)
        resp.status = 204

    def _beginning(self, req: falcon.Request, asked: Asked) -> tuple[Caller, Asked, Spending]:
        """Return who begins an upload, what it may ask for, and what to run with its end."""
        return caller_of(req), asked, ()

    def _continuing(self, req: falcon.Request, id: str) -> tuple[Caller, Spending]:
        """Return who goes on with an upload, and what to run with its end."""
        return caller_of(req), ()


class SignedTusResource(TusResource):
    """Uploads of whoever holds the token of a signed upload URL, in the header x-signature of each request."""

    path = "/storage/v1/upload/resumable/sign"

    def __init__(self, uploads: ResumableUploads, grants: Grants, *, max_size: int) -> None:
        super().__init__(uploads, max_size=max_size)
        self._grants = grants

    def _beginning(self, req: falcon.Request, asked: Asked) -> tuple[Caller, Asked, Spending]:
        caller, upsert, spending = self._taken(req, asked.bucket or "", asked.key or "")
        facts = msgspec.structs.replace(asked.facts, signed=True, upsert=upsert)
        return caller, msgspec.structs.replace(asked, facts=facts), spending

    def _continuing(self, req: falcon.Request, id: str) -> tuple[Caller, Spending]:
        caller, _, spending = self._taken(req, *self._uploads.place(id))
        return caller, spending

    def _taken(self, req: falcon.Request, bucket: str, key: str) -> tuple[Caller, bool, Spending]:
        token = req.get_header("X-Signature")
        if not token:
            raise MissingSignature(
                "the header x-signature is missing", hint="Send the token of the signed upload URL in each request."
            )
        caller, grant, spending = self._grants.taken_by_token("PUT", bucket, key, token, req.context.request_id)
        return caller, grant.upsert, spending


@contextmanager
def _speaking(req: falcon.Request, resp: falcon.Response) -> Iterator[None]:
    """Speak TUS: its version in every answer, errors included, and the statuses that only it has."""
    resp.set_header("Tus-Resumable", headers.VERSION)
    headers.demand_version(req)
    try:
        yield
    except UploadLocked as error:
        error.status = 423
        raise
    except ChecksumMismatch as error:
        error.status = 460
        raise


def _method(req: falcon.Request) -> str:
    return (req.get_header("X-HTTP-Method-Override") or req.method).upper()


def _body(req: falcon.Request) -> Incoming:
    return Incoming(req.bounded_stream.read, req.content_length or 0)
