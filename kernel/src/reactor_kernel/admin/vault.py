"""`/_admin/vault/*`: secrets and rotation of named keys."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import falcon

from reactor_kernel.contracts.runtime import Vault
from reactor_kernel.errors import BadRequest, ValidationError


def body_object(req: falcon.Request, **fields: type) -> dict[str, Any]:
    """Return the JSON body, checked for the fields and their types; raise ValidationError naming what is wrong."""
    body = req.get_media()
    if not isinstance(body, dict):
        raise ValidationError("the request body must be a JSON object")
    problems: dict[str, list[str]] = {}
    for name, kind in fields.items():
        if name not in body:
            problems[name] = ["is required"]
        elif not isinstance(body[name], kind):
            problems[name] = [f"must be a {'string' if kind is str else kind.__name__}"]
    if problems:
        text = "; ".join(f"{name} {reasons[0]}" for name, reasons in problems.items())
        raise ValidationError(text, fields=problems)
    return body


class Secrets:
    """`GET /_admin/vault/secrets`."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Names and versions, sorted."""
        resp.media = {"secrets": [{"name": name, "version": version} for name, version in self._vault.names()]}


class Secret:
    """`GET|PUT|DELETE /_admin/vault/secrets/{key}`; the key may hold slashes, plain or percent-encoded."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def on_get(self, req: falcon.Request, resp: falcon.Response, key: str) -> None:
        """The newest value; base64 only when it is not UTF-8."""
        value, version = self._vault.get_version(key)
        try:
            text, is_base64 = value.decode(), False
        except UnicodeDecodeError:
            text, is_base64 = base64.b64encode(value).decode(), True
        resp.media = {"key": key, "value": text, "is_base64": is_base64, "version": version}
        resp.set_header("Cache-Control", "no-store")

    def on_put(self, req: falcon.Request, resp: falcon.Response, key: str) -> None:
        """Store a new version."""
        body = body_object(req, value=str)
        flagged = body.get("is_base64", False)
        if not isinstance(flagged, bool):
            raise ValidationError("is_base64 must be true or false", fields={"is_base64": ["must be true or false"]})
        value = body["value"].encode()
        if flagged:
            try:
                value = base64.b64decode(value, validate=True)
            except binascii.Error:
                raise BadRequest("value is not valid base64", code="invalid_base64") from None
        version = self._vault.put(key, value)
        resp.media = {"status": "ok", "message": f"stored version {version} of {key}"}

    def on_delete(self, req: falcon.Request, resp: falcon.Response, key: str) -> None:
        """Remove the secret with all versions."""
        self._vault.delete(key)
        resp.media = {"status": "ok", "message": f"deleted {key}"}


class Rotate:
    """`POST /_admin/vault/rotate`."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Add a version to a named key; what older versions encrypted stays readable."""
        name = body_object(req, key_name=str)["key_name"]
        resp.media = {"status": "ok", "new_version": self._vault.rotate(name)}
