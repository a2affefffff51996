"""`POST /_admin/rotate-keys`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from reactor_auth.assembly import Auth
from reactor_auth.errors import invalid_field
from reactor_auth.http import bodies, render

if TYPE_CHECKING:
    import falcon

LONGEST_LEAD_SECS = 604800


class RotateKeys(msgspec.Struct):
    """What may be asked for."""

    lead_secs: int | None = None
    compromised: bool = False


class RotateKeysResource:
    """`/_admin/rotate-keys`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Publish a new signing key, or replace compromised ones at once."""
        raw = req.bounded_stream.read()
        body = bodies.decode(raw, RotateKeys) if raw.strip() else RotateKeys()
        if body.lead_secs is not None and not 0 <= body.lead_secs <= LONGEST_LEAD_SECS:
            raise invalid_field("lead_secs", f"must be a whole number from 0 to {LONGEST_LEAD_SECS}")
        if body.compromised and body.lead_secs:
            raise invalid_field("lead_secs", "must be left out where the keys are compromised")
        origin = render.origin_of(req)
        if body.compromised:
            rotation = self._auth.rotation.replace_compromised(origin)
        else:
            lead = None if body.lead_secs is None else timedelta(seconds=body.lead_secs)
            rotation = self._auth.rotation.rotate(origin, lead=lead)
        resp.media = {
            "kid": rotation.kid,
            "activates_at": render.instant(rotation.activates_at),
            "previous_kid": rotation.previous_kid,
            "previous_retires_at": render.instant(rotation.previous_retires_at),
        }
