"""The `[auth]` section (contract auth.md §2, with the limits of §7.3)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from reactor_auth import redirects
from reactor_auth.config_social import SocialConfig, problems_of

MIN_SECRET = 32


@dataclass(frozen=True, slots=True)
class PasswordConfig:
    """`[auth.password]`: what a password must be and how it is hashed (argon2id, OWASP's parameters)."""

    min_length: int = field(default=8, metadata={"doc": "shortest password, in characters", "min": 1, "max": 128})
    memory_kib: int = field(default=19456, metadata={"doc": "argon2id memory", "min": 8192, "max": 1048576})
    iterations: int = field(default=2, metadata={"doc": "argon2id passes", "min": 1, "max": 20})
    parallelism: int = field(default=1, metadata={"doc": "argon2id lanes", "min": 1, "max": 16})


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """`[auth.limits]`: attempts per minute over all nodes together; 0 switches a limit off."""

    login_per_account: int = field(default=10, metadata={"doc": "sign-ins per e-mail address", "min": 0})
    login_per_address: int = field(default=30, metadata={"doc": "sign-ins per client address", "min": 0})
    signup_per_address: int = field(default=5, metadata={"doc": "sign-ups per client address", "min": 0})
    refresh_per_session: int = field(default=60, metadata={"doc": "refreshes per session", "min": 0})
    social_per_address: int = field(
        default=60, metadata={"doc": "steps of sign-ins with other providers per client address", "min": 0}
    )


@dataclass(frozen=True, slots=True)
class SmtpConfig:
    """`[auth.smtp]`: read only to say clearly that this version cannot send mail."""

    host: str = ""
    port: int = 587
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    # `from` is a keyword and no field name; the section is refused whole, so the key needs no place here.
    tls: str = "starttls"


@dataclass(frozen=True, slots=True)
class AuthConfig:
    """What `[auth]` may say."""

    data_key: str = field(
        default="", repr=False, metadata={"doc": "base64 of 32 bytes; encrypts signing keys and short-lived secrets"}
    )
    public_url: str = field(default="", metadata={"doc": "the URL clients reach this server under"})
    jwt_issuer: str = field(default="reactor-auth", metadata={"doc": "the `iss` claim"})
    jwt_audience: str = field(default="reactor", metadata={"doc": "the `aud` claim"})
    access_ttl_secs: int = field(default=3600, metadata={"doc": "life of an access token", "min": 60, "max": 86400})
    refresh_ttl_secs: int = field(
        default=2592000, metadata={"doc": "life of a refresh token, restarted by each use", "min": 60}
    )
    refresh_reuse_grace_secs: int = field(
        default=10,
        metadata={"doc": "how long a used refresh token still gives the same successor", "min": 0, "max": 120},
    )
    url: str | None = field(
        default=None,
        metadata={"doc": "where identity runs, if not in this process: then nothing but a client of it runs here"},
    )
    internal_secret: str | None = field(
        default=None,
        repr=False,
        metadata={"doc": "what the processes of one platform share; mounts the internal routes, or opens them at url"},
    )
    social: Mapping[str, SocialConfig] = field(default_factory=dict)
    signup_enabled: bool = field(default=True, metadata={"doc": "whether strangers may sign up"})
    require_verified_email: bool = field(default=False, metadata={"doc": "not supported by this version"})
    site_url: str | None = field(
        default=None, metadata={"doc": "the front end that links in mails lead to; public_url where there is none"}
    )
    redirect_allow_list: tuple[str, ...] = field(
        default=(), metadata={"doc": "where else a browser may be sent: origin and beginning of the path"}
    )
    password: PasswordConfig = field(default_factory=PasswordConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    smtp: SmtpConfig | None = None

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong beyond types, as (key, reason)."""
        if self.internal_secret is not None and len(self.internal_secret) < MIN_SECRET:
            yield "internal_secret", f"must have at least {MIN_SECRET} characters; make one with: openssl rand -hex 32"
        if self.url is not None:
            reason = _url_problem(self.url)
            if reason:
                yield "url", reason
            if self.internal_secret is None:
                yield "internal_secret", "required where identity runs at another url; the same as there"
        else:
            yield from self._own_problems()
        if self.site_url is not None:
            reason = _url_problem(self.site_url)
            if reason:
                yield "site_url", reason
        for index, entry in enumerate(self.redirect_allow_list):
            reason = redirects.entry_problem(entry)
            if reason:
                yield f"redirect_allow_list[{index}]", reason
        yield from problems_of(self.social)
        for key in ("jwt_issuer", "jwt_audience"):
            if not getattr(self, key):
                yield key, "must not be empty"
        if self.access_ttl_secs > self.refresh_ttl_secs:
            yield "access_ttl_secs", "must not be longer than refresh_ttl_secs"
        if self.require_verified_email:
            yield "require_verified_email", "needs e-mail, which is not supported by this version of reactor-auth"
        if self.smtp is not None:
            yield "smtp", "[auth.smtp] is not supported by this version of reactor-auth; remove the section"

    def _own_problems(self) -> Iterator[tuple[str, str]]:
        for key in ("data_key", "public_url"):
            if not getattr(self, key):
                yield key, f"required; set it under [auth] or as REACTOR_AUTH__{key.upper()}"
        reason = _data_key_problem(self.data_key) if self.data_key else None
        if reason:
            yield "data_key", reason
        reason = _url_problem(self.public_url) if self.public_url else None
        if reason:
            yield "public_url", reason

    @property
    def data_key_bytes(self) -> bytes:
        """The data key itself."""
        return base64.b64decode(self.data_key, validate=True)

    @property
    def base_url(self) -> str:
        """`public_url` without a trailing slash."""
        return self.public_url.rstrip("/")

    @property
    def front_url(self) -> str:
        """`site_url`, else `public_url`, without a trailing slash."""
        return (self.site_url or self.public_url).rstrip("/")


def _data_key_problem(value: str) -> str | None:
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return "must be standard base64 of exactly 32 bytes; make one with: openssl rand -base64 32"
    if len(raw) != 32:
        return f"must be base64 of exactly 32 bytes, not {len(raw)}; make one with: openssl rand -base64 32"
    return None


def _url_problem(value: str) -> str | None:
    advice = "must be an absolute URL such as https://api.example.com"
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        return advice
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_valid:
        return advice
    if parts.query or parts.fragment or parts.username:
        return "must have no query, fragment or user name"
    return None
