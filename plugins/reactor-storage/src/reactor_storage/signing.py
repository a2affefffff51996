"""Signed URLs: one method on one object until a deadline, without a credential (contract storage.md §4.8).

What is signed is the text `METHOD:{org_id}/{bucket}/{key}:EXPIRES`, with the key as it is stored; options, where there are any, follow
behind another colon. HMAC-SHA-256, lowercase hex.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Literal
from urllib.parse import quote as percent
from urllib.parse import unquote

import msgspec

from reactor_kernel.api import BadRequest, Clock, Forbidden
from reactor_storage.keys import is_uuid

Method = Literal["GET", "PUT"]
MAX_SECS = 604800


class InvalidSignature(Forbidden):
    """The signature is not valid."""

    code = "invalid_signature"
    hint = "Ask for a new URL; one works for the method, organisation, bucket, key and options it was made for."


class UrlExpired(Forbidden):
    """The signed URL is no longer valid."""

    code = "url_expired"
    hint = "Ask for a new URL."


class MissingSignature(BadRequest):
    """The URL is signed in part only."""

    code = "missing_signature"
    hint = "Use the URL as it was given, with org, expires and signature."


class Grant(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a signed URL allows. `expires` in Unix seconds; `signer` is the user who asked for it.

    `upsert`: an upload may replace what is there. `single_use`: it works once. `transform`: the rendering it is for.
    """

    method: Method
    org_id: str
    bucket: str
    key: str
    expires: int
    signer: str | None = None
    upsert: bool = False
    single_use: bool = False
    transform: str = ""

    def options(self) -> str:
        """Return what is signed beside the canonical text; empty where nothing is."""
        facts = {
            "signer": self.signer,
            "upsert": self.upsert,
            "single_use": self.single_use,
            "transform": self.transform,
        }
        return "&".join(f"{name}={percent(str(value), safe='')}" for name, value in facts.items() if value)


class _Token(msgspec.Struct, frozen=True, array_like=True):
    """What the token of Supabase's paths holds: the organisation, the deadline, the options and the signature."""

    org_id: str
    expires: int
    signer: str | None
    upsert: bool
    single_use: bool
    transform: str
    signature: str


class Signer:
    """Signs and verifies; the secret before the last change verifies, too."""

    def __init__(self, secret: str, previous: str | None, clock: Clock) -> None:
        self._secrets = [secret.encode(), *([previous.encode()] if previous else [])]
        self._clock = clock

    def deadline(self, seconds: int) -> int:
        """Return the Unix second that lies `seconds` ahead."""
        return int(self._clock.now().timestamp()) + seconds

    def sign(self, grant: Grant) -> str:
        """Return the signature of a grant."""
        return self._macs(grant)[0]

    def verify(self, grant: Grant, signature: str) -> None:
        """Raise InvalidSignature or UrlExpired unless a secret of ours signed this grant and its deadline is not over."""
        # The text of an organisation `a/b` and a bucket `c` would be that of an organisation `a` and a bucket `b`.
        if not is_uuid(grant.org_id) or not self._signed(grant, signature):
            raise InvalidSignature
        if self._clock.now().timestamp() > grant.expires:
            raise UrlExpired

    def _signed(self, grant: Grant, signature: str) -> bool:
        offered = signature.encode("utf-8", "surrogateescape")
        valid = [hmac.compare_digest(mac.encode(), offered) for mac in self._macs(grant)]
        return any(valid)

    def token(self, grant: Grant) -> str:
        """Return the grant's options and signature as one text, for a URL that holds bucket and key."""
        token = _Token(
            grant.org_id, grant.expires, grant.signer, grant.upsert, grant.single_use, grant.transform, self.sign(grant)
        )
        return base64.urlsafe_b64encode(msgspec.json.encode(token)).decode().rstrip("=")

    def read_token(self, method: Method, bucket: str, key: str, token: str) -> tuple[Grant, str]:
        """Return what a token allows for a bucket and key, verified, and its signature."""
        try:
            found = msgspec.json.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)), type=_Token)
        except (binascii.Error, ValueError, msgspec.DecodeError) as error:
            raise InvalidSignature from error
        grant = Grant(
            method,
            found.org_id,
            bucket,
            key,
            found.expires,
            found.signer,
            found.upsert,
            found.single_use,
            found.transform,
        )
        if "%" in key and not self._signed(grant, found.signature):
            # storage-js encodes the URL that it was given once more. Which spelling is meant the signature tells.
            grant = msgspec.structs.replace(grant, key=unquote(key))
        self.verify(grant, found.signature)
        return grant, found.signature

    def _macs(self, grant: Grant) -> list[str]:
        text = f"{grant.method}:{grant.org_id}/{grant.bucket}/{grant.key}:{grant.expires}"
        if options := grant.options():
            text += f":{options}"
        return [hmac.new(secret, text.encode(), hashlib.sha256).hexdigest() for secret in self._secrets]
