"""How these commands ask the server: as the user, or with the admin token."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from reactor_kernel.api import Access, CommandContext, CommandFailure, CredentialKind

PREFIX = "/auth/v1"
# Codes of a server that has no such route, as opposed to one that has no such user.
_NO_ROUTE = ("not_found", "HTTP_404", "method_not_allowed", "HTTP_405")


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes of one caller: `base` is where users, organisations and members are found."""

    command: CommandContext
    access: Access
    base: str

    @property
    def is_admin(self) -> bool:
        """Whether the admin token is shown."""
        return self.access is Access.ADMIN

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | None] | None = None,
        body: Any = None,
    ) -> Any:
        """Send a request below `base`; parameters without a value are left out."""
        return call(self.command, method, self.base + path, params=params, body=body, access=self.access)


def call(
    command: CommandContext,
    method: str,
    path: str,
    *,
    params: Mapping[str, str | None] | None = None,
    body: Any = None,
    form: Mapping[str, str] | None = None,
    access: Access,
    token: str | None = None,
) -> Any:
    """Send a request; a server that does not have the route is told apart from one that has no such thing.

    Raises:
        CommandFailure
    """
    given = {name: value for name, value in (params or {}).items() if value is not None}
    try:
        return command.request(method, path, params=given, body=body, form=form, access=access, token=token)
    except CommandFailure as failure:
        if failure.details.get("server_code") not in _NO_ROUTE or failure.details.get("status") not in (404, 405):
            raise
        endpoint = command.server().endpoint
        command.stop(
            "FEATURE_DISABLED",
            f"{endpoint} does not serve {method} {path.partition('?')[0]}",
            hint="is reactor-auth enabled there, and as new as this one? see: reactor version",
            details=failure.details,
        )


def as_user(command: CommandContext) -> Routes:
    """Return the routes of the signed-in user."""
    return Routes(command, Access.USER, PREFIX)


def as_admin(command: CommandContext) -> Routes:
    """Return the routes of the admin token."""
    return Routes(command, Access.ADMIN, f"{PREFIX}/_admin")


def as_whoever(command: CommandContext, *, admin: bool) -> Routes:
    """Return the user's routes where there is a user's credential, else those of the admin token.

    `admin` asks for the latter in any case.
    """
    if admin:
        return as_admin(command)
    found = command.credential(Access.USER)
    if found is None:
        return as_admin(command) if command.credential(Access.ADMIN) is not None else as_user(command)
    if found.kind is CredentialKind.SESSION or is_users(found.token):
        return as_user(command)
    return as_admin(command)


def is_users(token: str) -> bool:
    """Tell a user's credential from an admin token by its form: an API key, or a JWT (RFC 7519)."""
    if token.startswith("rk_"):
        return True
    header, dot, _ = token.partition(".")
    if not dot or token.count(".") != 2:
        return False
    try:
        decoded = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (binascii.Error, ValueError):
        return False
    return isinstance(decoded, dict) and "alg" in decoded


def segment(text: str) -> str:
    """Quote what stands between two slashes of a path."""
    return quote(text, safe="@")
