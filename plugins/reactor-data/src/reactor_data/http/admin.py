"""`/data/v1/_admin/*` (contract data.md §3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from reactor_data.admin import Administration
from reactor_data.errors import invalid_body
from reactor_data.usermigrations.apply import UserMigrationOutcome

if TYPE_CHECKING:
    import falcon

_JSON = "application/json; charset=utf-8"


class QueryBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `_admin/query`."""

    sql: str
    params: dict[str, Any] = {}
    write: bool = False


_QUERY = msgspec.json.Decoder(QueryBody)


class TablesResource:
    """The exposed relations."""

    def __init__(self, administration: Administration) -> None:
        self._administration = administration

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List names."""
        _send(resp, self._administration.tables())

    def on_get_table(self, req: falcon.Request, resp: falcon.Response, table: str) -> None:
        """Describe one."""
        _send(resp, self._administration.table(table))


class QueryResource:
    """SQL, read-only unless asked otherwise."""

    def __init__(self, administration: Administration) -> None:
        self._administration = administration

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Run one statement."""
        try:
            body = _QUERY.decode(req.bounded_stream.read())
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            hint = 'Send {"sql": "…", "params": {"name": value}, "write": false}.'
            raise invalid_body(f"the body cannot be used: {error}", hint=hint) from error
        found = self._administration.query(body.sql, body.params, write=body.write)
        answer: dict[str, object] = {"columns": found.columns, "rows": found.rows}
        if found.affected is not None:
            answer["rows_affected"] = found.affected
        _send(resp, answer)


class MigrateResource:
    """The project's pending migrations."""

    def __init__(self, migrate: Callable[[bool], UserMigrationOutcome], reload: Callable[[], object]) -> None:
        self._migrate = migrate
        self._reload = reload

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Apply them; with `dry_run=true` only tell which."""
        dry_run = req.get_param_as_bool("dry_run") or False
        outcome = self._migrate(dry_run)
        if not dry_run:
            self._reload()
        answer: dict[str, object] = {
            "applied": list(outcome.applied),
            "pending": list(outcome.applied) if dry_run else [],
        }
        if outcome.warnings:
            answer["warnings"] = outcome.warnings
        _send(resp, answer)


def _send(resp: falcon.Response, value: object) -> None:
    resp.content_type = _JSON
    resp.data = msgspec.json.encode(value, enc_hook=str)
