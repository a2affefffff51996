"""Who calls, from a Falcon request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reactor_kernel.api import RequestContext
from reactor_storage.access import Caller

if TYPE_CHECKING:
    import falcon

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z", re.IGNORECASE)


def caller_of(req: falcon.Request) -> Caller:
    """Return the caller. Raises InvalidCredential (401) for a credential that is bad."""
    context: RequestContext = req.context
    named = req.get_header("X-Reactor-Org") or req.get_param("org")
    # Without a credential only an id can name an organisation: slugs belong to identity.
    org_id = named.lower() if named is not None and _UUID.match(named) else None
    return Caller(context.identity, context.request_id, context.require, org_id)
