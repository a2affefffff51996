"""Says at boot whether the database server is there and new enough, and how to mend it where not."""

from __future__ import annotations

import re

import psycopg

from reactor_kernel.db.conninfo import describe, parse
from reactor_kernel.errors import BootError, ExitCode, Fault

OLDEST = 150000

# libpq gives no SQLSTATE for a connection that was not made: its own words are all there is.
_CAUSES: tuple[tuple[str, str, str], ...] = (
    (
        r"password authentication failed|no password supplied|SCRAM",
        "the server refused the password",
        "check user and password in [database] url",
    ),
    (
        r'database "[^"]*" does not exist',
        "the server has no such database",
        "create it (createdb NAME) or correct its name in [database] url",
    ),
    (
        r'role "[^"]*" does not exist',
        "the server has no such user",
        "create it (createuser NAME) or correct it in [database] url",
    ),
    (
        r"no pg_hba.conf entry|Peer authentication failed|Ident authentication failed",
        "the server does not let this user in from here",
        "add a line for it to the server's pg_hba.conf",
    ),
    (
        r"could not translate host name|Name or service not known|nodename nor servname",
        "the host name is unknown",
        "correct the host in [database] url",
    ),
    (
        r"too many (connections|clients)|remaining connection slots",
        "the server has no free connection",
        "raise its max_connections",
    ),
    (
        r"starting up|shutting down|in recovery",
        "the server is starting or stopping",
        "try again in a moment",
    ),
    (
        r"Connection refused|No such file or directory|timeout expired|timed out|Network is unreachable|No route to host|"
        r"server closed the connection",
        "nothing answers there",
        "start Postgres, or correct host and port in [database] url",
    ),
)


def check(conninfo: str) -> int:
    """Connect once and return `server_version_num`.

    Raises:
        BootError: the server cannot be reached, refuses the login, or is older than Postgres 15.
    """
    try:
        with psycopg.Connection.connect(conninfo, autocommit=True) as connection:
            version = connection.pgconn.server_version
    except psycopg.Error as problem:
        raise _fault(*_explain(conninfo, str(problem))) from None
    if version < OLDEST:
        shown = f"{version // 10000}.{version % 10000}"
        raise _fault(
            f"the {describe(conninfo)} runs on Postgres {shown}; Reactor needs 15 or newer",
            'upgrade the server, or set [database] url = "embedded"',
        )
    return version


def _explain(conninfo: str, reported: str) -> tuple[str, str]:
    for pattern, meaning, fix in _CAUSES:
        if re.search(pattern, reported):
            return f"cannot connect to the {describe(conninfo)}: {meaning}", fix
    password = parse(conninfo).get("password")
    words = " ".join(reported.split())
    if password:
        words = words.replace(password, "***")
    return f"cannot connect to the {describe(conninfo)}: {words}", "correct [database] url"


def _fault(message: str, fix: str) -> BootError:
    return BootError([Fault(category="database", message=message, fix=fix, exit_code=ExitCode.DATABASE)])
