"""Who calls, from a Falcon request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_kernel.api import RequestContext, Unauthenticated
from reactor_storage.access import Caller
from reactor_storage.http.platform import UUID, platform_of

if TYPE_CHECKING:
    import falcon


def caller_of(req: falcon.Request) -> Caller:
    """Return the caller. Raises InvalidCredential (401) for a credential that is bad."""
    if (platform := platform_of(req)) is not None:
        return platform
    context: RequestContext = req.context
    named = req.get_header("X-Reactor-Org") or req.get_param("org")
    # Without a credential only an id can name an organisation: slugs belong to identity.
    org_id = named.lower() if named is not None and UUID.match(named) else None
    return Caller(context.identity, context.request_id, context.require, org_id)


def known_caller_of(req: falcon.Request) -> Caller:
    """Return the caller of a route that needs a credential. Raises Unauthenticated without one."""
    caller = caller_of(req)
    if caller.anonymous:
        raise Unauthenticated(headers={"WWW-Authenticate": "Bearer"})
    return caller
