"""Which database role a caller's transaction runs as, and what that role brings along (contract data.md §7.3 and §7.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from reactor_data.catalog.cache import SchemaCache
from reactor_data.claims import claim_path, find_claim
from reactor_data.errors import DataError
from reactor_kernel.api import Database, Identity, Isolation, Statement

# The member of a role that bypasses row security would too, and the login role owns the tables.
_STANDING = Statement(
    "select (r.rolsuper or r.rolbypassrls or r.rolname = session_user)::text,"
    " exists (with recursive held(oid) as (select m.roleid from pg_catalog.pg_auth_members m join pg_catalog.pg_roles l"
    " on l.oid = m.member where l.rolname = session_user union select m.roleid from pg_catalog.pg_auth_members m"
    " join held on held.oid = m.member) select from held where held.oid = r.oid)::text"
    " from pg_catalog.pg_roles r where r.rolname = $1"
)
_ISOLATIONS = ("read committed", "repeatable read", "serializable")
# The database layer's own, or without effect inside of a transaction that has begun.
_NEVER_SET = frozenset(("role", "session_authorization", "default_transaction_isolation", "transaction_isolation"))


class CallerRoles:
    """Lets a verified claim name another role, and knows the settings of each role."""

    def __init__(self, database: Database, schema: SchemaCache, claim: str | None) -> None:
        self._db = database
        self._schema = schema
        self._path = claim_path(claim) if claim is not None else None
        self._known: dict[str, tuple[int, str | None]] = {}
        self._settings: tuple[int, dict[object, tuple[Mapping[str, str], Isolation | None]]] = (-1, {})

    def placed(self, identity: Identity) -> Identity:
        """Return the identity as it runs: with the role that the configured claim names, where it names one.

        Raises:
            DataError: 401 for a role that does not exist, 403 for one that the login role was not granted or that is not
                subject to row security.
        """
        path = self._path
        if path is None:
            return identity
        claims = cast("Mapping[str, Any]", identity.claims)
        named = claims.get(path[0]) if len(path) == 1 and isinstance(path[0], str) else find_claim(claims, path)
        if not isinstance(named, str) or not named:
            return identity
        refusal = self._refusal(named)
        if refusal is not None:
            status, code, message = refusal
            headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
            raise DataError(
                status,
                code,
                message,
                pgrst="22023" if status == 401 else "42501",
                hint="The token's claim names the database role; [data] role_claim says which claim.",
                headers=headers,
            )
        return replace(identity, role_name=named)

    def settings(self, identity: Identity) -> tuple[Mapping[str, str], Isolation | None]:
        """Return what `ALTER ROLE … SET` gives the identity's role, and the isolation level among it."""
        snapshot = self._schema.snapshot()
        version, known = self._settings
        if version != snapshot.version:
            known = {}
            self._settings = (snapshot.version, known)
        key = identity.role_name or identity.db_role
        found = known.get(key)
        if found is None:
            given = (
                snapshot.role_settings.get(identity.role_name, {})
                if identity.role_name is not None
                else self._schema.role_settings(identity.db_role)
            )
            found = known[key] = split_settings(given)
        return found

    def _refusal(self, name: str) -> tuple[int, str, str] | None:
        version = self._schema.snapshot().version
        known = self._known.get(name)
        if known is None or known[0] != version:
            (result,) = self._db.run(None, [Statement(_STANDING.sql, (name,))], readonly=True)
            standing = "absent" if not result.rows else None
            if result.rows:
                over, held = result.rows[0]
                standing = "over" if over == b"true" else None if held == b"true" else "not held"
            if len(self._known) > 1000:
                self._known.clear()
            known = self._known[name] = (version, standing)
        if known[1] == "absent":
            return 401, "unauthorized", f'role "{name}" does not exist'
        if known[1] == "over":
            return 403, "permission_denied", f'role "{name}" is not subject to row security; a token cannot name it'
        if known[1] == "not held":
            return 403, "permission_denied", f'permission denied to set role "{name}"'
        return None


def split_settings(given: Mapping[str, str]) -> tuple[Mapping[str, str], Isolation | None]:
    """Part settings into those that a transaction sets and the isolation level that it begins with."""
    level = given.get("default_transaction_isolation", "").lower()
    kept = {name: value for name, value in given.items() if name not in _NEVER_SET}
    return kept, cast("Isolation", level) if level in _ISOLATIONS else None
