"""Passkeys: registration, step-up, sign-in, and the list of them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from reactor_auth.assembly import Auth
from reactor_auth.errors import CredentialNotFound, ceremony_over, invalid_field
from reactor_auth.http import bodies, render
from reactor_auth.http.factor_routes import counted, name_of, with_codes
from reactor_kernel.api import ReactorError

if TYPE_CHECKING:
    import falcon

    from reactor_auth.service.challenges import Ceremony


class RegisterStart(msgspec.Struct):
    """`POST /webauthn/register/start`."""

    name: str | None = None


class Finish(msgspec.Struct):
    """The end of every ceremony."""

    session_id: str
    credential: dict[str, Any]
    name: str | None = None

    def ceremony_id(self) -> UUID:
        """Return the ceremony named, or raise the error for one that is over."""
        try:
            return UUID(self.session_id)
        except ValueError:
            raise ceremony_over() from None


class Rename(msgspec.Struct):
    """`PATCH /webauthn/credentials/{credential_id}`."""

    name: str


class RegisterStartResource:
    """`POST /webauthn/register/start`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Return the options for `navigator.credentials.create()`."""
        caller = render.caller_of(req)
        body = bodies.read_json(req, RegisterStart)
        resp.media = _begun(self._auth.passkeys.begin(caller, name_of(body.name, "name")))


class RegisterFinishResource:
    """`POST /webauthn/register/finish`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Store a passkey."""
        caller = render.caller_of(req)
        body = bodies.read_json(req, Finish)
        name = name_of(body.name, "name")
        row_id, codes = self._auth.passkeys.finish(caller, body.ceremony_id(), body.credential, name)
        render.no_store(resp)
        resp.media = with_codes({"credential_id": str(row_id), "message": "The passkey is registered."}, codes)


class AuthenticateStartResource:
    """`POST /webauthn/authenticate/start`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Return the options for `navigator.credentials.get()`; the body is not looked at."""
        resp.media = _begun(self._auth.passkey_proofs.begin_step_up(render.caller_of(req)))


class AuthenticateFinishResource:
    """`POST /webauthn/authenticate/finish`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Verify a passkey in the caller's session."""
        caller = render.caller_of(req)
        body = bodies.read_json(req, Finish)
        with counted(self._auth, "webauthn"):
            used, done = self._auth.passkey_proofs.finish_step_up(caller, body.ceremony_id(), body.credential)
        render.no_store(resp)
        resp.media = {"success": True, "credential_id": _base64url(used), **render.tokens(done.tokens)}


class LoginStartResource:
    """`POST /webauthn/login/start`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Return the options for `navigator.credentials.get()`, for any passkey of this server."""
        resp.media = _begun(self._auth.passkey_proofs.begin_login(render.origin_of(req)))


class LoginFinishResource:
    """`POST /webauthn/login/finish`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Sign in with a passkey."""
        body = bodies.read_json(req, Finish)
        origin = render.origin_of(req)
        try:
            user, tokens = self._auth.passkey_proofs.finish_login(body.ceremony_id(), body.credential, origin)
        except ReactorError as refusal:
            self._auth.metrics.signed_in(refusal.error_code)
            raise
        self._auth.metrics.signed_in("ok")
        render.no_store(resp)
        resp.media = {"user": render.user(user), **render.tokens(tokens)}


class CredentialsResource:
    """`GET /webauthn/credentials`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List the caller's passkeys."""
        resp.media = {"credentials": [_credential(row) for row in self._auth.passkeys.all(render.caller_of(req))]}


class CredentialResource:
    """`/webauthn/credentials/{credential_id}`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_patch(self, req: falcon.Request, resp: falcon.Response, credential_id: str) -> None:
        """Rename a passkey."""
        caller = render.caller_of(req)
        name = name_of(bodies.read_json(req, Rename).name, "name")
        if name is None:
            raise invalid_field("name", "is required")
        resp.media = _credential(self._auth.passkeys.rename(caller, _row_id(credential_id), name))

    def on_delete(self, req: falcon.Request, resp: falcon.Response, credential_id: str) -> None:
        """Remove a passkey."""
        self._auth.factors.remove(render.caller_of(req), _row_id(credential_id), passkeys_only=True)
        resp.media = {"message": "The passkey is removed."}


def _row_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise CredentialNotFound from None


def _begun(ceremony: Ceremony) -> dict[str, Any]:
    return {"session_id": str(ceremony.id), "options": ceremony.options}


def _credential(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "name": row.name,
        "created_at": render.instant(row.created_at),
        "last_used_at": None if row.last_used_at is None else render.instant(row.last_used_at),
        "transports": list(row.transports),
    }


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
