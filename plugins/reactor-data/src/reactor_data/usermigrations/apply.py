"""Applying migration files: one transaction each, with its history, policies and the notice to reload."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reactor_data import __version__
from reactor_data.catalog.cache import schema_names
from reactor_data.errors import migration_drift, migration_failed
from reactor_data.lint.files import lint_file
from reactor_data.lint.linter import new_findings
from reactor_data.lint.model import Finding
from reactor_data.lint.portable import portability
from reactor_data.realtime.recording import keep_recording
from reactor_data.sql.script import Step, parse_script
from reactor_data.sql.source import SqlComplaint
from reactor_data.usermigrations import queries
from reactor_data.usermigrations.files import MigrationFile, read_migrations
from reactor_data.usermigrations.roles import RoleSet, discover_roles
from reactor_data.usermigrations.session import FileSession
from reactor_kernel.api import Database, DatabaseFault, MigrationFailed, MigrationOutcome, Statement

Pending = list[tuple[MigrationFile, list[Step]]]


@dataclass(frozen=True, slots=True)
class UserMigrationOutcome(MigrationOutcome):
    """What was applied, and what in it is rarely meant."""

    warnings: tuple[Finding, ...] = ()


class UserMigrations:
    """The project's `*.sql` migrations against one database.

    `user_schema` is the exposed schema, or a comma list of them: unqualified names of a migration mean the first.
    `findings` looks the database over before and after; without it only the files' own text is looked at.
    """

    def __init__(
        self,
        database: Database,
        *,
        directory: Path,
        root: Path,
        user_schema: str,
        extra_search_path: Sequence[str] = (),
        anon_role: str | None = None,
        authenticated_role: str | None = None,
        service_role: str | None = None,
        channel: str,
        realtime: bool = True,
        dialect: str = "postgres",
        findings: Callable[[], Sequence[Finding]] | None = None,
        log: logging.Logger | None = None,
    ) -> None:
        self._db = database
        self._directory = directory
        self._root = root
        self._exposed = schema_names(user_schema)
        self._schema = self._exposed[0]
        self._search_path = list(dict.fromkeys((self._schema, *extra_search_path)))
        self._roles = (anon_role, authenticated_role, service_role)
        self._channel = channel
        self._realtime = realtime
        self._portable = dialect == "portable"
        self._findings = findings
        self._log = log or logging.getLogger("reactor_data")

    def apply(self, dry_run: bool = False) -> UserMigrationOutcome:
        """Apply what is not yet applied; in a dry run only tell, having read every pending file.

        Several servers may do so at once: each file is applied by one of them, while the others wait for it.

        Raises:
            MigrationFailed: a file cannot be read or a statement was refused; earlier files stay applied.
            MigrationDrift: an applied file was changed; nothing runs.
        """
        files = read_migrations(self._directory, self._root)
        history = self._history(dry_run)
        for file in files:
            _demand_unchanged(file, history.get(file.version))
        pending = self._read(file for file in files if file.version not in history)
        skipped = [file.version for file in files if file.version in history]
        written = [finding for file, steps in pending for finding in lint_file(file.source, steps)]
        if dry_run:
            return UserMigrationOutcome(tuple(file.version for file, _ in pending), tuple(skipped), tuple(written))
        roles = discover_roles(self._db, *self._roles)
        self._prepare(roles)
        before = self._findings() if pending and self._findings is not None else ()
        applied: list[str] = []
        for file, steps in pending:
            (applied if self._apply_file(file, steps, roles) else skipped).append(file.version)
        warnings = new_findings(before, self._findings()) if applied and self._findings is not None else written
        for warning in warnings:
            self._log.warning("%s", warning)
        return UserMigrationOutcome(tuple(applied), tuple(skipped), tuple(warnings))

    def _history(self, dry_run: bool) -> dict[str, str]:
        try:
            (result,) = self._db.run(None, [queries.HISTORY], readonly=True)
        except DatabaseFault as fault:
            # A dry run on a new database finds no history table yet: nothing is applied.
            if dry_run and fault.sqlstate in ("42P01", "3F000"):
                return {}
            raise
        return {_text(version): _text(digest) for version, digest in result.rows}

    def _read(self, files: Iterable[MigrationFile]) -> Pending:
        """Parse every pending file before the first one runs; all complaints come together."""
        pending: Pending = []
        complaints: list[tuple[MigrationFile, SqlComplaint]] = []
        for file in files:
            try:
                pending.append((file, parse_script(file.source)))
                if self._portable:
                    complaints += [(file, one) for one in portability(file.source, self._schema)]
            except SqlComplaint as complaint:
                complaints.append((file, complaint))
        if complaints:
            raise _refused(complaints)
        return pending

    def _prepare(self, roles: RoleSet) -> None:
        """Make the types and the generator once, and let derived policies follow the configured roles."""
        with self._db.begin() as tx:
            tx.run([queries.LOCK])
            found, version, policies, schemas, trigger = tx.run(
                [
                    queries.find_domain(self._schema),
                    Statement("select current_setting('server_version_num')"),
                    queries.POLICY_ROLES,
                    queries.SCHEMAS,
                    queries.find_ddl_trigger(self._channel),
                ]
            )
            if not found.rows:
                modern = int(_text(version.rows[0][0])) >= 180000
                tx.run(queries.make_foundation(self._schema, roles.granted, server_has_uuidv7=modern))
                present = {_text(row[0]) for row in schemas.rows}
                for schema in self._exposed[1:]:
                    if schema in present:
                        tx.run(queries.open_schema(schema, roles.granted))
            if not trigger.rows and self._db.is_superuser_login():
                tx.run(queries.make_ddl_trigger(self._channel))
            stale = [
                queries.alter_policy_roles(_text(schema), _text(table), _text(name), roles.callers)
                for schema, table, name, applied in policies.rows
                if set(_text(applied).split(",")) != set(roles.callers)
            ]
            if stale:
                tx.run(stale)

    def _apply_file(self, file: MigrationFile, steps: list[Step], roles: RoleSet) -> bool:
        """Apply a file; return False where another server has done so meanwhile."""
        try:
            with self._db.begin() as tx:
                _, recorded = tx.run([queries.LOCK, queries.recorded(file.version)])
                if recorded.rows:
                    _demand_unchanged(file, _text(recorded.rows[0][0]))
                    return False
                session = FileSession(tx, file, self._exposed, roles)
                tx.run([queries.set_search_path(self._search_path)])
                session.observe()
                for step in steps:
                    session.perform(step)
                session.finish()
                keep_recording(tx, self._exposed, enabled=self._realtime)
                tx.run(
                    [*queries.FORGET_SESSION, queries.record(file.version, file.sha256, f"reactor-data {__version__}")]
                )
                tx.notify(self._channel, "reload schema")
            return True
        except SqlComplaint as complaint:
            raise _refused([(file, complaint)]) from complaint
        except DatabaseFault as fault:
            # A deferred constraint speaks up at the commit, where no statement is to blame.
            raise migration_failed(
                f"{file.source.name}: {fault.primary}",
                revision=file.version,
                sql_error=str(fault),
                hint=fault.db_hint,
            ) from fault


def _demand_unchanged(file: MigrationFile, recorded: str | None) -> None:
    if recorded is not None and recorded != file.sha256.hex():
        raise migration_drift(file.source.name, file.version, recorded, file.sha256.hex())


def _refused(complaints: Sequence[tuple[MigrationFile, SqlComplaint]]) -> MigrationFailed:
    shown = "\n".join(complaint.describe(file.source) for file, complaint in complaints)
    file, first = complaints[0]
    line, column = file.source.position(first.start)
    failed = migration_failed(shown, revision=file.version, sql_error=first.reason, hint=first.fix)
    failed.details.update(
        file=file.source.name, line=line, column=column, offending=first.offending(file.source), fix=first.fix
    )
    return failed


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode()
