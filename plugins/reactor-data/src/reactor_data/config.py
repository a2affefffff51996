"""The section `[data]` (contract data.md §2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from reactor_data.claims import claim_path

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}\Z")
_FUNCTION = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_$]{0,62}\.)?[A-Za-z_][A-Za-z0-9_$]{0,62}\Z")
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(?:\.[A-Za-z_][A-Za-z0-9_$]*)*\Z")
_TX_ENDS = ("commit", "commit-allow-override", "rollback", "rollback-allow-override")


def _public() -> list[str]:
    return ["public"]


def _hoisted() -> list[str]:
    return ["statement_timeout", "plan_filter.statement_cost_limit", "default_transaction_isolation"]


@dataclass(frozen=True, slots=True)
class DataConfig:
    """How rows are exposed and where their migrations are."""

    migrations_dir: str = field(
        default="migrations", metadata={"doc": "directory of *.sql migrations, relative to the project root"}
    )
    run_migrations: bool = field(default=True, metadata={"doc": "apply pending migrations at boot"})
    dialect: str = field(
        default="postgres",
        metadata={
            "doc": "SQL of migrations: all of Postgres, or only the portable subset",
            "choices": ("postgres", "portable"),
        },
    )
    user_schema: str = field(
        default="public",
        metadata={"doc": "the schemas whose relations are exposed, separated by commas; the first is the default"},
    )
    extra_search_path: list[str] = field(
        default_factory=_public, metadata={"doc": "further schemas on the search path, not exposed"}
    )
    anon_role: str | None = field(
        default=None, metadata={"doc": "database role of requests without a token; unset = 401 for them"}
    )
    authenticated_role: str | None = field(
        default=None, metadata={"doc": "database role of users; only checked against [database.roles] authenticated"}
    )
    service_role: str | None = field(
        default=None, metadata={"doc": "database role of services; only checked against [database.roles] service"}
    )
    role_claim: str | None = field(
        default="$.role", metadata={"doc": "path of the token's claim that names another database role"}
    )
    max_limit: int = field(default=1000, metadata={"doc": "most rows one read returns", "min": 1})
    default_limit: int = field(
        default=100, metadata={"doc": "rows of a read that sets no limit; 0 = up to max_limit", "min": 0}
    )
    max_embed_depth: int = field(default=5, metadata={"doc": "how deep embeds may be nested", "min": 1})
    aggregates_enabled: bool = field(default=False, metadata={"doc": "allow count(), sum() … in select"})
    url_legacy_target_names: bool = field(
        default=True, metadata={"doc": "let parameters of an aliased embed use the relation's name, with a warning"}
    )
    statement_timeout_ms: int = field(
        default=30000, metadata={"doc": "milliseconds a statement may take; 0 = no limit", "min": 0}
    )
    pre_request: str | None = field(
        default=None, metadata={"doc": "schema.function called in every transaction before its statement"}
    )
    tx_end: str = field(
        default="commit",
        metadata={"doc": "how transactions end, and whether Prefer: tx= may say otherwise", "choices": _TX_ENDS},
    )
    hoisted_tx_settings: list[str] = field(
        default_factory=_hoisted, metadata={"doc": "SET clauses of a function that apply to its whole transaction"}
    )
    safe_update: bool = field(default=False, metadata={"doc": "refuse PATCH and DELETE without a filter"})
    max_body_bytes: int = field(
        default=32 * 1024 * 1024, metadata={"doc": "bytes of a request body of rows", "min": 1024}
    )
    plan_enabled: bool = field(default=False, metadata={"doc": "answer application/vnd.pgrst.plan with EXPLAIN"})
    openapi_mode: str = field(
        default="follow-privileges",
        metadata={
            "doc": "what /data/v1/ describes: the caller's rights, everything, or nothing",
            "choices": ("follow-privileges", "ignore-privileges", "disabled"),
        },
    )
    table_permissions: str = field(
        default="off",
        metadata={"doc": "enforce demands the permission data:<table>:read or :write", "choices": ("enforce", "off")},
    )
    rpc_permission: str = field(
        default="grants",
        metadata={"doc": "enforce demands the permission data:rpc:<name>:invoke", "choices": ("enforce", "grants")},
    )
    server_timing_enabled: bool = field(default=False, metadata={"doc": "answer with Server-Timing"})
    metrics: bool = field(default=False, metadata={"doc": "serve /data/v1/metrics"})
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

    @property
    def schemas(self) -> tuple[str, ...]:
        """The exposed schemas, the default one first."""
        return tuple(dict.fromkeys(name.strip() for name in self.user_schema.split(",")))

    @property
    def override_allowed(self) -> bool:
        """Tell whether `Prefer: tx=` counts."""
        return self.tx_end.endswith("-allow-override")

    @property
    def rolls_back(self) -> bool:
        """Tell whether transactions are rolled back where nobody says otherwise."""
        return self.tx_end.startswith("rollback")

    def problems(self) -> Iterable[tuple[str, str]]:
        """Report values that are of the right type and still cannot work."""
        for key, name in (
            *(("user_schema", schema) for schema in self.schemas),
            ("schema_channel", self.schema_channel),
            *(("extra_search_path", schema) for schema in self.extra_search_path),
        ):
            if not _IDENTIFIER.match(name):
                yield key, f"{name!r} is not a plain identifier"
        for key, names in (("user_schema", self.schemas), ("extra_search_path", tuple(self.extra_search_path))):
            for schema in names:
                if schema.startswith(("_reactor_", "pg_")) or schema == "information_schema":
                    yield key, f"{schema} belongs to the platform and cannot be exposed"
        if self.pre_request is not None and not _FUNCTION.match(self.pre_request):
            yield "pre_request", f"{self.pre_request!r} is not a function such as public.check_request"
        for setting in self.hoisted_tx_settings:
            if not _SETTING.match(setting):
                yield "hoisted_tx_settings", f"{setting!r} is not the name of a setting"
        if self.role_claim is not None and claim_path(self.role_claim) is None:
            yield "role_claim", f"{self.role_claim!r} is not a path such as $.role or $.app_metadata.roles[0]"
