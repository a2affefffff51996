"""The section `[data]` (contract data.md §2): the keys this version honours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}\Z")


@dataclass(frozen=True, slots=True)
class DataConfig:
    """How rows are exposed and where their migrations are."""

    migrations_dir: str = field(
        default="migrations", metadata={"doc": "directory of *.sql migrations, relative to the project root"}
    )
    run_migrations: bool = field(default=True, metadata={"doc": "apply pending migrations at boot"})
    user_schema: str = field(default="public", metadata={"doc": "the schema whose relations are exposed"})
    extra_search_path: list[str] = field(
        default_factory=list, metadata={"doc": "further schemas on the search path, not exposed"}
    )
    anon_role: str | None = field(
        default=None, metadata={"doc": "database role of requests without a token; unset = 401 for them"}
    )
    max_limit: int = field(default=1000, metadata={"doc": "most rows one read returns", "min": 1})
    default_limit: int = field(
        default=100, metadata={"doc": "rows of a read that sets no limit; 0 = up to max_limit", "min": 0}
    )
    statement_timeout_ms: int = field(
        default=30000, metadata={"doc": "milliseconds a statement may take; 0 = no limit", "min": 0}
    )
    safe_update: bool = field(default=False, metadata={"doc": "refuse PATCH and DELETE without a filter"})
    error_verbosity: str = field(
        default="verbose",
        metadata={"doc": "minimal drops details and hints of errors", "choices": ("verbose", "minimal")},
    )
    realtime: bool = field(
        default=True, metadata={"doc": "record changes and let clients subscribe to them; false removes the triggers"}
    )
    realtime_retention_secs: int = field(
        default=3600, metadata={"doc": "seconds for which a subscriber can resume from its last event", "min": 60}
    )
    schema_channel: str = field(
        default="reactor_data", metadata={"doc": "NOTIFY channel on which 'reload schema' refreshes the schema cache"}
    )

    def problems(self) -> Iterable[tuple[str, str]]:
        """Report values that are of the right type and still cannot work."""
        if "," in self.user_schema:
            yield "user_schema", "a list of schemas is not supported by this version; name one"
        for key, name in (
            ("user_schema", self.user_schema),
            ("schema_channel", self.schema_channel),
            *(("extra_search_path", schema) for schema in self.extra_search_path),
        ):
            if not _IDENTIFIER.match(name) and "," not in name:
                yield key, f"{name!r} is not a plain identifier"
        for schema in (self.user_schema, *self.extra_search_path):
            if schema.startswith(("_reactor_", "pg_")) or schema == "information_schema":
                yield "user_schema", f"{schema} belongs to the platform and cannot be exposed"
