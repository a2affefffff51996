"""The statements on the path of a request that carries an API key; raw, like those of access tokens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from reactor_kernel.api import Statement

_HOLDER = """\
SELECT k.id, k.user_id, k.revoked_at IS NOT NULL, extract(epoch FROM k.expires_at), k.scopes,
       u.disabled_at IS NOT NULL, o.id, o.slug, r.name,
       r.mfa_required
           AND NOT EXISTS (SELECT FROM _reactor_auth.mfa_factors f WHERE f.user_id = u.id AND f.verified_at IS NOT NULL)
           AND NOT EXISTS (SELECT FROM _reactor_auth.webauthn_credentials c WHERE c.user_id = u.id),
       (SELECT json_agg(p.permission ORDER BY p.permission) FROM _reactor_auth.role_permissions p WHERE p.role_id = r.id)
FROM _reactor_auth.api_keys k
JOIN _reactor_auth.users u ON u.id = k.user_id
JOIN _reactor_auth.orgs o ON o.id = k.org_id
LEFT JOIN _reactor_auth.memberships m ON m.org_id = o.id AND m.user_id = u.id
LEFT JOIN _reactor_auth.roles r ON r.id = m.role_id
WHERE k.key_hash = $1::bytea"""

# Other nodes may have noted a use meanwhile; a minute is as exact as it needs to be.
_USED = """\
UPDATE _reactor_auth.api_keys k SET last_used_at = u.at
FROM (SELECT (json_each_text($1::json)).key::uuid AS id, (json_each_text($1::json)).value::timestamptz AS at) u
WHERE k.id = u.id AND (k.last_used_at IS NULL OR k.last_used_at <= u.at - interval '1 minute')"""


def holder(key_hash: bytes) -> Statement:
    """Read a key with its owner's standing.

    Columns: key id, user id, revoked, expiry in seconds since the epoch, scopes as JSON, disabled, org id, slug, role
    name, whether the role demands a second factor that the owner does not have, permissions as a JSON array. No row: no
    such key; NULL role: the owner is not a member any more.
    """
    return Statement(_HOLDER, ("\\x" + key_hash.hex(),))


def used(at: Mapping[str, datetime]) -> Statement:
    """Note when keys were used, unless that was noted less than a minute before."""
    import msgspec

    return Statement(_USED, (msgspec.json.encode({key: when.isoformat() for key, when in at.items()}).decode(),))
