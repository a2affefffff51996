"""What the OAuth provider is made of, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from reactor_auth.model import User

CLI, WEB = "reactor-cli", "reactor-web"
PUBLIC, CONFIDENTIAL = "public", "confidential"
CODE = "authorization_code"
REFRESH = "refresh_token"
CLIENT_CREDENTIALS = "client_credentials"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
CLIENT_GRANTS = (CODE, REFRESH, CLIENT_CREDENTIALS, DEVICE)


@dataclass(frozen=True, slots=True)
class Client:
    """An application that signs users in here; a built-in one belongs to no organisation."""

    client_id: str
    name: str
    type: str
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    grants: tuple[str, ...]
    org_id: UUID | None
    owner_id: UUID | None
    logo_url: str | None
    first_party: bool
    created_at: datetime | None
    updated_at: datetime | None
    secret_hash: bytes | None = field(default=None, repr=False)

    @property
    def is_built_in(self) -> bool:
        """Whether the client comes with the server: it is the user, not somebody acting for the user."""
        return self.org_id is None


@dataclass(frozen=True, slots=True)
class ClientChange:
    """What to change; None leaves a thing as it is. An empty `logo_url` removes the logo."""

    name: str | None = None
    redirect_uris: tuple[str, ...] | None = None
    post_logout_redirect_uris: tuple[str, ...] | None = None
    scopes: tuple[str, ...] | None = None
    grants: tuple[str, ...] | None = None
    logo_url: str | None = None


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request for a code whose client and redirect address are right (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1)."""

    client: Client
    redirect_uri: str
    scopes: tuple[str, ...]
    code_challenge: str
    state: str | None
    nonce: str | None
    prompts: frozenset[str]
    max_age: int | None
    login_hint: str | None


@dataclass(frozen=True, slots=True)
class SignIn:
    """That and how somebody proved who they are. `mfa_at` is when a second factor was verified."""

    user_id: UUID
    amr: tuple[str, ...]
    auth_time: datetime
    mfa_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser that signed in here and may therefore authorize further clients."""

    id: UUID
    email: str
    sign_in: SignIn


@dataclass(frozen=True, slots=True)
class Issued:
    """The answer to a client. `user` is the account for the built-in clients only; others have userinfo."""

    access_token: str = field(repr=False)
    expires_in: int
    expires_at: datetime
    scopes: tuple[str, ...]
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)
    user: User | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """What a user allowed an application."""

    client: Client
    scopes: tuple[str, ...]
    granted_at: datetime


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """A device that waits for somebody to approve it."""

    id: UUID
    client: Client
    scopes: tuple[str, ...]
    address: str | None
    user_agent: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DeviceAnswer:
    """What a device is told when it asks for codes (RFC 8628 §3.2). The codes are secret until they are used."""

    device_code: str = field(repr=False)
    user_code: str = field(repr=False)
    expires_in: int
    interval: int
