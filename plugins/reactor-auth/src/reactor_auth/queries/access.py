"""The one statement that decides who a verified token is."""

from __future__ import annotations

from uuid import UUID

from reactor_kernel.api import Statement

_CALLER = """\
SELECT u.disabled_at IS NOT NULL, s.id IS NOT NULL, s.revoked_at IS NOT NULL, o.id, r.name,
       (SELECT json_agg(p.permission ORDER BY p.permission) FROM _reactor_auth.role_permissions p WHERE p.role_id = r.id),
       array_to_json(s.amr), extract(epoch FROM s.mfa_at)::bigint, r.mfa_required
FROM _reactor_auth.users u
LEFT JOIN _reactor_auth.sessions s ON s.id = $2::uuid AND s.user_id = u.id
LEFT JOIN _reactor_auth.orgs o ON {org}
LEFT JOIN _reactor_auth.memberships m ON m.org_id = o.id AND m.user_id = u.id
LEFT JOIN _reactor_auth.roles r ON r.id = m.role_id
WHERE u.id = $1::uuid"""

_BY_DEFAULT = _CALLER.format(org="o.id = u.default_org_id")
_BY_ID = _CALLER.format(org="o.id = $3::uuid")
_BY_SLUG = _CALLER.format(org="lower(o.slug) = lower($3::text)")


def caller(user_id: UUID, session_id: UUID, ref: UUID | str | None) -> Statement:
    """Read user, session, organisation and membership in one round trip.

    Raw on purpose: it is the only statement on the path of every request whose identity is not cached. Without `ref`
    the organisation is the user's default. Columns: disabled, session known, session revoked, org id, role name,
    permissions as a JSON array, the session's `amr` as another, when its second factor was verified, and whether the
    role demands one. No row: no such user; NULL org: no such organisation; NULL role: not a member.
    """
    if ref is None:
        return Statement(_BY_DEFAULT, (str(user_id), str(session_id)))
    return Statement(_BY_ID if isinstance(ref, UUID) else _BY_SLUG, (str(user_id), str(session_id), str(ref)))


_STANDING = """\
SELECT u.disabled_at IS NOT NULL, o.id, r.name,
       (SELECT json_agg(p.permission ORDER BY p.permission) FROM _reactor_auth.role_permissions p WHERE p.role_id = r.id),
       u.email, u.default_org_id,
       (SELECT json_agg(every.org_id ORDER BY every.org_id) FROM _reactor_auth.memberships every WHERE every.user_id = u.id)
FROM _reactor_auth.users u
LEFT JOIN _reactor_auth.orgs o ON {org}
LEFT JOIN _reactor_auth.memberships m ON m.org_id = o.id AND m.user_id = u.id
LEFT JOIN _reactor_auth.roles r ON r.id = m.role_id
WHERE u.id = $1::uuid"""


def standing(user_id: UUID, ref: UUID | str | None) -> Statement:
    """Read what a user is in an organisation, else in its default one, with what its tokens would tell.

    Columns: disabled, org id, role name, permissions as a JSON array, e-mail, default organisation, organisations as a JSON
    array. No row, NULL org and NULL role mean the same as for `caller`.
    """
    if ref is None:
        return Statement(_STANDING.format(org="o.id = u.default_org_id"), (str(user_id),))
    org = "o.id = $2::uuid" if isinstance(ref, UUID) else "lower(o.slug) = lower($2::text)"
    return Statement(_STANDING.format(org=org), (str(user_id), str(ref)))


def org_names(org_id: UUID) -> Statement:
    """Read the slug of an organisation; no row where there is none."""
    return Statement("SELECT slug FROM _reactor_auth.orgs WHERE id = $1::uuid", (str(org_id),))
