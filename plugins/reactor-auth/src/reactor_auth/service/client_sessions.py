"""Opens the session a client gets for a code or a device."""

from __future__ import annotations

from dataclasses import replace

from reactor_auth import oauth_scopes
from reactor_auth.model import Binding, Origin, User
from reactor_auth.oauth_model import REFRESH, Client, SignIn
from reactor_auth.queries import sessions as sql
from reactor_auth.service import bindings
from reactor_auth.service.sessions import Grant, Sessions
from reactor_kernel.api import Tx

PKCE = "pkce"


def open_session(
    tx: Tx,
    sessions: Sessions,
    client: Client,
    user: User,
    sign_in: SignIn,
    scopes: tuple[str, ...],
    origin: Origin,
    *,
    amr: tuple[str, ...] = (),
) -> Grant:
    """Open a session for a client. `amr` says how the client proved itself, beside how the user did."""
    grant = sessions.open(tx, user, (*amr, *sign_in.amr), origin, mfa_at=sign_in.mfa_at)
    binding = Binding(client.client_id, scopes, sign_in.amr, sign_in.auth_time)
    bound = bindings.bind(tx, grant.session_id, user.id, client, binding, sessions.platform)
    if may_refresh(client, scopes):
        return replace(grant, bound=bound)
    tx.execute(sql.drop_refresh_tokens(grant.session_id))
    return replace(grant, bound=bound, refresh_token="")


def may_refresh(client: Client, scopes: tuple[str, ...]) -> bool:
    """Tell whether a client gets a refresh token (OpenID Connect Core §11)."""
    if client.is_built_in:
        return True
    return REFRESH in client.grants and (oauth_scopes.OFFLINE in scopes or oauth_scopes.OPENID not in scopes)
