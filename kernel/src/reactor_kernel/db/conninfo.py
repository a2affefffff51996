"""Database URLs: read, completed with what a server process needs, and shown without their password."""

from __future__ import annotations

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from reactor_kernel.errors import BootError, ExitCode, Fault

# Without these a peer that vanished (power, network) is noticed after hours.
_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20000}


def parse(dsn: str) -> dict[str, str]:
    """Return the parts of a Postgres URL or `key=value` string.

    Raises:
        BootError: it is neither. The text itself is not repeated: it may hold a password.
    """
    scheme, mark, rest = dsn.partition("://")
    text = f"postgresql://{rest}" if mark and scheme in ("postgres", "postgresql+psycopg") else dsn
    try:
        if mark and not text.startswith("postgresql://"):
            raise ProgrammingError
        return {name: str(value) for name, value in conninfo_to_dict(text).items() if value is not None}
    except ProgrammingError:
        raise BootError(
            [
                Fault(
                    category="config",
                    subject="database.url",
                    message="is not a Postgres URL (the text is not shown because it may hold a password)",
                    fix='url = "postgresql://USER:PASSWORD@HOST:5432/DATABASE", or url = "embedded"; '
                    "percent-encode special characters of the password",
                    exit_code=ExitCode.CONFIG,
                )
            ]
        ) from None


def complete(dsn: str, *, connect_timeout: float, application_name: str = "reactor") -> str:
    """Return the connection string to connect with; what the URL itself says wins."""
    parts = parse(dsn)
    # libpq treats 1 as 2.
    defaults = {"application_name": application_name, "connect_timeout": max(2, round(connect_timeout)), **_KEEPALIVE}
    return make_conninfo(**{**defaults, **parts, "client_encoding": "UTF8"})  # type: ignore[arg-type]


def without_password(dsn: str) -> tuple[str, str | None]:
    """Return a connection string that is fit for a process list, and the password taken out of it."""
    parts = parse(dsn)
    password = parts.pop("password", None)
    return make_conninfo(**parts), password


def describe(dsn: str) -> str:
    """Name the server, database and login for a message: no password, no options."""
    parts = parse(dsn)
    place = parts.get("host") or parts.get("hostaddr") or "the local socket"
    if not place.startswith("/"):
        place = f"{place}:{parts.get('port', '5432')}"
    user = parts.get("user")
    return f'database "{parts.get("dbname") or user or ""}" at {place}' + (f' as "{user}"' if user else "")
