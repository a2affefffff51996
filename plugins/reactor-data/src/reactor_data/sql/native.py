"""What a policy in Reactor's form becomes: native policies (contract data.md §8.3, the mapping table).

Native permissive policies are joined with OR. That every check must hold is expressed by RESTRICTIVE policies, which
alone allow nothing; inserts therefore get one permissive base per table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from reactor_data.sql.expression import Compiled, Expression, Piece
from reactor_data.sql.policy import PolicyDeclaration

BASE_INSERT = "reactor__insert"
_MAX_BYTES = 63


@dataclass(frozen=True, slots=True)
class NativePolicy:
    """One CREATE POLICY. `check` may be the constant `true`."""

    name: str
    command: str
    permissive: bool
    using: Expression | None = None
    check: Expression | None = None
    check_true: bool = False


def native_name(policy: str, suffix: str) -> str:
    """Return `policy__suffix`, shortened with a hash of the policy's name where it exceeds 63 bytes."""
    plain = f"{policy}__{suffix}"
    if len(plain.encode()) <= _MAX_BYTES:
        return plain
    digest = hashlib.sha256(policy.encode()).hexdigest()[:10]
    room = _MAX_BYTES - len(f"_{digest}__{suffix}")
    head = policy.encode()[:room].decode(errors="ignore")
    return f"{head}_{digest}__{suffix}"


def native_policies(policy: PolicyDeclaration) -> list[NativePolicy]:
    """Return the native policies of a declaration, without the base that its insert check needs."""
    using, check = policy.using, policy.check
    found: list[NativePolicy] = []
    for scope in policy.scopes:
        name = native_name(policy.name, scope)
        if scope in ("select", "delete"):
            found.append(NativePolicy(name, scope, True, using=using))
        elif scope == "insert":
            found.append(NativePolicy(name, scope, check is None, check=check or using))
        else:
            if using is not None:
                found.append(NativePolicy(name, scope, True, using=using, check_true=check is not None))
            if check is not None:
                found.append(NativePolicy(native_name(policy.name, "update_check"), scope, False, check=check))
    return found


def needs_base(policy: PolicyDeclaration) -> bool:
    """Tell whether the table needs the permissive base for inserts because of this policy."""
    return "insert" in policy.scopes and policy.check is not None


def quote(identifier: str) -> str:
    """Quote an identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text as a literal that means the same whatever `standard_conforming_strings` is."""
    doubled = text.replace("'", "''")
    return "E'" + doubled.replace("\\", "\\\\") + "'" if "\\" in doubled else f"'{doubled}'"


def qualified(schema: str, name: str) -> str:
    """Quote a schema-qualified name."""
    return f"{quote(schema)}.{quote(name)}"


def create_statement(native: NativePolicy, table: str, roles: Sequence[str]) -> Compiled:
    """Return the CREATE POLICY of one native policy; `table` is already quoted."""
    kind = "permissive" if native.permissive else "restrictive"
    to = ", ".join(quote(role) for role in roles)
    pieces = [Piece(f"create policy {quote(native.name)} on {table} as {kind} for {native.command} to {to}")]
    if native.using is not None:
        pieces += [Piece(" using ("), *native.using.compiled.pieces, Piece(")")]
    if native.check is not None:
        pieces += [Piece(" with check ("), *native.check.compiled.pieces, Piece(")")]
    elif native.check_true:
        pieces.append(Piece(" with check (true)"))
    return Compiled(tuple(pieces))


def create_base(table: str, roles: Sequence[str]) -> str:
    """Return the CREATE POLICY of the base that lets restrictive insert checks decide."""
    to = ", ".join(quote(role) for role in roles)
    return f"create policy {quote(BASE_INSERT)} on {table} as permissive for insert to {to} with check (true)"
