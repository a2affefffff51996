"""Brings every plugin's schema to the revision its code ships, on one node at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from reactor_kernel import __version__
from reactor_kernel.contracts.db import Statement
from reactor_kernel.contributions.database import MigrationOutcome, MigrationStep, SchemaBranch
from reactor_kernel.db import roles
from reactor_kernel.db.conninfo import complete
from reactor_kernel.db.faults import translated
from reactor_kernel.db.locks import lock_id
from reactor_kernel.db.revisions import History, read_history
from reactor_kernel.errors import DatabaseFault, MigrationFailed, ReactorError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from reactor_kernel.db.database import PostgresDatabase

_log = logging.getLogger("reactor_kernel")
_LOCK = lock_id("reactor:migrate")
_LONGEST_WAIT = 600.0
_ROLES = "kernel:roles"
_EXISTING = """
SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = 'alembic_version' AND n.nspname = ANY ($1::text[])
"""
# Alembic's `op` and `context` are modules: two branches of one process run one after the other, whatever their databases.
_ALEMBIC = threading.Lock()


@dataclass(frozen=True, slots=True)
class PluginBranch:
    """What one plugin brings to migrating: its branch, if it has one, and steps that follow it."""

    plugin: str
    version: str
    branch: SchemaBranch | None
    steps: Sequence[MigrationStep] = ()


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What was applied (in a dry run: what would be) and what was there already, as "plugin:revision"."""

    applied: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Plan:
    entry: PluginBranch
    schema: str
    history: History | None
    pending: list[str]

    def names(self, revisions: Sequence[str]) -> list[str]:
        return [f"{self.entry.plugin}:{revision}" for revision in revisions]

    @property
    def done(self) -> list[str]:
        if self.history is None:
            return []
        return [revision for revision in self.history.order if revision not in self.pending]


class Migrator:
    """Applies the branches in the order given, the kernel's own before them.

    Each branch is one transaction: when a later one fails, the earlier stay applied. Nodes that start together wait for each
    other on an advisory lock.
    """

    def __init__(self, database: PostgresDatabase, branches: Sequence[PluginBranch]) -> None:
        own = PluginBranch("kernel", __version__, SchemaBranch("kernel", "reactor_kernel.db.migrations"))
        self._database = database
        self._entries = (own, *branches)

    def pending(self) -> list[str]:
        """Return what `run` would apply."""
        return self.run(dry_run=True).applied

    def run(self, dry_run: bool = False) -> MigrationReport:
        """Apply everything pending; in a dry run change nothing and report what would be applied.

        Raises:
            MigrationFailed: a revision or step was refused, the schema is ahead of the code, or a branch is malformed.
        """
        histories = [
            read_history(entry.plugin, entry.branch.package) if entry.branch is not None else None
            for entry in self._entries
        ]
        plans, roles_ready = self._plan(histories)
        report = MigrationReport()
        if dry_run:
            for plan in plans:
                report.applied.extend(plan.names(plan.pending))
                if plan.entry.plugin == "kernel" and not roles_ready:
                    report.applied.append(_ROLES)
                report.skipped.extend(plan.names(plan.done))
                self._steps(plan.entry, report, dry_run=True)
            return report
        if roles_ready and not any(plan.pending or plan.entry.steps for plan in plans):
            for plan in plans:
                report.skipped.extend(plan.names(plan.done))
            return report
        with self._locked() as lock:
            plans, roles_ready = self._plan(histories)  # another node may have been here first
            for plan in plans:
                self._apply(plan, report)
                report.skipped.extend(plan.names(plan.done))
                # After a revision of the kernel too: it may have brought helpers the roles must be able to call.
                if plan.entry.plugin == "kernel" and (plan.pending or not roles_ready):
                    roles.announce(lock, self._database.roles)
                    self._ensure_roles(lock)
                    if not roles_ready:
                        report.applied.append(_ROLES)
                self._steps(plan.entry, report, dry_run=False)
        return report

    # -- what is pending ------------------------------------------------------------------------------------------

    def _plan(self, histories: Sequence[History | None]) -> tuple[list[_Plan], bool]:
        schemas = {
            entry.plugin: f"_reactor_{entry.branch.label}" if entry.branch is not None else ""
            for entry in self._entries
        }
        recorded, roles_ready = self._recorded([schema for schema in schemas.values() if schema])
        plans = []
        for entry, history in zip(self._entries, histories, strict=True):
            schema = schemas[entry.plugin]
            pending: list[str] = []
            if history is not None:
                found = recorded.get(schema, [])
                for revision in found:
                    if revision not in history.parents:
                        raise _ahead(entry, revision)
                pending = history.after(found)
            plans.append(_Plan(entry, schema, history, pending))
        return plans, roles_ready

    def _recorded(self, schemas: Sequence[str]) -> tuple[dict[str, list[str]], bool]:
        """Read all version tables and the state of the roles, in one round trip once every table exists."""
        state = roles.state_statement(self._database.roles)
        try:
            versions, ready = self._database.run(None, [_versions(schemas), state], readonly=True)
        except DatabaseFault as fault:
            if fault.sqlstate not in ("42P01", "3F000"):
                raise
            listed = "{" + ",".join(f'"{schema}"' for schema in schemas) + "}"
            existing, ready = self._database.run(None, [Statement(_EXISTING, (listed,)), state], readonly=True)
            there = [str(row[0], "utf-8") for row in existing.rows if row[0] is not None]
            if not there:
                return {}, ready.rows[0][0] == b"t"
            [versions] = self._database.run(None, [_versions(there)], readonly=True)
        found: dict[str, list[str]] = {}
        for schema, revision in versions.rows:
            if schema is not None and revision is not None:
                found.setdefault(schema.decode(), []).append(revision.decode())
        return found, ready.rows[0][0] == b"t"

    # -- doing it -------------------------------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[psycopg.Connection[Any]]:
        # A connection of its own: a session lock must not end up in the pool, and ends with this process whatever happens.
        conninfo = complete(self._database.dsn, connect_timeout=10, application_name="reactor-migrate")
        try:
            lock = psycopg.Connection.connect(conninfo, autocommit=True)
        except psycopg.Error as problem:
            raise translated(problem) from problem
        with lock:
            began = time.monotonic()
            told = False
            # Asked again and again rather than waited for in the server, where the waiting statement's snapshot would hold up
            # a CREATE INDEX CONCURRENTLY of the very migration it waits for.
            while not _one(lock, "SELECT pg_try_advisory_lock(%s)", _LOCK):
                waited = time.monotonic() - began
                if waited > _LONGEST_WAIT:
                    raise MigrationFailed(
                        f"another node has been migrating for {_LONGEST_WAIT:.0f} s",
                        hint="Look for it with: SELECT * FROM pg_stat_activity WHERE application_name = 'reactor-migrate'",
                        details={"capability": "kernel", "revision": None, "sql_error": None, "applied": []},
                    )
                if waited > 5 and not told:
                    told = True
                    _log.info("waiting for another node that is migrating")
                time.sleep(0.05)
            yield lock

    def _ensure_roles(self, connection: psycopg.Connection[Any]) -> None:
        try:
            roles.ensure(connection, self._database.roles)
        except psycopg.Error as problem:
            raise _failed("kernel", "roles", problem, []) from problem
        self._database.forget_login()

    def _apply(self, plan: _Plan, report: MigrationReport) -> None:
        if not plan.pending or plan.history is None:
            return
        from sqlalchemy import create_engine, text
        from sqlalchemy.pool import NullPool

        conninfo = complete(self._database.dsn, connect_timeout=10, application_name="reactor-migrate")
        engine = create_engine(
            "postgresql+psycopg://", creator=lambda: psycopg.Connection.connect(conninfo), poolclass=NullPool
        )
        applied: list[str] = []
        try:
            with engine.connect() as connection:
                raw = connection.connection.dbapi_connection
                assert raw is not None
                roles.announce(raw, self._database.roles)  # type: ignore[arg-type]
                connection.commit()
                with connection.begin():
                    connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{plan.schema}"'))
                    _upgrade(plan.history.directory, plan.schema, connection, applied)
        except Exception as problem:
            failed = next((revision for revision in plan.pending if revision not in applied), plan.pending[-1])
            raise _failed(plan.entry.plugin, failed, problem, report.applied) from problem
        finally:
            engine.dispose()
        report.applied.extend(plan.names(plan.pending))

    def _steps(self, entry: PluginBranch, report: MigrationReport, *, dry_run: bool) -> None:
        for step in entry.steps:
            try:
                outcome: MigrationOutcome = step.apply(dry_run)
            except MigrationFailed as problem:
                problem.details = {
                    "revision": step.name,
                    "sql_error": None,
                    **problem.details,
                    "capability": entry.plugin,
                    "applied": list(report.applied),
                }
                raise
            except Exception as problem:
                raise _failed(entry.plugin, step.name, problem, report.applied) from problem
            report.applied.extend(f"{entry.plugin}:{name}" for name in outcome.applied)
            report.skipped.extend(f"{entry.plugin}:{name}" for name in outcome.skipped)


