"""The snapshot in use, replaced when the database says it changed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence

from reactor_data.catalog import queries
from reactor_data.catalog.loading import Loader
from reactor_data.catalog.model import Relation, Schema, Snapshot
from reactor_data.errors import schema_not_exposed
from reactor_kernel.api import Clock, Database, DbRole, Identity, IdentityKind, ReactorError, Statement

DEBOUNCE_SECS = 0.1
# What was made without a notice is found by asking for it, but a flood of unknown names must not become one of catalogue
# queries.
MISS_RELOAD_SECS = 1.0


class SchemaCache:
    """Hands out the current snapshot of the exposed schemas.

    `schema` is a name or a comma list of them; the first is the default, which a `profile` of None means. No request queries
    the catalogue: a snapshot is loaded at the first use, after a notice on the schema channel, after the listener lost its
    connection, and after Postgres contradicted the present one.
    """

    def __init__(
        self,
        database: Database,
        *,
        schema: str,
        extra_search_path: Sequence[str],
        clock: Clock,
        log: logging.Logger,
    ) -> None:
        self._db = database
        self.schemas = schema_names(schema)
        self._extra = tuple(extra_search_path)
        self._loader = Loader(self.schemas, extra_search_path)
        self._role_names: dict[DbRole, str] = {}
        self._clock = clock
        self._log = log
        self._lock = threading.Lock()
        self._current: Snapshot | None = None
        self._stale = False
        self._looked_at = 0.0
        self._loads = 0
        self._timer: threading.Timer | None = None

    @property
    def loads(self) -> int:
        """How many snapshots were loaded."""
        return self._loads

    @property
    def search_path(self) -> list[str]:
        """The search path of statements on the default schema."""
        return list(self._loader.search_path(self.schemas[0]))

    def exposed(self, profile: str | None) -> str:
        """Return the schema that a profile means. Raises 406 `schema_not_exposed`."""
        if profile is None:
            return self.schemas[0]
        if profile not in self.schemas:
            raise schema_not_exposed(profile, self.schemas)
        return profile

    def current(self, profile: str | None = None) -> Schema:
        """Return a schema as it is, loading a snapshot first where there is none that can be trusted.

        Raises:
            DataError: 406 `schema_not_exposed`.
        """
        return self.snapshot().schemas[self.exposed(profile)]

    def snapshot(self) -> Snapshot:
        """Return the snapshot, loading one first where there is none that can be trusted."""
        snapshot = self._current
        if snapshot is None or self._stale:
            return self._reload(0 if snapshot is None else snapshot.version)
        return snapshot

    def loaded(self) -> Snapshot | None:
        """Return the present snapshot without loading one."""
        return self._current

    def reload(self, *, unless_newer_than: int | None = None) -> Schema:
        """Load a snapshot and return its default schema.

        `unless_newer_than` is the version the caller found wanting: when another thread has replaced it meanwhile, that
        one is returned.
        """
        return self._reload(unless_newer_than).schemas[self.schemas[0]]

    def role_settings(self, role: DbRole) -> Mapping[str, str]:
        """Return what `ALTER ROLE … SET` gives the database role of a kind of caller; switching to it does not apply it."""
        name = self._role_names.get(role)
        if name is None:
            identity = Identity(kind=IdentityKind.SERVICE, subject="reactor_data", db_role=role)
            (result,) = self._db.run(identity, [Statement("select current_user::text")], readonly=True)
            name = self._role_names[role] = (result.rows[0][0] or b"").decode()
        return self.snapshot().role_settings.get(name, {})

    def _reload(self, unless_newer_than: int | None) -> Snapshot:
        with self._lock:
            present = self._current
            wanted = self._loads if unless_newer_than is None else unless_newer_than
            if present is not None and not self._stale and present.version > wanted:
                return present
            self._stale = False
            try:
                results = self._db.run(None, queries.snapshot(self.schemas, self._extra), readonly=True)
                loaded = self._loader.snapshot(self._loads + 1, results)
            except BaseException:
                self._stale = True
                raise
            self._loads += 1
            self._looked_at = self._clock.monotonic()
            self._current = loaded
            return loaded

    def find(self, name: str, profile: str | None = None) -> tuple[Schema, Relation | None]:
        """Return the schema and the relation of that name, having looked again when it is unknown."""
        schema = self.current(profile)
        relation = schema.relations.get(name)
        if relation is None:
            schema = self.again(schema)
            relation = schema.relations.get(name)
        return schema, relation

    def again(self, schema: Schema) -> Schema:
        """Return a newer state of a schema in which something was not found, where the catalogue has gone on since."""
        return self._newer(schema.version).schemas[schema.name]

    def doubt(self, version: int) -> bool:
        """Take note that a snapshot was found wanting; return whether there is a newer one to try with."""
        return self._newer(version).version > version

    def _newer(self, version: int) -> Snapshot:
        snapshot = self.snapshot()
        if snapshot.version > version or self._clock.monotonic() - self._looked_at < MISS_RELOAD_SECS:
            return snapshot
        self._looked_at = self._clock.monotonic()
        (found,) = self._db.run(None, [queries.FINGERPRINT], readonly=True)
        return snapshot if found.rows[0][0] == snapshot.fingerprint else self._reload(version)

    def heard(self, payload: str | None) -> None:
        """Take a notice: None = some may have been missed, `reload schema` = reload soon, anything else is not for us."""
        if payload is None:
            self._stale = True
        elif payload == "reload schema" and self._timer is None:
            self._timer = threading.Timer(DEBOUNCE_SECS, self._reload_after_notice)
            self._timer.daemon = True
            self._timer.start()

    def close(self) -> None:
        """Drop a reload that is still waiting."""
        timer = self._timer
        if timer is not None:
            timer.cancel()

    def _reload_after_notice(self) -> None:
        self._timer = None
        try:
            self.reload()
        except ReactorError as error:
            # The next request tries again, because the snapshot is marked as stale.
            self._log.warning("the schema could not be reloaded: %s", error)


def schema_names(text: str) -> tuple[str, ...]:
    """Return the schemas of a comma list, each once."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
