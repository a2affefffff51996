"""The kernel's own sections: defaults, parsed values and every refusal."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor_kernel.config.binder import Bound
from reactor_kernel.config.model import KERNEL_SECTIONS, KernelConfig, ProjectConfig, make_project
from reactor_kernel.config.values import LEVELS, Address, parse_address, parse_log_filter, parse_network

Messages = Callable[[Bound], list[str]]
TOKEN = "0123456789abcdef0123456789abcdef"
SOUND = f"[project]\nenv = 'dev'\n[admin]\ntoken = '{TOKEN}'\n"


def test_the_defaults(project: Any) -> None:
    bound = project.bind(KERNEL_SECTIONS, SOUND)
    assert (bound.faults, bound.warnings) == ([], [])
    config = KernelConfig(**bound.values)
    assert config.server.bind == Address("0.0.0.0", 8000)
    assert (config.server.engine, config.server.workers, config.server.threads, config.server.max_streams) == (
        "waitress",
        1,
        8,
        4,
    )
    assert (config.server.request_timeout_secs, config.server.drain_timeout_secs) == (30, 30)
    assert config.server.max_body_bytes == 2097152
    assert list(map(str, config.server.trusted_proxies)) == ["127.0.0.1/32", "::1/128", "fdaa::/16", "172.19.0.0/16"]
    assert (config.server.cors.allow_origins, config.server.cors.max_age_secs) == ((), 600)
    assert (config.database.url, config.database.pool_max, config.database.acquire_timeout_secs) == ("embedded", 20, 5)
    assert config.database.roles.authenticated == "reactor_authenticated"
    assert (str(config.tracing.filter), config.tracing.fmt) == ("info", "json")
    assert config.admin.allow_remote is False
    assert (config.vault.backend, config.vault.path) == ("embedded", project.root / ".reactor/vault")
    assert config.vault.master_key is None
    assert config.vault.cache_ttl_secs == 300
    assert config.ops.require_step_up_for == ("ops:cluster_admin", "vault:write", "cloud:projects:delete")


def test_every_refusal_is_reported_together(project: Any, messages: Messages) -> None:
    bound = project.bind(
        KERNEL_SECTIONS,
        """