def _versions(schemas: Sequence[str]) -> Statement:
    # The names are `_reactor_` and a plugin's label, which PluginInfo restricts to letters, digits and underscores.
    parts = (f"SELECT '{schema}', version_num FROM \"{schema}\".alembic_version" for schema in schemas)
    return Statement(" UNION ALL ".join(parts), prepare=False)


def _upgrade(directory: Path, schema: str, connection: Connection, applied: list[str]) -> None:
    """Run Alembic up to the head of one directory, noting each revision that went through."""
    with _ALEMBIC:
        from alembic.config import Config
        from alembic.runtime.environment import EnvironmentContext
        from alembic.script import ScriptDirectory

        config = Config()
        config.attributes.update(
            connection=connection,
            schema=schema,
            on_version_apply=lambda *, step, **_: applied.extend(step.up_revision_ids),
        )
        script = ScriptDirectory(str(Path(__file__).parent / "alembic_env"), version_locations=[str(directory)])

        def steps(revision: Any, context: Any) -> Any:
            return script._upgrade_revs("heads", revision)

        with EnvironmentContext(config, script, fn=steps, destination_rev="heads"):
            script.run_env()


def _ahead(entry: PluginBranch, revision: str) -> MigrationFailed:
    return MigrationFailed(
        f"plugin {entry.plugin}: the database is at revision {revision}, which this version ({entry.version}) does not have; "
        f"upgrade reactor-{entry.plugin} or restore a backup",
        details={"capability": entry.plugin, "revision": revision, "sql_error": None, "applied": []},
    )


def _failed(plugin: str, revision: str, problem: Exception, applied: Sequence[str]) -> MigrationFailed:
    original = getattr(problem, "orig", None) or problem
    shown = translated(original) if isinstance(original, psycopg.Error) else original
    if isinstance(shown, DatabaseFault):
        reason = shown.primary
    elif isinstance(shown, ReactorError):
        reason = shown.message
    else:
        reason = f"{type(shown).__name__}: {shown}"
    return MigrationFailed(
        f"plugin {plugin}: migration {revision} failed: {reason}",
        details={"capability": plugin, "revision": revision, "sql_error": reason, "applied": list(applied)},
    )


def _one(connection: psycopg.Connection[Any], query: str, *parameters: object) -> Any:
    row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return row[0]
