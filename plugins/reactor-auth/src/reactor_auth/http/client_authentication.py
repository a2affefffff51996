"""Clients as requests name them (RFC 6749 §2.3), and refusals in the form clients read (RFC 6749 §5.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from reactor_auth.assembly import Auth
from reactor_auth.errors import invalid_field
from reactor_auth.http import bodies, render
from reactor_auth.oauth_errors import InvalidClient, description, oauth_code, oauth_status
from reactor_auth.oauth_model import CLI, CLIENT_CREDENTIALS, DEVICE, WEB, Client
from reactor_kernel.api import ReactorError, ValidationError

if TYPE_CHECKING:
    import falcon


def params_of(req: falcon.Request) -> dict[str, str]:
    """Return the parameters of a form, or of a JSON object of texts."""
    if bodies.is_form(req):
        return bodies.read_form(req)
    found = bodies.read_json(req, dict[str, str | None])
    return {name: value for name, value in found.items() if value is not None}


def client_of(auth: Auth, req: falcon.Request, params: Mapping[str, str | None]) -> Client:
    """Return the client a request comes from, which has authenticated itself in one way.

    Raises:
        InvalidClient: it names none, or the authentication fails.
        ValidationError: it authenticates in two ways.
    """
    named = named_client(req, params)
    if named is None:
        raise InvalidClient("the request names no client")
    return auth.provider.clients.authenticate(*named)


def named_client(req: falcon.Request, params: Mapping[str, str | None]) -> tuple[str, str | None] | None:
    """Return the id and the secret a request names, by the Authorization header or the body; None for no client."""
    from authlib.oauth2.rfc6749.util import extract_basic_authorization

    client_id, secret = params.get("client_id"), params.get("client_secret")
    header = req.get_header("Authorization") or ""
    if header[:6].lower() == "basic ":
        try:
            user, password = extract_basic_authorization({"Authorization": header})
        except ValueError as fault:
            raise InvalidClient("the Authorization header is not valid") from fault
        if not user:
            raise InvalidClient("the Authorization header is not valid")
        if secret:
            raise ValidationError("the client authenticates both in the Authorization header and in the body")
        if client_id and client_id != user:
            raise invalid_field("client_id", "is not the client of the Authorization header")
        return user, password or None
    return (client_id, secret or None) if client_id else None


@contextmanager
def rfc_shaped(resp: falcon.Response) -> Iterator[None]:
    """Answer refusals raised inside as RFC 6749 §5.2 writes them."""
    try:
        yield
    except ReactorError as refusal:
        status = oauth_status(refusal)
        if status is None:
            # Limits and faults keep their own statuses and headers.
            raise
        render.no_store(resp)
        if status == 401:
            resp.set_header("WWW-Authenticate", 'Basic realm="reactor-auth"')
        resp.status = status
        resp.media = {"error": oauth_code(refusal), "error_description": description(refusal)}


@contextmanager
def answered_as_wanted(body: bodies.TokenRequest, req: falcon.Request, resp: falcon.Response) -> Iterator[None]:
    """Answer refusals raised inside in the form the caller reads.

    The platform's own clients, and callers that name none, read the envelope (contract auth.md §3.2). Libraries of other
    clients, and devices, know RFC 6749's form only.
    """
    if body.grant_type == DEVICE or body.grant_type == CLIENT_CREDENTIALS or _names_registered(req, body):
        with rfc_shaped(resp):
            yield
    else:
        yield


def _names_registered(req: falcon.Request, body: bodies.TokenRequest) -> bool:
    by_header = (req.get_header("Authorization") or "")[:6].lower() == "basic "
    return by_header or (body.client_id is not None and body.client_id not in (CLI, WEB))


def texts(body: bodies.TokenRequest) -> dict[str, str | None]:
    """Return the parameters of a token request by name."""
    return dict(msgspec.structs.asdict(body))
