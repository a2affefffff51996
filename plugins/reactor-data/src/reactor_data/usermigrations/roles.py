"""The database roles that defaults are granted to, as the database itself names them."""

from __future__ import annotations

from dataclasses import dataclass

from reactor_data.errors import migration_failed
from reactor_kernel.api import Database, DbRole, Identity, IdentityKind, Statement


@dataclass(frozen=True, slots=True)
class RoleSet:
    """Role names. `service` is None where service access runs as the owner of the tables (decision 50)."""

    login: str
    authenticated: str
    anonymous: str
    service: str | None
    anonymous_enabled: bool

    @property
    def granted(self) -> tuple[str, ...]:
        """The roles that get the default grants."""
        return tuple(role for role in (self.anonymous, self.authenticated, self.service) if role is not None)

    @property
    def callers(self) -> tuple[str, ...]:
        """The roles that derived policies apply to."""
        return (self.authenticated, self.anonymous) if self.anonymous_enabled else (self.authenticated,)


def discover_roles(database: Database, anon_role: str | None) -> RoleSet:
    """Ask the database which role each kind of caller runs as.

    Raises:
        MigrationFailed: `anon_role` is not the role that callers without a token get.
    """
    login = _current(database, None)
    anonymous = _current(database, DbRole.ANONYMOUS)
    if anon_role is not None and anon_role != anonymous:
        raise migration_failed(
            f"[data] anon_role is {anon_role!r}, but callers without a token run as {anonymous!r}",
            revision="",
            sql_error="role mismatch",
            hint=f'Set anon_role = "{anonymous}", or [database.roles] anon = "{anon_role}".',
        )
    service = _current(database, DbRole.SERVICE)
    return RoleSet(
        login=login,
        authenticated=_current(database, DbRole.AUTHENTICATED),
        anonymous=anonymous,
        service=None if service == login else service,
        anonymous_enabled=anon_role is not None,
    )


def role_names(database: Database) -> dict[str, DbRole]:
    """Return the database roles that callers run as, by name; without the login role, where it stands in for service."""
    login = _current(database, None)
    return {name: role for role in DbRole if (name := _current(database, role)) != login}


def service_role(database: Database) -> str | None:
    """Return the role that bypasses row security; None where the login role stands in for it."""
    return next((name for name, role in role_names(database).items() if role is DbRole.SERVICE), None)


def _current(database: Database, role: DbRole | None) -> str:
    identity = None if role is None else Identity(kind=IdentityKind.SERVICE, subject="reactor_data", db_role=role)
    (result,) = database.run(identity, [Statement("select current_user::text")], readonly=True)
    value = result.rows[0][0]
    assert value is not None
    return value.decode()
