"""`/storage/v1/orgs/{org}/buckets/{bucket}/objects/{key}`: an object of the organisation in the path (contract storage.md §3.9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from reactor_kernel.api import AuthClient, OrgRef, RequestContext
from reactor_storage.access import Caller, holding
from reactor_storage.http.answers import answer_object
from reactor_storage.http.callers import known_caller_of
from reactor_storage.http.conditions import writing_rule
from reactor_storage.http.objects import answer_stored
from reactor_storage.http.platform import platform_of
from reactor_storage.http.uploads import receive
from reactor_storage.reading import Reader
from reactor_storage.writing import Writer

if TYPE_CHECKING:
    import falcon


class OrgObjectResource:
    """One object, for callers that name the organisation in the path; its id or slug, with the rights they have there."""

    def __init__(self, reader: Reader, writer: Writer, auth: Callable[[], AuthClient]) -> None:
        self._reader = reader
        self._writer = writer
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response, org: str, bucket: str, key: str) -> None:
        """Answer its bytes."""
        caller = self._in_org(req, org, writes=False)
        answer_object(req, resp, self._reader, caller, lambda: self._reader.find(caller, bucket, key))

    on_head = on_get

    def on_put(self, req: falcon.Request, resp: falcon.Response, org: str, bucket: str, key: str) -> None:
        """Store the body under the key, in place of what is there."""
        caller = self._in_org(req, org, writes=True)
        stored, _ = receive(req, self._writer, caller, bucket, key, writing_rule(req.get_header))
        answer_stored(resp, stored)

    def _in_org(self, req: falcon.Request, org: str, *, writes: bool) -> Caller:
        if (platform := platform_of(req, org)) is not None:
            return platform
        caller = known_caller_of(req)
        if caller.identity.org_id == org.lower():
            return caller
        context: RequestContext = req.context
        token = (req.get_header("Authorization") or "").partition(" ")[2].strip() or req.get_header("X-Reactor-Api-Key")
        identity = self._auth().resolve(token or "", OrgRef(org), capability="storage", writes=writes)
        return Caller(identity, context.request_id, holding(identity))
