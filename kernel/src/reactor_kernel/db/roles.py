"""The platform's three database roles: are they there, and if not, make them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import psycopg

from reactor_kernel.contracts.db import Statement
from reactor_kernel.db.database import RoleNames
from reactor_kernel.errors import MigrationFailed

_SQL = Path(__file__).parent / "migrations"
# Two databases of one cluster granting at once trip over each other's catalogue rows; the loser only has to try again.
_RACES = frozenset({"XX000", "23505", "42710", "40001", "40P01"})
_ATTEMPTS = 10


def state_statement(roles: RoleNames) -> Statement:
    """Return the query that tells (t or f) whether the login can become each role and each can call the helpers."""
    return Statement((_SQL / "roles_state.sql").read_text(), (roles.anon, roles.authenticated, roles.service))


def announce(connection: psycopg.Connection[Any], roles: RoleNames) -> None:
    """Tell the session the role names, so that SQL in revisions can read `current_setting('reactor.anon_role')` and so on."""
    connection.execute(
        "SELECT set_config('reactor.anon_role', %s, false), set_config('reactor.authenticated_role', %s, false),"
        " set_config('reactor.service_role', %s, false)",
        (roles.anon, roles.authenticated, roles.service),
    )


def ensure(connection: psycopg.Connection[Any], roles: RoleNames) -> None:
    """Make what is missing, on a connection in autocommit mode to which the names were announced."""
    sql = (_SQL / "roles.sql").read_text()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            connection.execute(sql)
            return
        except psycopg.errors.InsufficientPrivilege as problem:
            login = connection.info.user
            names = (roles.anon, roles.authenticated, roles.service)
            made = " ".join(f'CREATE ROLE "{name}" NOLOGIN;' for name in names)
            listed = ", ".join(f'"{name}"' for name in names)
            raise MigrationFailed(
                f"plugin kernel: the login {login} may not make or use the roles {', '.join(names)}: {problem.diag.message_primary}",
                hint=f'Run as a superuser: {made} ALTER ROLE "{roles.service}" BYPASSRLS; GRANT {listed} TO "{login}";',
                details={
                    "capability": "kernel",
                    "revision": "roles",
                    "sql_error": problem.diag.message_primary,
                    "applied": [],
                },
            ) from problem
        except psycopg.Error as problem:
            if problem.sqlstate not in _RACES or attempt == _ATTEMPTS:
                raise
            time.sleep(0.02 * attempt)
