"""The permissions that a server may demand beside the database's rights (`table_permissions`, `rpc_permission`)."""

from __future__ import annotations

from reactor_data.catalog.model import Relation, Schema
from reactor_data.errors import permission_missing
from reactor_data.query.ast import Query
from reactor_data.query.levels import embedded
from reactor_kernel.api import Identity, IdentityKind


def holds(identity: Identity, permission: str) -> bool:
    """Tell whether the caller's permissions grant this one; services need none."""
    return identity.kind is IdentityKind.SERVICE or identity.may(permission)


def demand(identity: Identity, permission: str) -> None:
    """Raise 403 (401 without a token) unless the caller holds a permission."""
    if not holds(identity, permission):
        raise permission_missing(permission, anonymous=identity.kind is IdentityKind.ANONYMOUS)


def demand_embedded(identity: Identity, schema: Schema, relation: Relation, query: Query) -> None:
    """Demand the permission to read every relation that a query on `relation` embeds."""
    for name in sorted(embedded(schema, relation, query.select)):
        demand(identity, f"data:{name}:read")
