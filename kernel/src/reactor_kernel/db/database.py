"""The database of one project: transactions as an identity, a pipelined fast path, notifications."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reactor_kernel.contracts.db import Isolation, RawResult, Statement
from reactor_kernel.contracts.identity import DbRole, Identity
from reactor_kernel.db import server
from reactor_kernel.db.conninfo import complete
from reactor_kernel.db.faults import ConnectionGone, refused, unavailable
from reactor_kernel.db.link import Command, Link, raw
from reactor_kernel.db.listener import Handler, Listener
from reactor_kernel.db.pool import Pool, PoolStats
from reactor_kernel.db.transaction import PostgresTx, Publisher, with_roles
from reactor_kernel.errors import DatabaseFault, InternalError

if TYPE_CHECKING:
    from reactor_kernel.db.alchemy import Alchemy

_BEGIN = Command("BEGIN")
_BEGIN_READ_ONLY = Command("BEGIN READ ONLY")
# In a pipeline without BEGIN it holds for the pipeline's own transaction.
_ISOLATION: dict[Isolation, Command] = {
    "read committed": Command("SET TRANSACTION ISOLATION LEVEL READ COMMITTED"),
    "repeatable read": Command("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"),
    "serializable": Command("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
}
_OURS = frozenset({"role", "session_authorization", "request.jwt.claims", "transaction_read_only"})
_LOGIN = """
SELECT login.rolsuper, coalesce(service.rolbypassrls, false)
FROM pg_catalog.pg_roles login LEFT JOIN pg_catalog.pg_roles service ON service.rolname = $1
WHERE login.rolname = session_user
"""


@dataclass(frozen=True, slots=True)
class RoleNames:
    """The configured names of the platform's database roles."""

    anon: str = "reactor_anon"
    authenticated: str = "reactor_authenticated"
    service: str = "reactor_service"


