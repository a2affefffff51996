"""`[auth.social.<name>]`: the providers people may sign in with."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}\Z")
_URLS = ("issuer", "authorize_url", "token_url", "userinfo_url", "emails_url")


@dataclass(frozen=True, slots=True)
class SocialConfig:
    """One provider. `google` and `github` know their own URLs; others name an `issuer` or the URLs of plain OAuth 2."""

    client_id: str = field(metadata={"doc": "the client id the provider gave"})
    client_secret: str | None = field(
        default=None, repr=False, metadata={"doc": "the client secret; absent for a public client"}
    )
    enabled: bool = field(default=True, metadata={"doc": "whether people may sign in with it"})
    label: str | None = field(default=None, metadata={"doc": "what front ends write on the button"})
    issuer: str | None = field(default=None, metadata={"doc": "an OpenID Connect issuer; its URLs are discovered"})
    authorize_url: str | None = field(default=None, metadata={"doc": "plain OAuth 2: the authorization endpoint"})
    token_url: str | None = field(default=None, metadata={"doc": "plain OAuth 2: the token endpoint"})
    userinfo_url: str | None = field(
        default=None, metadata={"doc": "plain OAuth 2: answers sub or id, email, email_verified, name, picture"}
    )
    emails_url: str | None = field(
        default=None,
        metadata={"doc": "plain OAuth 2: answers a list of {email, primary, verified}, as GitHub's API does"},
    )
    scopes: tuple[str, ...] = field(default=(), metadata={"doc": "what to ask for; empty = the provider's default"})
    token_auth: str | None = field(
        default=None,
        metadata={"doc": "how the secret travels; absent = as discovered", "choices": ("basic", "post")},
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong beyond types."""
        if not self.client_id:
            yield "client_id", "must not be empty"
        for key in _URLS:
            value = getattr(self, key)
            if value is not None and not is_safe_url(value):
                yield key, "must be an https URL (http only for a provider on this machine)"


def problems_of(providers: Mapping[str, SocialConfig]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with names, and with providers whose URLs nobody knows."""
    from reactor_auth.social.providers import PRESETS

    for name, config in providers.items():
        if not NAME.match(name):
            yield f'social."{name}"', "must be named with lower-case letters, digits, - and _, at most 32 characters"
        elif name in PRESETS or config.issuer is not None:
            continue
        else:
            missing = [key for key in ("authorize_url", "token_url", "userinfo_url") if getattr(config, key) is None]
            if missing:
                yield (
                    f"social.{name}",
                    f"needs an issuer, or {', '.join(missing)} (only google and github know their own)",
                )


def is_safe_url(url: str) -> bool:
    """Tell whether secrets may be sent there: https, or http to this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        valid_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    if not host or not valid_port or parts.username or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(host))


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
