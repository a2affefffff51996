"""Sessions that belong to OAuth clients: who may refresh them, and what their tokens say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from reactor_auth import oauth_scopes
from reactor_auth.client_tokens import claims_for
from reactor_auth.errors import InvalidRefreshToken
from reactor_auth.model import Binding
from reactor_auth.oauth_errors import InvalidScope
from reactor_auth.oauth_model import Client
from reactor_auth.queries import oauth_clients as sql
from reactor_auth.service.clients import find_in
from reactor_auth.service.platform import platform_scopes_of
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


def bind(tx: Tx, session_id: UUID, user_id: UUID, client: Client, binding: Binding) -> Bound:
    """Note that a session was opened for a client."""
    tx.execute(
        sql.bind_session(session_id, client.client_id, list(binding.scopes), list(binding.amr), binding.auth_time)
    )
    return _bound(tx, user_id, client, binding)


def for_refresh(tx: Tx, session_id: UUID, user_id: UUID, presenter: Presenter) -> Bound | ReactorError:
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
    scopes = tuple(row.scopes)
    if not client.is_built_in:
        # What the organisation took away from its client is gone with the next token.
        gone = oauth_scopes.uncovered(scopes, client.scopes)
        scopes = tuple(scope for scope in scopes if scope not in gone)
    if presenter.scopes is not None:
        beyond = oauth_scopes.uncovered(presenter.scopes, scopes)
        if beyond:
            return InvalidScope(f"the session was not given {' '.join(beyond)}")
        scopes = presenter.scopes
    return _bound(tx, user_id, client, Binding(client.client_id, scopes, tuple(row.amr), row.auth_time))


def _bound(tx: Tx, user_id: UUID, client: Client, binding: Binding) -> Bound:
    platform: Sequence[str] = ()
    if client.is_built_in:
        wanted = [scope for scope in binding.scopes if oauth_scopes.is_platform(scope)]
        held = platform_scopes_of(tx, user_id) if wanted else frozenset()
        platform = [scope for scope in wanted if grants(held, scope)]
        kept = tuple(s for s in binding.scopes if s in oauth_scopes.OIDC or s in platform)
        binding = replace(binding, scopes=kept)
    return Bound(binding, claims_for(client, binding, platform))
