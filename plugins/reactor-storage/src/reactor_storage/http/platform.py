"""Recognises the platform by the admin token on the routes of this plugin (contract storage.md §1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reactor_kernel.api import Forbidden, Operators, RequestContext
from reactor_storage.access import Caller
from reactor_storage.errors import InvalidStorageRequest
from reactor_storage.keys import NIL_ORG
from reactor_storage.platform import platform_caller

if TYPE_CHECKING:
    import falcon

_PREFIX = "/storage/v1/"
_PLATFORM = "reactor_storage.platform"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z", re.IGNORECASE)


class PlatformCallers:
    """Falcon middleware that tells `platform_of` who holds the admin token."""

    def __init__(self, operators: Operators) -> None:
        self._operators = operators

    def process_resource(self, req: falcon.Request, resp: falcon.Response, resource: object, params: object) -> None:
        """Look at the credential before the resource does."""
        if not req.path.startswith(_PREFIX):
            return
        scheme, _, token = req.env.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() == "bearer" and self._operators.is_admin_token(token.strip()):
            req.env[_PLATFORM] = True


def platform_of(req: falcon.Request, org: str | None = None) -> Caller | None:
    """Return the platform where it calls: in the nil organisation, or in the one whose id `org` or the request names.

    Raises:
        Forbidden: it calls from another machine.
        InvalidStorageRequest: the organisation is not named by its id.
    """
    if not req.env.get(_PLATFORM):
        return None
    context: RequestContext = req.context
    if not context.client.is_loopback:
        raise Forbidden("the admin token acts from the server itself only", hint="Use an API key of the organisation.")
    return platform_caller(context.request_id, _org_of(org or req.get_header("X-Reactor-Org") or req.get_param("org")))


def _org_of(named: str | None) -> str:
    if named is None:
        return NIL_ORG
    if not UUID.match(named):
        raise InvalidStorageRequest(
            f"the admin token is no member of {named[:60]!r}", hint="Name the organisation by its id."
        )
    return named.lower()
