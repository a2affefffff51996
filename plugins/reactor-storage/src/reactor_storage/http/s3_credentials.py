"""`/storage/v1/s3-credentials` (decision 30)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from reactor_storage.http.bodies import json_body
from reactor_storage.http.callers import caller_of
from reactor_storage.http.shapes import say
from reactor_storage.s3.credentials import S3Credential, S3Credentials, aware

if TYPE_CHECKING:
    import falcon


class CredentialBody(msgspec.Struct, frozen=True):
    """An access key that is asked for; without scopes it may what its owner may in storage."""

    name: str
    scopes: list[str] | None = None
    expires_at: datetime | None = None


class S3CredentialsResource:
    """Access keys of the caller in its organisation."""

    def __init__(self, credentials: S3Credentials) -> None:
        self._credentials = credentials

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List them, without secrets."""
        say(resp, {"credentials": [_shown(one) for one in self._credentials.listed(caller_of(req))]})

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Make one; the answer is the only one that holds its secret."""
        body = json_body(req, CredentialBody)
        made, secret = self._credentials.create(caller_of(req), body.name, body.scopes, aware(body.expires_at))
        resp.status = 201
        resp.set_header("Cache-Control", "no-store")
        say(resp, _shown(made) | {"secret_access_key": secret})

    def on_delete_one(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """Revoke one."""
        self._credentials.revoke(caller_of(req), id)
        resp.status = 204


def _shown(one: S3Credential) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "access_key_id": one.access_key_id,
        "org_id": one.org_id,
        "scopes": one.scopes,
        "created_at": one.created_at,
        "expires_at": one.expires_at,
        "last_used_at": one.last_used_at,
    }
