"""Authenticator apps, recovery codes, and the list of all second factors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from reactor_auth.assembly import Auth
from reactor_auth.errors import invalid_field
from reactor_auth.http import bodies, render
from reactor_kernel.api import ReactorError

if TYPE_CHECKING:
    import falcon

    from reactor_auth.service.enrolment import Factor, StepUpDone

MAX_NAME = 100


class FactorCreate(msgspec.Struct):
    """`POST /factors`."""

    factor_type: str
    friendly_name: str | None = None


class CodeBody(msgspec.Struct):
    """`POST /factors/{id}/verify` and `POST /factors/recovery`."""

    code: str


class FactorsResource:
    """`/factors`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List the caller's second factors."""
        factors, left = self._auth.factors.all(render.caller_of(req))
        resp.media = {"factors": [_factor(factor) for factor in factors], "recovery_codes_left": left}

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Enrol an authenticator app."""
        caller = render.caller_of(req)
        body = bodies.read_json(req, FactorCreate)
        if body.factor_type != "totp":
            raise invalid_field("factor_type", "must be totp; a passkey is registered at /webauthn/register/start")
        made = self._auth.factors.enrol(caller, name_of(body.friendly_name, "friendly_name"))
        render.no_store(resp)
        resp.status = "201 Created"
        resp.media = {"id": str(made.factor_id), "type": "totp", "totp": {"secret": made.secret, "uri": made.uri}}


class FactorResource:
    """`/factors/{factor_id}`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_delete(self, req: falcon.Request, resp: falcon.Response, factor_id: str) -> None:
        """Remove a second factor."""
        self._auth.factors.remove(render.caller_of(req), bodies.uuid_of(factor_id, "factor_id"))
        resp.status = "204 No Content"


class FactorVerifyResource:
    """`POST /factors/{factor_id}/verify`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response, factor_id: str) -> None:
        """Verify a code of an authenticator app in the caller's session."""
        caller = render.caller_of(req)
        body = bodies.read_json(req, CodeBody)
        row_id = bodies.uuid_of(factor_id, "factor_id")
        with counted(self._auth, "totp"):
            done = self._auth.factors.verify(caller, row_id, body.code)
        render.no_store(resp)
        resp.media = _stepped_up(done)


class RecoveryResource:
    """`POST /factors/recovery`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Use a recovery code in the place of a second factor."""
        caller = render.caller_of(req)
        body = bodies.read_json(req, CodeBody)
        with counted(self._auth, "recovery_code"):
            done = self._auth.factors.recover(caller, body.code)
        render.no_store(resp)
        resp.media = _stepped_up(done)


class RecoveryCodesResource:
    """`POST /factors/recovery-codes`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Replace all recovery codes."""
        codes = self._auth.factors.renew_codes(render.caller_of(req))
        render.no_store(resp)
        resp.media = {"recovery_codes": codes}


@contextmanager
def counted(auth: Auth, method: str) -> Iterator[None]:
    """Count what becomes of a second factor."""
    try:
        yield
    except ReactorError as refusal:
        auth.metrics.second_factor(method, refusal.error_code)
        raise
    auth.metrics.second_factor(method, "ok")


def name_of(text: str | None, field: str) -> str | None:
    """Return a trimmed name, None for an absent one, or raise the validation error for `field`."""
    if text is None:
        return None
    trimmed = text.strip()
    if not 1 <= len(trimmed) <= MAX_NAME:
        raise invalid_field(field, f"must have 1 to {MAX_NAME} characters")
    if not trimmed.isprintable():
        raise invalid_field(field, "must not contain control characters")
    return trimmed


def with_codes(answer: dict[str, Any], codes: tuple[str, ...]) -> dict[str, Any]:
    """Add recovery codes to an answer, where there are new ones."""
    return {**answer, "recovery_codes": list(codes)} if codes else answer


def _stepped_up(done: StepUpDone) -> dict[str, Any]:
    return with_codes(render.oauth_tokens(done.tokens), done.recovery_codes)


def _factor(value: Factor) -> dict[str, Any]:
    return {
        "id": str(value.id),
        "type": value.kind,
        "friendly_name": value.name,
        "verified": value.verified_at is not None,
        "created_at": render.instant(value.created_at),
        "last_used_at": None if value.last_used_at is None else render.instant(value.last_used_at),
    }
