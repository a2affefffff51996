"""Sessions that belong to OAuth clients: who may refresh them, and what their tokens say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reactor_auth import oauth_scopes
from reactor_auth.client_tokens import claims_for
from reactor_auth.errors import InvalidRefreshToken, SessionRevoked
from reactor_auth.model import Binding
from reactor_auth.oauth_errors import InvalidScope
from reactor_auth.oauth_model import Client
from reactor_auth.queries import oauth_clients as sql
from reactor_auth.service.clients import BUILT_IN, find_in
from reactor_auth.service.platform import PlatformScopes
from reactor_kernel.api import ReactorError, Tx, grants


@dataclass(frozen=True, slots=True)
class Presenter:
    """Who presents a refresh token: a client that authenticated, or nobody in particular; and the scopes it wants."""

    client: Client | None = None
    scopes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """What the tokens of a session say of its client; empty for a session without one."""

    binding: Binding | None = None
    claims: dict[str, Any] = field(default_factory=dict)
    # When the platform scopes among the claims end; no token may outlive them.
    ends_at: datetime | None = None


def bind(tx: Tx, session_id: UUID, user_id: UUID, client: Client, binding: Binding, platform: PlatformScopes) -> Bound:
    """Note that a session was opened for a client."""
    tx.execute(
        sql.bind_session(session_id, client.client_id, list(binding.scopes), list(binding.amr), binding.auth_time)
    )
    return _bound(tx, user_id, client, binding, platform)


def of_session(tx: Tx, session_id: UUID, user_id: UUID, platform: PlatformScopes) -> Bound:
    """Return what the tokens of a live session say of its client. Raises SessionRevoked where the client is gone."""
    row = tx.execute(sql.binding(session_id)).one_or_none()
    if row is None:
        return Bound()
    client = find_in(tx, row.client_id)
    if client is None:
        raise SessionRevoked
    return _bound(tx, user_id, client, _still_given(client, row), platform)


def is_of_application(tx: Tx, session_id: UUID) -> bool:
    """Tell whether a session was opened for a registered client; the built-in ones are the user too."""
    row = tx.execute(sql.binding(session_id)).one_or_none()
    return row is not None and row.client_id not in BUILT_IN


def for_refresh(
    tx: Tx, session_id: UUID, user_id: UUID, presenter: Presenter, platform: PlatformScopes
) -> Bound | ReactorError:
    """Return what a refreshed token says, or why this presenter may not refresh the session."""
    row = tx.execute(sql.binding(session_id)).one_or_none()
    presented = presenter.client
    if row is None:
        # A session without a client is the user's own; the built-in clients are the user too.
        return InvalidRefreshToken() if presented is not None and not presented.is_built_in else Bound()
    client = find_in(tx, row.client_id)
    if client is None:
        return InvalidRefreshToken()
    if presented is None:
        if not client.is_built_in:
            return InvalidRefreshToken("the refresh token belongs to a client, which must name itself")
    elif presented.client_id != client.client_id:
        return InvalidRefreshToken("the refresh token belongs to another client")
    binding = _still_given(client, row)
    if presenter.scopes is not None:
        beyond = oauth_scopes.uncovered(presenter.scopes, binding.scopes)
        if beyond:
            return InvalidScope(f"the session was not given {' '.join(beyond)}")
        binding = replace(binding, scopes=presenter.scopes)
    return _bound(tx, user_id, client, binding, platform)


def _still_given(client: Client, row: Row[Any]) -> Binding:
    """Read a stored binding; what the organisation took away from its client is gone with the next token."""
    scopes = tuple(row.scopes)
    if not client.is_built_in:
        gone = oauth_scopes.uncovered(scopes, client.scopes)
        scopes = tuple(scope for scope in scopes if scope not in gone)
    return Binding(client.client_id, scopes, tuple(row.amr), row.auth_time)


def _bound(tx: Tx, user_id: UUID, client: Client, binding: Binding, platform: PlatformScopes) -> Bound:
    if not client.is_built_in:
        return Bound(binding, claims_for(client, binding, ()))
    wanted = [scope for scope in binding.scopes if oauth_scopes.is_platform(scope)]
    held, end = platform.of_session(tx, user_id, binding.auth_time) if wanted else ((), None)
    given = [scope for scope in wanted if grants(held, scope)]
    kept = tuple(s for s in binding.scopes if s in oauth_scopes.OIDC or s in given)
    binding = replace(binding, scopes=kept)
    return Bound(binding, claims_for(client, binding, given), end if given else None)
