"""`/storage/v1/sign/{bucket}/{key}`, and signed URLs on the paths of objects (contract storage.md §3.4 and §4.8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from reactor_kernel.api import Statement
from reactor_storage.access import Caller
from reactor_storage.errors import InvalidStorageRequest, InvalidTransform
from reactor_storage.grants import Grants
from reactor_storage.http.bodies import json_body
from reactor_storage.http.callers import caller_of, known_caller_of
from reactor_storage.http.shapes import say
from reactor_storage.images.transform import Transform
from reactor_storage.signing import Grant

if TYPE_CHECKING:
    import falcon


class SignBody(msgspec.Struct, frozen=True):
    """What a signed URL is to allow; the seconds in whichever spelling."""

    expires_in: int | None = None
    expiresIn: int | None = None
    expires: int | None = None
    for_upload: bool = False
    single_use: bool = False
    # Uploads of the primary family replace unless it is said that they must not, as its PUT does.
    upsert: bool = True
    transform: dict[str, Any] | None = None

    def seconds(self, req: falcon.Request) -> int | None:
        """Return how long it lives: as the body says, else the query; None where neither does."""
        for value in (self.expires_in, self.expiresIn, self.expires):
            if value is not None:
                return _seconds(value)
        for name in ("expires_in", "expiresIn", "expires"):
            if (text := req.get_param(name)) is not None:
                if not (text.isascii() and text.isdigit() and len(text) < 10):
                    raise InvalidStorageRequest(f"{name} must be a number of seconds, not {text[:40]!r}")
                return int(text)
        return None


def _seconds(value: int) -> int:
    if value < 0:
        raise InvalidStorageRequest(f"a signed URL lives from 1 to 604800 seconds, not {value}")
    return value


def signed_transform(members: dict[str, Any] | None) -> str:
    """Return what is signed of a transform; empty where there is none, also where a client sends an empty one."""
    return Transform.of(members).text() if members else ""


class SignResource:
    """Gives signed URLs out."""

    def __init__(self, grants: Grants) -> None:
        self._grants = grants

    def on_post(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Answer a URL that works without a credential."""
        caller, body = known_caller_of(req), json_body(req, SignBody, empty=SignBody())
        if body.for_upload and body.transform:
            raise InvalidTransform("an upload is stored as it is sent", hint="Sign the reading of it with transform.")
        grant = self._grants.give(
            caller, bucket, key, method="PUT" if body.for_upload else "GET", seconds=body.seconds(req),
            upsert=body.for_upload and body.upsert, single_use=body.single_use, plain=not body.for_upload,
            transform=signed_transform(body.transform),
        )  # fmt: skip
        url = f"/storage/v1{self._grants.token_url(grant)}" if grant.transform else self._grants.url(grant)
        say(resp, {"url": url, "signed_url": url, "signedUrl": url, "signedURL": url, "expires_at": grant.expires})


class SignedCallers:
    """Finds out who calls: the holder of a signed URL, else the caller with its credential."""

    def __init__(self, grants: Grants) -> None:
        self._grants = grants

    def reading(self, req: falcon.Request, bucket: str, key: str) -> Caller:
        """Return who reads; a URL for single use is spent by it."""
        if not req.query_string:
            return caller_of(req)
        taken = self._grants.taken("GET", bucket, key, _query(req), req.context.request_id)
        if taken is None:
            return caller_of(req)
        caller, _, spending = taken
        if req.method == "GET":
            self._grants.spend(spending)
        return caller

    def writing(self, req: falcon.Request, bucket: str, key: str) -> tuple[Caller, Grant | None, Sequence[Statement]]:
        """Return who writes, the grant if it is a signed URL, and what to run with the write."""
        taken = (
            self._grants.taken("PUT", bucket, key, _query(req), req.context.request_id) if req.query_string else None
        )
        return taken or (caller_of(req), None, ())


def _query(req: falcon.Request) -> dict[str, str]:
    return {name: value for name, value in req.params.items() if isinstance(value, str)}
