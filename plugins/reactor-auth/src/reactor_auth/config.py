"""The `[auth]` section (contract auth.md §2, with the limits of §7.3)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from reactor_auth import redirects
from reactor_auth.config_social import SocialConfig, problems_of

MIN_SECRET = 32
# Clocks may differ by this much wherever instants are compared (decision 43).
LEEWAY_SECS = 30
MIN_SESSION_SECS = 300


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
    mail_per_address: int = _limit(30, "mails with links or codes per client address")
    invitations_per_account: int = _limit(10, "invitations to one e-mail address, by all organisations together")
    invitations_per_user: int = _limit(100, "invitations one user sends")
    mail_window_secs: int = _window(3600, "window of the mail limits")
    verify_per_address: int = _limit(20, "one-time tokens presented per client address")
    verify_window_secs: int = _window(60, "window of the one-time token limit")
    second_factor_per_user: int = _limit(5, "second-factor attempts per user")
    operator_refusals_per_address: int = _limit(
        30, "refused operator calls that get a row each in the operators' log, per client address and minute"
    )
    device_per_address: int = _limit(10, "device codes asked for per client address")
    user_code_per_user: int = _limit(10, "device user codes tried per user")
    user_code_per_address: int = _limit(20, "device user codes tried per client address")
    device_window_secs: int = _window(60, "window of the device limits")
    social_per_address: int = _limit(60, "steps of sign-ins with other providers per client address")
    social_window_secs: int = _window(60, "window of the limit on sign-ins with other providers")
    second_factor_window_secs: int = _window(300, "window of the second-factor limit")


@dataclass(frozen=True, slots=True)
class LockoutConfig:
    """`[auth.lockout]`: waits after failed sign-ins, over all nodes together; 0 failures switch a wait off."""

    failures_per_place: int = _limit(5, "failures of one account from one client address until it waits")
    failures_per_account: int = _limit(20, "failures of one account from unknown client addresses until these wait")
    first_wait_secs: int = _window(30, "the first wait; each further failure doubles it")
    longest_wait_secs: int = _window(900, "the longest wait")
    forget_secs: int = _window(86400, "how long failures are remembered after the last one")
    known_place_secs: int = field(
        default=7776000, metadata={"doc": "how long an address somebody signed in from is known", "min": 0}
    )


@dataclass(frozen=True, slots=True)
class MfaConfig:
    """`[auth.mfa]`: how second factors and passkeys name this server."""

    name: str = field(default="", metadata={"doc": "what authenticator apps and browsers show; else pages.name"})
    rp_id: str = field(
        default="", metadata={"doc": "domain passkeys belong to: the host of public_url, or a domain above it"}
    )
    origins: tuple[str, ...] = field(
        default=(), metadata={"doc": "further origins of passkeys, e.g. android:apk-key-hash:… of an app"}
    )


@dataclass(frozen=True, slots=True)
class SmtpConfig:
    """`[auth.smtp]`: the relay that mail goes through."""

    host: str = field(metadata={"doc": "relay host"})
    from_: str = field(metadata={"key": "from", "doc": "sender, such as `Acme <no-reply@acme.example>`"})
    port: int = field(default=587, metadata={"doc": "relay port", "min": 1, "max": 65535})
    user: str | None = field(default=None, metadata={"doc": "name to sign in with"})
    password: str | None = field(default=None, repr=False, metadata={"doc": "password to sign in with"})
    tls: str = field(
        default="starttls",
        metadata={
            "doc": "`starttls` demands the upgrade, `tls` speaks TLS from the start, `none` sends in the clear",
            "choices": ("starttls", "tls", "none"),
        },
    )
    ca_file: Path | None = field(
        default=None, metadata={"doc": "certificates that vouch for the relay, instead of the system's"}
    )
    timeout_secs: int = field(default=15, metadata={"doc": "patience with each answer of the relay", "min": 1})

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong beyond types, as (key, reason)."""
        if not self.host.strip():
            yield "host", "must not be empty"
        if not _is_mailbox(self.from_):
            yield "from", "must be one mailbox, such as no-reply@example.com or Acme <no-reply@example.com>"
        if (self.user is None) != (self.password is None):
            yield "user", "user and password are given together or not at all"
        if self.ca_file is not None and not self.ca_file.is_file():
            yield "ca_file", f"there is no file {self.ca_file}"


@dataclass(frozen=True, slots=True)
class MailConfig:
    """`[auth.mail]`: how mails look and how long sending is tried."""

    templates_dir: Path | None = field(
        default=None, metadata={"doc": "directory of files that replace the mails' templates"}
    )
    max_attempts: int = field(default=12, metadata={"doc": "tries before a mail is given up", "min": 1, "max": 100})
    keep_days: int = field(default=7, metadata={"doc": "how long sent mails stay listed", "min": 0, "max": 3650})

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the templates, as (key, reason)."""
        if self.templates_dir is not None:
            # Late: without templates of the project's own no boot needs to load the template language.
            from reactor_auth.mail.templates import faults_in

            for fault in faults_in(self.templates_dir):
                yield "templates_dir", fault


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

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong beyond types, as (key, reason)."""
        if not self.name.strip() or len(self.name) > 100 or not self.name.isprintable():
            yield "name", "must be 1 to 100 printable characters"
        for key in ("logo_url", "css_url"):
            value: str | None = getattr(self, key)
            if value is not None and not redirects.is_web_address(value):
                yield key, "must be an absolute URL such as https://cdn.example.com/file"


