"""What a server is started with: its roles, its configuration files and its environment."""

from __future__ import annotations

import os
from pathlib import Path

SUPERUSER = "postgres"
LOGIN = "reactor"
DATABASE = "reactor"

# The login is no superuser: SQL that should not have been cannot read files or start programs. BYPASSRLS and CREATEROLE
# let it make the service role (Postgres 16 and newer pass BYPASSRLS on only to those who have it).
BOOTSTRAP = f"""\
CREATE ROLE {LOGIN} LOGIN CREATEDB CREATEROLE BYPASSRLS;
CREATE DATABASE {DATABASE} OWNER {LOGIN};
"""

# fsync and full_page_writes stay on (the defaults): a committed row survives kill -9 and a power cut. Statements are kept out
# of the log, and so are DETAIL lines, because both carry values of rows.
_SETTINGS = """\
# Written by Reactor at every start; put your own settings into local.conf beside this file.
listen_addresses = ''
unix_socket_directories = {sockets}
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = 128MB
effective_cache_size = 1GB
work_mem = 8MB
maintenance_work_mem = 64MB
random_page_cost = 1.1
min_wal_size = 80MB
max_wal_size = 1GB
checkpoint_timeout = 15min
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
logging_collector = on
log_directory = 'log'
log_filename = 'postgres-%a.log'
log_rotation_age = 1d
log_truncate_on_rotation = on
log_min_error_statement = panic
log_error_verbosity = terse
log_checkpoints = off
include_if_exists = 'local.conf'
"""

# The way in is a directory of mode 0700 that holds the socket, itself of mode 0700: only the account that runs Postgres (and
# root) can open it. That is why `trust` is enough, and why there is no password to keep.
HBA = "local all all trust\n"


def configuration(sockets: Path) -> str:
    """Return postgresql.conf for a server whose socket lies in a directory."""
    return _SETTINGS.format(sockets=_quoted_directory(sockets))


def _quoted_directory(path: Path) -> str:
    # A list of directories inside a quoted setting: each level doubles its own quote.
    inner = '"' + str(path).replace('"', '""') + '"'
    return "'" + inner.replace("'", "''") + "'"


def program_environment() -> dict[str, str]:
    """Return the environment of Postgres' programs: nothing of this process that could steer them."""
    kept = {
        name: os.environ[name]
        for name in ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
        if name in os.environ
    }
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