class PostgresDatabase:
    """Implements `contracts.Database` on one pool, shared by raw statements and SQLAlchemy. Thread-safe.

    Args:
        dsn: a Postgres URL.
        pool_max: connections open at most, the listener's not counted.
        acquire_timeout_secs: how long to wait for a free connection.
        roles: the configured role names.
        on_acquire: told the seconds each borrowing took.
    """

    def __init__(
        self,
        dsn: str,
        *,
        pool_max: int = 20,
        acquire_timeout_secs: float = 5,
        roles: RoleNames | None = None,
        on_acquire: Callable[[float], None] | None = None,
    ) -> None:
        self.dsn = dsn
        self.roles = roles or RoleNames()
        self.conninfo = complete(dsn, connect_timeout=acquire_timeout_secs)
        self._pool = Pool(self.conninfo, most=pool_max, timeout=acquire_timeout_secs, on_acquire=on_acquire)
        self._listener = Listener(
            complete(dsn, connect_timeout=acquire_timeout_secs, application_name="reactor-listener")
        )
        self._lock = threading.Lock()
        self._alchemy: Alchemy | None = None
        self._bus: Publisher | None = None
        self._login: tuple[bool, bool] | None = None
        self._role_names = {
            DbRole.ANONYMOUS: self.roles.anon.encode(),
            DbRole.AUTHENTICATED: self.roles.authenticated.encode(),
            DbRole.SERVICE: self.roles.service.encode(),
        }
        # Appended, not prepended: of two members of one name Postgres takes the last, and a token must not choose its role.
        self._role_members = {role: b',"role":%b}' % _json(name) for role, name in self._role_names.items()}

    # -- transactions ---------------------------------------------------------------------------------------------

    def begin(
        self,
        identity: Identity | None = None,
        *,
        readonly: bool = False,
        settings: Mapping[str, str] | None = None,
        isolation: Isolation | None = None,
        abandoned: Callable[[], bool] | None = None,
    ) -> PostgresTx:
        """Open a transaction; see `contracts.Database.begin`."""
        role = self._role_of(identity)
        opening = [_BEGIN_READ_ONLY if readonly else _BEGIN]
        if isolation is not None:
            opening.append(_ISOLATION[isolation])
        if (setup := self._setup(identity, role, False, settings)) is not None:
            opening.append(setup)
        return PostgresTx(self._pool, opening, role, self._get_alchemy, self._get_bus, abandoned)

    def run(
        self,
        identity: Identity | None,
        statements: Sequence[Statement],
        *,
        readonly: bool = False,
        settings: Mapping[str, str] | None = None,
        isolation: Isolation | None = None,
        abandoned: Callable[[], bool] | None = None,
    ) -> list[RawResult]:
        """Run statements as one transaction in one round trip; see `contracts.Database.run`."""
        role = self._role_of(identity)
        setup = self._setup(identity, role, readonly, settings)
        # Before version 18 of Postgres, triggers that wait for the commit run as whichever role is set by then.
        commands, at = with_roles(statements, role, restore=True)
        if not commands:
            return []
        skip = 0
        if setup is not None:
            commands.insert(0, setup)
            skip = 1
        if isolation is not None:
            commands.insert(0, _ISOLATION[isolation])
            skip += 1
        pool = self._pool
        link = pool.acquire()
        try:
            try:
                answers = link.send(commands, abandoned)
            except DatabaseFault:
                if not link.stale_plan:
                    raise
                answers = link.send(commands, abandoned)  # the refusal rolled everything back
            except ConnectionGone as gone:
                if not gone.untouched:
                    raise
                pool.discard(link)
                pool.drop_idle()
                link = pool.acquire()
                answers = link.send(commands, abandoned)
            results = [raw(answers[index + skip]) for index in at]
        except ConnectionGone as gone:
            raise unavailable(str(gone)) from gone
        finally:
            pool.release(link)
        return results

    def _role_of(self, identity: Identity | None) -> bytes | None:
        if identity is None:
            return None
        if identity.role_name is not None:
            return identity.role_name.encode()
        if identity.db_role is DbRole.SERVICE and not self.service_role_bypasses_rls():
            # Where BYPASSRLS cannot be granted the tables' owner, who is not subject to row security, stands in.
            return b"none"
        return self._role_names[identity.db_role]

    def _setup(
        self, identity: Identity | None, role: bytes | None, readonly: bool, settings: Mapping[str, str] | None
    ) -> Command | None:
        values: list[bytes] = []
        if readonly:
            values += (b"transaction_read_only", b"on")
        if settings:
            for name, value in settings.items():
                if name in _OURS:
                    raise InternalError(
                        f"the setting {name} belongs to the database layer; pass an identity or readonly="
                    )
                encoded = value.encode()
                if b"\0" in encoded:
                    raise refused("22021", f'invalid byte sequence for encoding "UTF8" in setting {name}: 0x00')
                values += (name.encode(), encoded)
        if identity is not None and role is not None:
            # After the caller's settings: some may be set by the login role only.
            member = self._role_members[identity.db_role]
            if identity.role_name is not None:
                member = b',"role":%b}' % _json(role)
            claims = identity.claims_json.encode()[:-1] + member
            values += (b"request.jwt.claims", claims, b"role", role)
        return Command(_set_configs(len(values) // 2), values) if values else None

    # -- notifications and events ---------------------------------------------------------------------------------

    def on_notify(self, channel: str, handler: Handler) -> None:
        """Register a handler of NOTIFY; see `contracts.Database.on_notify`."""
        self._listener.add(channel, handler)

    def start_listener(self) -> None:
        """Start to hear notifications in a thread of its own."""
        self._listener.start()

    def stop_listener(self) -> None:
        """Stop hearing notifications."""
        self._listener.stop()

    def attach_bus(self, bus: Publisher) -> None:
        """Let `tx.publish` reach an event bus."""
        self._bus = bus

    # -- the server -----------------------------------------------------------------------------------------------

    def check_server(self) -> int:
        """Connect once and return `server_version_num`; BootError (exit 5) when it cannot serve Reactor."""
        return server.check(self.conninfo)

    def is_superuser_login(self) -> bool:
        """Tell whether the login role is a superuser."""
        return self._login_facts()[0]

    def service_role_bypasses_rls(self) -> bool:
        """Tell whether service access runs as the service role; otherwise it runs as the login role."""
        return self._login_facts()[1]

    def forget_login(self) -> None:
        """Ask about the login's rights anew; the roles were just made."""
        self._login = None

    def stats(self) -> PoolStats:
        """Count the pool's connections."""
        return self._pool.stats()

    def dispose(self) -> None:
        """Stop the listener and close every connection. The next use connects again, so it fits before a fork too."""
        self._listener.stop()
        self._pool.dispose()

    def _login_facts(self) -> tuple[bool, bool]:
        known = self._login
        if known is None:
            [result] = self.run(None, [Statement(_LOGIN, (self.roles.service,))])
            superuser, bypasses = result.rows[0]
            known = (superuser == b"t", bypasses == b"t")
            self._login = known
        return known

    def _get_alchemy(self) -> Alchemy:
        if self._alchemy is None:
            from reactor_kernel.db.alchemy import Alchemy

            with self._lock:
                if self._alchemy is None:
                    self._alchemy = Alchemy(self._connect_apart)
        return self._alchemy

    def _connect_apart(self) -> Link:
        return self._pool.connect()

    def _get_bus(self) -> Publisher:
        if self._bus is None:
            raise InternalError("no event bus is attached to this database: events cannot be published through it")
        return self._bus


_SET_CONFIGS: dict[int, str] = {}


def _set_configs(count: int) -> str:
    text = _SET_CONFIGS.get(count)
    if text is None:
        calls = (f"set_config(${2 * at + 1}, ${2 * at + 2}, true)" for at in range(count))
        text = _SET_CONFIGS[count] = f"SELECT {', '.join(calls)}"
    return text


def _json(text: bytes) -> bytes:
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