@dataclass(frozen=True, slots=True)
class AuthConfig:
    """What `[auth]` may say."""

    data_key: str = field(
        default="", repr=False, metadata={"doc": "base64 of 32 bytes; encrypts signing keys and short-lived secrets"}
    )
    public_url: str = field(default="", metadata={"doc": "the URL clients reach this server under"})
    jwt_issuer: str = field(
        default="reactor-auth",
        metadata={
            "doc": "the `iss` claim; strict OpenID clients need `{public_url}/auth/v1`, which follows public_url"
        },
    )
    jwt_audience: str = field(default="reactor", metadata={"doc": "the `aud` claim"})
    access_ttl_secs: int = field(default=3600, metadata={"doc": "life of an access token", "min": 5, "max": 86400})
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
    session_max_secs: int = field(
        default=0, metadata={"doc": "life of a session, however much it is used; 0 = without bound", "min": 0}
    )
    session_idle_secs: int = field(
        default=0, metadata={"doc": "how long a session may lie unused; 0 = as long as its refresh token", "min": 0}
    )
    key_rotation_secs: int = field(
        default=7776000, metadata={"doc": "how long a signing key signs; 0 = until it is rotated by hand", "min": 0}
    )
    key_lead_secs: int = field(
        default=600,
        metadata={"doc": "how long a new key is published before it signs", "min": 0, "max": 604800},
    )
    key_overlap_secs: int = field(
        default=604800, metadata={"doc": "how long a key verifies after it signed last", "min": 1}
    )
    browser_session_secs: int = field(
        default=43200,
        metadata={"doc": "how long a browser stays signed in on the pages of this server", "min": 60, "max": 2592000},
    )
    signup_enabled: bool = field(default=True, metadata={"doc": "whether strangers may sign up"})
    anonymous_users_enabled: bool = field(
        default=False, metadata={"doc": "whether `POST /signup` makes users without an address"}
    )
    anonymous_keep_days: int = field(
        default=30,
        metadata={
            "doc": "how long a user without an address that nobody can sign in to any more is kept; 0 = for ever",
            "min": 0,
        },
    )
    require_verified_email: bool = field(
        default=False, metadata={"doc": "whether a user must confirm the address before signing in"}
    )
    deletion_grace_days: int = field(
        default=30, metadata={"doc": "how long a deleted account can be restored before it is erased", "min": 0}
    )
    site_url: str | None = field(
        default=None, metadata={"doc": "the front end that links in mails lead to; public_url where there is none"}
    )
    redirect_allow_list: tuple[str, ...] = field(
        default=(), metadata={"doc": "where else a browser may be sent: origin and beginning of the path"}
    )
    password: PasswordConfig = field(default_factory=PasswordConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    lockout: LockoutConfig = field(default_factory=LockoutConfig)
    mfa: MfaConfig = field(default_factory=MfaConfig)
    smtp: SmtpConfig | None = None
    mail: MailConfig = field(default_factory=MailConfig)
    pages: PagesConfig = field(default_factory=PagesConfig)

    def __post_init__(self) -> None:
        # Frozen, but nobody has seen it yet; written out here, so that every reader sees one issuer.
        object.__setattr__(self, "jwt_issuer", self.jwt_issuer.replace("{public_url}", self.base_url))

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
        yield from problems_of(self.social)
        for key in ("jwt_issuer", "jwt_audience"):
            if not getattr(self, key):
                yield key, "must not be empty"
        if self.access_ttl_secs > self.refresh_ttl_secs:
            yield "access_ttl_secs", "must not be longer than refresh_ttl_secs"
        reason = _rp_id_problem(self.mfa.rp_id, self.public_url)
        if reason:
            yield "mfa.rp_id", reason
        if self.key_overlap_secs < self.access_ttl_secs + LEEWAY_SECS:
            # Otherwise good tokens would be refused when their key is withdrawn.
            yield "key_overlap_secs", f"must be at least access_ttl_secs + {LEEWAY_SECS}"
        if self.key_rotation_secs and self.key_rotation_secs <= self.key_lead_secs:
            yield "key_rotation_secs", "must be 0 or longer than key_lead_secs"
        if self.lockout.longest_wait_secs > self.lockout.forget_secs:
            yield "lockout.forget_secs", "must not be shorter than longest_wait_secs"
        if 0 < self.session_max_secs < MIN_SESSION_SECS:
            yield "session_max_secs", f"must be 0 or at least {MIN_SESSION_SECS}"
        if 0 < self.session_idle_secs < MIN_SESSION_SECS:
            # Use is stored once a minute; a shorter idle time could not be told from use.
            yield "session_idle_secs", f"must be 0 or at least {MIN_SESSION_SECS}"
        if self.require_verified_email and self.smtp is None:
            yield "require_verified_email", "needs mail: nobody could sign in; configure [auth.smtp]"
        if self.site_url is not None:
            reason = _url_problem(self.site_url)
            if reason:
                yield "site_url", reason
        for index, entry in enumerate(self.redirect_allow_list):
            reason = redirects.entry_problem(entry)
            if reason:
                yield f"redirect_allow_list[{index}]", reason

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
    def mfa_name(self) -> str:
        """What authenticator apps and browsers call this server."""
        return self.mfa.name.strip() or self.pages.name

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


def _rp_id_problem(rp_id: str, public_url: str) -> str | None:
    if not rp_id or _url_problem(public_url):
        return None
    host = urlsplit(public_url).hostname or ""
    if rp_id != host and not (host.endswith(f".{rp_id}") and "." in rp_id):
        return f"must be the host of public_url, {host}, or a domain above it"
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


def _is_mailbox(text: str) -> bool:
    from email.utils import getaddresses

    if not text.isprintable():
        return False
    found = getaddresses([text])
    if len(found) != 1:
        return False
    local, at, domain = found[0][1].rpartition("@")
    return bool(local and at and domain) and " " not in found[0][1]
