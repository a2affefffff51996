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


def discover_roles(
    database: Database, anon_role: str | None, authenticated_role: str | None = None, service_role: str | None = None
) -> RoleSet:
    """Ask the database which role each kind of caller runs as.

    Raises:
        MigrationFailed: `anon_role` or another is not the role that such callers get.
    """
    login = _current(database, None)
    anonymous = _current(database, DbRole.ANONYMOUS)
    authenticated = _current(database, DbRole.AUTHENTICATED)
    service = _current(database, DbRole.SERVICE)
    for key, named, callers, found in (
        ("anon", anon_role, "callers without a token", anonymous),
        ("authenticated", authenticated_role, "users", authenticated),
        # Where BYPASSRLS cannot be granted services run as the login role, whatever the role's name.
        ("service", service_role if service != login else None, "services", service),
    ):
        if named is not None and named != found:
            raise migration_failed(
                f"[data] {key}_role is {named!r}, but {callers} run as {found!r}",
                revision="",
                sql_error="role mismatch",
                hint=f'Set {key}_role = "{found}", or [database.roles] {key} = "{named}".',
            )
    return RoleSet(
        login=login,
        authenticated=authenticated,
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