[project]
id = "019213f5"
ref = "UPPER"
env = "test"
[server]
bind = "8000"
threads = 4
max_streams = 4
trusted_proxies = ["10.0.0.1/8", "home"]
[server.cors]
allow_origins = ["app.example", "*"]
allow_credentials = true
[database]
url = "mysql://root:hunter2@db/x"
[database.roles]
anon = "reactor_service"
authenticated = "Bad Role"
[tracing]
filter = "loud"
fmt = "xml"
[admin]
token = ""
[vault]
master_key = "short"
[ops]
trusted_networks = "127.0.0.0/8"
""",
    )
    assert messages(bound) == [
        "config error: project.id: must be a UUID, or proj_ and 26 characters of Crockford base32, not "
        '"019213f5" (Reactor.toml:3)',
        'config error: project.env: must be "production", "preview" or "dev", not "test" (Reactor.toml:5)',
        'config error: server.bind: must be host:port, such as 127.0.0.1:8000 or [::1]:8000, not "8000" (Reactor.toml:7)',
        "config error: server.trusted_proxies[0]: must not have bits set beyond its prefix; the network is 10.0.0.0/8 "
        "(Reactor.toml:10)",
        "config error: server.trusted_proxies[1]: must be a network in CIDR notation, such as 10.0.0.0/8 or fdaa::/16, "
        'not "home" (Reactor.toml:10)',
        "config error: server.cors.allow_origins[0]: must be an origin such as https://app.example.com, not "
        '"app.example" (Reactor.toml:12)',
        'config error: server.cors.allow_credentials: must be false while allow_origins holds "*"; list the origins '
        "instead (Reactor.toml:13)",
        "config error: database.roles.authenticated: must be a lower-case Postgres role name that does not start with "
        'pg_, not "Bad Role" (Reactor.toml:18)',
        "config error: database.roles.service: must differ from database.roles.anon (Reactor.toml:16)",
        "config error: tracing.filter: has no level in 'loud'; levels are trace, debug, info, warn, error and off "
        "(Reactor.toml:20)",
        'config error: tracing.fmt: must be "json" or "pretty", not "xml" (Reactor.toml:21)',
        "config error: admin.token: must not be empty (Reactor.toml:23)",
        "config error: vault.master_key: must be 64 hexadecimal characters (32 bytes) (Reactor.toml:25)",
        'config error: ops.trusted_networks: must be a list, not "127.0.0.0/8" (Reactor.toml:27)',
    ]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (
            "[database]\nurl = 'mysql://root:hunter2@db/x'",
            'config error: database.url: must be "embedded" or start with postgresql:// (Reactor.toml:6)',
        ),
        ("[database]\nurl = ''", "config error: database.url: must not be empty (Reactor.toml:6)"),
        (
            "[server]\nthreads = 4\nmax_streams = 4",
            "config error: server.max_streams: must be below server.threads (4), not 4 (Reactor.toml:7)",
        ),
        ("[server]\nmax_streams = -1", "config error: server.max_streams: must be at least 0, not -1 (Reactor.toml:6)"),
        ("[server]\nworkers = 0", "config error: server.workers: must be at least 1, not 0 (Reactor.toml:6)"),
        (
            "[vault]\nbackend = 'file'",
            'config error: vault.backend: must be "embedded", "openbao" or "mock", not "file" (Reactor.toml:6)',
        ),
        (
            "[vault]\nbackend = 'openbao'\naddress = 'https://x'\nauth_method = 'approle'\nrole_id = 'r'",
            'config error: vault.secret_id_file: required when vault.auth_method is "approle" (Reactor.toml:5)',
        ),
        (
            "[vault]\nbackend = 'openbao'",
            'config error: vault.address: required when vault.backend is "openbao" (Reactor.toml:5)\n'
            'config error: vault.token: required when vault.auth_method is "token" (Reactor.toml:5)',
        ),
        (
            "[vault]\nauth_method = 'ldap'",
            'config error: vault.auth_method: must be "token" or "approle", not "ldap" (Reactor.toml:6)',
        ),
    ],
)
def test_single_refusals(project: Any, messages: Messages, section: str, expected: str) -> None:
    assert "\n".join(messages(project.bind(KERNEL_SECTIONS, SOUND + section + "\n"))) == expected


def test_the_nil_id_is_for_dev_only(project: Any, messages: Messages) -> None:
    bound = project.bind(KERNEL_SECTIONS, f"[project]\nname = 'x'\n[admin]\ntoken = '{TOKEN}'\n")
    assert messages(bound) == ['config error: project.id: must be set unless project.env is "dev" (Reactor.toml:1)']
    assert project.bind(KERNEL_SECTIONS, SOUND).faults == []


def test_a_missing_admin_token_says_how_to_set_it(project: Any, messages: Messages) -> None:
    assert messages(project.bind(KERNEL_SECTIONS, "[project]\nenv = 'dev'\n")) == [
        "config error: admin.token: required; set it under [admin] or as REACTOR_ADMIN__TOKEN"
    ]


def test_a_short_admin_token_is_advised_against_without_showing_it(project: Any) -> None:
    bound = project.bind(KERNEL_SECTIONS, "[project]\nenv = 'dev'\n[admin]\ntoken = 'short'\n")
    assert bound.warnings == ["admin.token: has 5 characters; use 32 or more (Reactor.toml:4)"]
    assert "short" not in repr(bound.values["admin"])


def test_an_admin_token_that_no_header_can_carry_is_refused(project: Any, messages: Messages) -> None:
    assert messages(project.bind(KERNEL_SECTIONS, "[project]\nenv = 'dev'\n[admin]\ntoken = 'söme token'\n")) == [
        "config error: admin.token: must be visible ASCII characters, because it travels in a header (Reactor.toml:4)"
    ]


@pytest.mark.parametrize(
    ("spelling", "env"),
    [
        ("prod", "production"),
        ("Production", "production"),
        ("STAGING", "preview"),
        ("local", "dev"),
        ("Development", "dev"),
    ],
)
def test_spellings_of_the_environment(project: Any, spelling: str, env: str) -> None:
    text = f"[project]\nid = 'proj_01J89Z80000000000000000001'\nenv = '{spelling}'\n[admin]\ntoken = '{TOKEN}'\n"
    assert project.bind(KERNEL_SECTIONS, text).require()["project"].env == env


def test_reactor_log_wins_over_the_filter_but_not_over_a_flag(project: Any) -> None:
    environ = {"REACTOR_LOG": "debug,reactor_x=warn", "REACTOR_TRACING__FILTER": "error"}
    bound = project.bind(KERNEL_SECTIONS, SOUND, environ=environ)
    assert str(bound.values["tracing"].filter) == "debug,reactor_x=warn"
    bound = project.bind(KERNEL_SECTIONS, SOUND, environ=environ, flags={"tracing.filter": "off"})
    assert str(bound.values["tracing"].filter) == "off"
    bound = project.bind(KERNEL_SECTIONS, SOUND, environ={**environ, "REACTOR_LOG": ""})
    assert str(bound.values["tracing"].filter) == "error"


def test_a_whole_kernel_from_the_environment(project: Any) -> None:
    bound = project.bind(
        KERNEL_SECTIONS,
        environ={
            "REACTOR_PROJECT_ENV": "dev",
            "REACTOR_ADMIN_TOKEN": "12345678901234567890123456789012",
            "REACTOR_DATABASE_URL": "postgres://u:p@h/db?sslmode=require",
            "REACTOR_SERVER__BIND": "[::1]:9000",
            "REACTOR_SERVER__TRUSTED_PROXIES": "[10.0.0.0/8, ::1]",
            "REACTOR_SERVER_CORS_ALLOW_ORIGINS": "[https://a.example]",
            "REACTOR_VAULT_MASTER_KEY": "5a" * 32,
            "REACTOR_TOKEN": "x",
            "REACTOR_CONTEXT": "x",
            "REACTOR_OUTPUT": "json",
        },
    )
    assert (bound.faults, bound.warnings) == ([], [])
    assert bound.values["admin"].token == "12345678901234567890123456789012"
    assert str(bound.values["server"].bind) == "[::1]:9000"
    assert bound.values["server"].address == ("::1", 9000)
    assert bound.values["server"].trusted_proxies == (
        ipaddress.ip_network("10.0.0.0/8"),
        ipaddress.ip_network("::1/128"),
    )
    assert bound.values["server"].cors.allow_origins == ("https://a.example",)
    assert bound.values["vault"].master_key == "5a" * 32
    for secret in ("u:p@h", "5a" * 32, "123456789012"):
        assert secret not in repr(bound.values)


@pytest.mark.parametrize(
    ("config", "ref", "name"),
    [
        (ProjectConfig(), "4vzn76bdaryaxblkkvnm", "reactor"),
        (ProjectConfig("todo", "019213f5-0000-7000-8000-000000000001"), "ydkp2usxw4l75pcnlajn", "todo"),
        (ProjectConfig("todo", ref="a" * 20), "a" * 20, "todo"),
    ],
)
def test_the_project(config: ProjectConfig, ref: str, name: str) -> None:
    made = make_project(config, Path("/srv"))
    assert (made.ref, made.name, made.env, made.root, made.id) == (ref, name, "production", Path("/srv"), config.id)


@given(
    st.integers(0, 65535),
    st.one_of(st.ip_addresses(), st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)),
)
def test_addresses_come_back_as_written(port: int, host: Any) -> None:
    address = Address(str(host), port)
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text", ["", ":80", "host", "host:", "host:x", "host:65536", "host:-1", "::1:80", "[::1]", "[h]:80", "a b:80"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\Amust "):
        parse_address(text)


@given(st.ip_addresses(), st.integers(0, 128))
def test_networks_are_exact(address: Any, bits: int) -> None:
    bits = min(bits, address.max_prefixlen)
    network = ipaddress.ip_network(f"{address}/{bits}", strict=False)
    assert parse_network(str(network)) == network
    if network.network_address != address:
        with pytest.raises(ValueError) as caught:
            parse_network(f"{address}/{bits}")
        assert str(caught.value) == f"must not have bits set beyond its prefix; the network is {network}"


def test_the_longest_matching_target_decides() -> None:
    chosen = parse_log_filter(" Warning , reactor_a=debug,reactor_a.b=OFF")
    assert str(chosen) == "warn,reactor_a=debug,reactor_a.b=off"
    names = ["reactor_a", "reactor_a.x", "reactor_a.b.c", "reactor_ab", "root"]
    assert [chosen.threshold(name) for name in names] == [
        logging.DEBUG,
        logging.DEBUG,
        logging.CRITICAL + 10,
        logging.WARNING,
        logging.WARNING,
    ]
    assert parse_log_filter("reactor_a=debug").level == "info"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no level in ''; levels are trace, debug, info, warn, error and off"),
        ("info,,debug", "has no level in ''; levels are trace, debug, info, warn, error and off"),
        ("info,warn", "must name one level for everything, and target=level for single targets"),
        ("a=info,a=warn", "names the target a twice"),
        ("=info", "has no log target in '=info'; write target=level, such as reactor_kernel=debug"),
        ("a b=info", "has no log target in 'a b=info'; write target=level, such as reactor_kernel=debug"),
    ],
)
def test_what_is_no_filter_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_log_filter(text)
    assert str(caught.value) == reason


@given(
    st.sampled_from(sorted(set(LEVELS) - {"warning"})),
    st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True), st.sampled_from(["debug", "off", "error"])),
)
def test_filters_come_back_as_written(level: str, targets: dict[str, str]) -> None:
    text = ",".join([level, *(f"{target}={wanted}" for target, wanted in targets.items())])
    assert str(parse_log_filter(text)) == text
