"""The `[auth]` section (contract auth.md §2, with the limits of §7.3)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class PasswordConfig:
    """`[auth.password]`: what a password must be and how it is hashed (argon2id, OWASP's parameters)."""

    min_length: int = field(default=8, metadata={"doc": "shortest password, in characters", "min": 1, "max": 128})
    memory_kib: int = field(default=19456, metadata={"doc": "argon2id memory", "min": 8192, "max": 1048576})
    iterations: int = field(default=2, metadata={"doc": "argon2id passes", "min": 1, "max": 20})
    parallelism: int = field(default=1, metadata={"doc": "argon2id lanes", "min": 1, "max": 16})


def _limit(default: int, doc: str) -> int:
    value: int = field(default=default, metadata={"doc": doc, "min": 0})
    return value


def _window(default: int, doc: str) -> int:
    value: int = field(default=default, metadata={"doc": doc, "min": 1, "max": 86400})
    return value


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """`[auth.limits]`: attempts per window over all nodes together; 0 switches a limit off. Windows are seconds."""

    login_per_account: int = _limit(10, "sign-ins per e-mail address")
    login_per_address: int = _limit(30, "sign-ins per client address")
    login_window_secs: int = _window(60, "window of the sign-in limits")
    signup_per_address: int = _limit(5, "sign-ups per client address")
    signup_window_secs: int = _window(60, "window of the sign-up limit")
    refresh_per_session: int = _limit(60, "refreshes per session")
    refresh_window_secs: int = _window(60, "window of the refresh limit")
    mail_per_account: int = _limit(3, "mails with links or codes per e-mail address")
    mail_window_secs: int = _window(3600, "window of the mail limit")
    verify_per_address: int = _limit(20, "one-time tokens presented per client address")
    verify_window_secs: int = _window(60, "window of the one-time token limit")
    second_factor_per_user: int = _limit(5, "second-factor attempts per user")
    device_per_address: int = _limit(10, "device codes asked for per client address")
    user_code_per_user: int = _limit(10, "device user codes tried per user")
    user_code_per_address: int = _limit(20, "device user codes tried per client address")
    device_window_secs: int = _window(60, "window of the device limits")
    second_factor_window_secs: int = _window(300, "window of the second-factor limit")


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
class PagesConfig:
    """`[auth.pages]`: how the pages and mails of this server present the project."""

    name: str = field(default="Reactor", metadata={"doc": "what people know the project as"})
    accent: str = field(
        default="#2952cc",
        metadata={"doc": "colour of buttons and links, as #rrggbb", "pattern": "#[0-9a-fA-F]{6}"},
    )
    logo_url: str | None = field(default=None, metadata={"doc": "https address of a logo"})
    css_url: str | None = field(
        default=None, metadata={"doc": "https address of a style sheet loaded after the own one"}
    )


@dataclass(frozen=True, slots=True)
class AuthConfig:
    """What `[auth]` may say."""

    data_key: str = field(
        repr=False, metadata={"doc": "base64 of 32 bytes; encrypts signing keys and short-lived secrets"}
    )
    public_url: str = field(metadata={"doc": "the URL clients reach this server under"})
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
    browser_session_secs: int = field(
        default=43200,
        metadata={"doc": "how long a browser stays signed in on the pages of this server", "min": 60, "max": 2592000},
    )
    signup_enabled: bool = field(default=True, metadata={"doc": "whether strangers may sign up"})
    require_verified_email: bool = field(default=False, metadata={"doc": "not supported by this version"})
    password: PasswordConfig = field(default_factory=PasswordConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    pages: PagesConfig = field(default_factory=PagesConfig)
    smtp: SmtpConfig | None = None

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong beyond types, as (key, reason)."""
        reason = _data_key_problem(self.data_key)
        if reason:
            yield "data_key", reason
        reason = _url_problem(self.public_url)
        if reason:
            yield "public_url", reason
        for key in ("jwt_issuer", "jwt_audience"):
            if not getattr(self, key):
                yield key, "must not be empty"
        if self.access_ttl_secs > self.refresh_ttl_secs:
            yield "access_ttl_secs", "must not be longer than refresh_ttl_secs"
        if self.require_verified_email:
            yield "require_verified_email", "needs e-mail, which is not supported by this version of reactor-auth"
        if self.smtp is not None:
            yield "smtp", "[auth.smtp] is not supported by this version of reactor-auth; remove the section"

    @property
    def data_key_bytes(self) -> bytes:
        """The data key itself."""
        return base64.b64decode(self.data_key, validate=True)

    @property
    def base_url(self) -> str:
        """`public_url` without a trailing slash."""
        return self.public_url.rstrip("/")


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
