"""The statement that decides what an OAuth client may do for itself; raw, like that of users."""

from __future__ import annotations

from reactor_kernel.api import Statement


def scopes_of(client_id: str) -> Statement:
    """Read the scopes of a client as a JSON array; no row where it is gone."""
    return Statement(
        "SELECT array_to_json(scopes) FROM _reactor_auth.oauth_clients WHERE client_id = $1::text", (client_id,)
    )
