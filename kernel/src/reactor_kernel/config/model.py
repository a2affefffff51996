"""The kernel's own sections of Reactor.toml (contract kernel.md §2.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from reactor_kernel.config.values import (
    Address,
    LogFilter,
    Network,
    parse_address,
    parse_environment,
    parse_log_filter,
    parse_network,
)
from reactor_kernel.contracts.runtime import Project
from reactor_kernel.contributions.config import ConfigSection
from reactor_kernel.ids import NIL, derive_project_ref, is_project_ref, parse_project_id

_MASTER_KEY = re.compile(r"[0-9a-fA-F]{64}\Z")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?\Z")
_ROLE = re.compile(r"[a-z_][a-z0-9_]{0,62}\Z")


def _project_id(text: str) -> str:
    return str(parse_project_id(text))


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(parse_network(text) for text in texts)


@dataclass(frozen=True, slots=True)
class ProjectConfig:
    """`[project]`: what this server serves. `id` never changes once data exists."""

    name: str = field(default="", metadata={"doc": "Shown to people; empty is shown as reactor."})
    id: str = field(
        default=str(NIL),
        metadata={"doc": "UUID, or proj_ and 26 characters; written once, never changed.", "parse": _project_id},
    )
    ref: str | None = field(default=None, metadata={"doc": "20 characters of a-z and 0-9; derived from the id."})
    env: str = field(default="production", metadata={"doc": "production, preview or dev.", "parse": parse_environment})
    default_context: str | None = field(
        default=None, metadata={"doc": "The context of the tool that commands in this directory talk to."}
    )

    def problems(self) -> Iterable[tuple[str, str]]:
        if self.id == str(NIL) and self.env != "dev":
            yield "id", 'must be set unless project.env is "dev"'
        if self.ref is not None and not is_project_ref(self.ref):
            yield "ref", f'must be 20 characters of a-z and 0-9, not "{self.ref}"'


@dataclass(frozen=True, slots=True)
class CorsConfig:
    """`[server.cors]`: off unless origins are listed."""

    allow_origins: tuple[str, ...] = field(
        default=(), metadata={"doc": 'Origins such as https://app.example.com, or "*".'}
    )
    allow_methods: tuple[str, ...] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    allow_headers: tuple[str, ...] = field(
        default=("*",), metadata={"doc": '"*" answers with the headers that the preflight asked for.'}
    )
    expose_headers: tuple[str, ...] = ("X-Request-Id", "Retry-After", "Content-Range")
    allow_credentials: bool = False
    max_age_secs: int = field(default=600, metadata={"min": 0})

    def problems(self) -> Iterable[tuple[str, str]]:
        for index, origin in enumerate(self.allow_origins):
            if origin not in ("*", "null") and not _ORIGIN.match(origin):
                yield f"allow_origins[{index}]", f'must be an origin such as https://app.example.com, not "{origin}"'
        if self.allow_credentials and "*" in self.allow_origins:
            yield "allow_credentials", 'must be false while allow_origins holds "*"; list the origins instead'


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """`[server]`: the listener, its workers and its limits."""

    bind: Address = field(
        default=Address("0.0.0.0", 8000), metadata={"doc": "host:port to listen on.", "parse": parse_address}
    )
    engine: str = field(default="waitress", metadata={"doc": "The HTTP server to run under."})
    workers: int = field(default=1, metadata={"doc": "Processes that share the port.", "min": 1, "max": 256})
    threads: int = field(default=8, metadata={"doc": "Requests at a time per worker.", "min": 1, "max": 1024})
    max_streams: int = field(
        default=-1,
        metadata={"doc": "Open streams per worker; below threads, half of them unless set.", "min": 0},
    )
    request_timeout_secs: int = field(default=30, metadata={"min": 1})
    drain_timeout_secs: int = field(default=30, metadata={"doc": "Time to finish work at shutdown.", "min": 0})
    max_body_bytes: int = field(default=2 * 1024 * 1024, metadata={"doc": "Unless a route says more.", "min": 1024})
    identify_order: tuple[str, ...] = field(
        default=(), metadata={"doc": "Plugins asked first who a caller is, in this order."}
    )
    trusted_proxies: tuple[Network, ...] = field(
        default=_networks("127.0.0.1/32", "::1/128", "fdaa::/16", "172.19.0.0/16"),
        metadata={"doc": "Networks whose forwarded headers are believed.", "parse": parse_network},
    )
    services: Mapping[str, str] = field(
        default_factory=dict, metadata={"doc": "Which plugin provides a contract that two of them offer."}
    )
    cors: CorsConfig = field(default_factory=CorsConfig)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port as the socket module takes them."""
        return (self.bind.host, self.bind.port)

    def __post_init__(self) -> None:
        if self.max_streams == -1:
            object.__setattr__(self, "max_streams", self.threads // 2)

    def problems(self) -> Iterable[tuple[str, str]]:
        if self.max_streams >= self.threads:
            yield "max_streams", f"must be below server.threads ({self.threads}), not {self.max_streams}"


@dataclass(frozen=True, slots=True)
class RolesConfig:
    """`[database.roles]`: the database roles that requests run as."""

    anon: str = "reactor_anon"
    authenticated: str = "reactor_authenticated"
    service: str = "reactor_service"

    def problems(self) -> Iterable[tuple[str, str]]:
        names = {"anon": self.anon, "authenticated": self.authenticated, "service": self.service}
        for key, name in names.items():
            if not _ROLE.match(name) or name.startswith("pg_"):
                yield key, f'must be a lower-case Postgres role name that does not start with pg_, not "{name}"'
        for key, other in (("authenticated", "anon"), ("service", "anon"), ("service", "authenticated")):
            if names[key] == names[other]:
                yield key, f"must differ from database.roles.{other}"


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    """`[database]`: the one Postgres of the project."""

    url: str = field(
        default="embedded",
        repr=False,
        metadata={"doc": '"embedded" runs a Postgres under .reactor/postgres; otherwise postgresql://…'},
    )
    pool_max: int = field(default=20, metadata={"doc": "Connections per worker.", "min": 1})
    acquire_timeout_secs: int = field(default=5, metadata={"min": 1})
    roles: RolesConfig = field(default_factory=RolesConfig)

    def problems(self) -> Iterable[tuple[str, str]]:
        if not self.url:
            yield "url", "must not be empty"
        elif self.url != "embedded" and not self.url.startswith(("postgres://", "postgresql://")):
            yield "url", 'must be "embedded" or start with postgresql://'


@dataclass(frozen=True, slots=True)
class TracingConfig:
    """`[tracing]`: what is logged and how."""

    filter: LogFilter = field(
        default_factory=LogFilter,
        metadata={"doc": "level[,target=level…]; REACTOR_LOG overrides it.", "parse": parse_log_filter},
    )
    fmt: Literal["json", "pretty"] = "json"


@dataclass(frozen=True, slots=True)
class AdminConfig:
    """`[admin]`: who may call /_admin."""

    token: str = field(repr=False, metadata={"doc": "The admin bearer, 32 characters or more."})
    allow_remote: bool = field(default=False, metadata={"doc": "Answer callers that are not on this machine."})

    def problems(self) -> Iterable[tuple[str, str]]:
        if not self.token:
            yield "token", "must not be empty"
        elif not (self.token.isascii() and self.token.isprintable()) or " " in self.token:
            yield "token", "must be visible ASCII characters, because it travels in a header"

    def advice(self) -> Iterable[tuple[str, str]]:
        if 0 < len(self.token) < 32:
            yield "token", f"has {len(self.token)} characters; use 32 or more"


@dataclass(frozen=True, slots=True)
class VaultConfig:
    """`[vault]`: where secrets and encryption keys are kept.

    `openbao` and its keys are accepted so that a file can be checked, but opening that backend says that it is not
    available in this version.
    """

    backend: Literal["embedded", "openbao", "mock"] = field(
        default="embedded", metadata={"doc": "embedded, or mock for tests; openbao is not available in this version."}
    )
    path: Path = field(default=Path(".reactor/vault"), metadata={"doc": "Directory of the embedded backend."})
    master_key: str | None = field(
        default="env:REACTOR_VAULT_MASTER_KEY",
        repr=False,
        metadata={"doc": "64 hexadecimal characters that encrypt the vault; losing them loses every secret."},
    )
    cache_ttl_secs: int = field(default=300, metadata={"doc": "How long a read is kept in memory.", "min": 0})
    address: str | None = None
    namespace: str | None = None
    auth_method: Literal["token", "approle"] = "token"
    token: str | None = field(default=None, repr=False)
    role_id: str | None = None
    secret_id_file: str | None = None
    ca_cert: str | None = None
    kv_mount: str = "secret"
    transit_mount: str = "transit"
    approle_mount: str = "approle"

    def problems(self) -> Iterable[tuple[str, str]]:
        if self.backend == "embedded" and self.master_key is not None and not _MASTER_KEY.match(self.master_key):
            yield "master_key", "must be 64 hexadecimal characters (32 bytes)"
        if self.backend == "openbao":
            if not self.address:
                yield "address", 'required when vault.backend is "openbao"'
            if self.auth_method == "token" and not self.token:
                yield "token", 'required when vault.auth_method is "token"'
            if self.auth_method == "approle":
                for key, value in (("role_id", self.role_id), ("secret_id_file", self.secret_id_file)):
                    if not value:
                        yield key, 'required when vault.auth_method is "approle"'


@dataclass(frozen=True, slots=True)
class OpsConfig:
    """`[ops]`: the operator surface. The defaults are those of production in every environment (decision 7)."""

    enabled: bool = True
    trusted_networks: tuple[Network, ...] = field(
        default=_networks("127.0.0.0/8", "::1/128", "fdaa::/16"),
        metadata={"doc": "Networks that operators may call from.", "parse": parse_network},
    )
    session_ttl_secs: int = field(default=1800, metadata={"min": 60})
    step_up_window_secs: int = field(default=300, metadata={"min": 1})
    audit_retention_days: int = field(default=365, metadata={"min": 1})
    require_step_up_for: tuple[str, ...] = field(
        default=("ops:cluster_admin", "vault:write", "cloud:projects:delete"),
        metadata={"doc": "Scopes that need a fresh second factor.", "literal": True},  # vault:write is a scope here
    )


@dataclass(frozen=True, slots=True)
class KernelConfig:
    """Every section of the kernel, bound."""

    project: ProjectConfig
    server: ServerConfig
    database: DatabaseConfig
    tracing: TracingConfig
    admin: AdminConfig
    vault: VaultConfig
    ops: OpsConfig


KERNEL_SECTIONS: dict[str, ConfigSection] = {
    "project": ConfigSection(ProjectConfig),
    "server": ConfigSection(ServerConfig),
    "database": ConfigSection(DatabaseConfig, secrets=("url",)),
    "tracing": ConfigSection(TracingConfig),
    "admin": ConfigSection(AdminConfig, secrets=("token",)),
    "vault": ConfigSection(VaultConfig, secrets=("master_key", "token")),
    "ops": ConfigSection(OpsConfig),
}


def make_project(config: ProjectConfig, root: Path) -> Project:
    """Say which project this is; a ref that is not configured is derived from the id."""
    return Project(
        id=config.id,
        ref=config.ref or derive_project_ref(parse_project_id(config.id)),
        name=config.name or "reactor",
        env=config.env,
        root=root,
    )
