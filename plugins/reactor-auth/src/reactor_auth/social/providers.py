"""The configured providers, with what Reactor knows of the two best known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reactor_auth.config_social import SocialConfig

PRESETS: Mapping[str, SocialConfig] = {
    "google": SocialConfig(
        client_id="", label="Google", issuer="https://accounts.google.com", scopes=("openid", "email", "profile")
    ),
    "github": SocialConfig(
        client_id="",
        label="GitHub",
        authorize_url="https://github.com/login/oauth/authorize",
        token_url="https://github.com/login/oauth/access_token",
        userinfo_url="https://api.github.com/user",
        emails_url="https://api.github.com/user/emails",
        scopes=("read:user", "user:email"),
        token_auth="post",
    ),
}
_OIDC_SCOPES = ("openid", "email", "profile")
_PRESET_KEYS = ("label", "issuer", "authorize_url", "token_url", "userinfo_url", "emails_url", "token_auth")


@dataclass(frozen=True, slots=True)
class Profile:
    """What a provider says of a person. `uid` never changes; an address that is not verified proves nothing."""

    uid: str
    email: str | None
    email_verified: bool
    name: str | None
    picture: str | None


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a provider is reached, configured or discovered."""

    authorize: str
    token: str
    userinfo: str | None
    token_auth: str
    issuer: str | None = None
    names_itself: bool = False


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """What front ends show of a provider."""

    name: str
    label: str


def effective(providers: Mapping[str, SocialConfig]) -> dict[str, SocialConfig]:
    """Return the enabled providers by name, presets filled in."""
    return {name: _with_preset(name, config) for name, config in providers.items() if config.enabled}


def _with_preset(name: str, config: SocialConfig) -> SocialConfig:
    preset = PRESETS.get(name)
    if preset is not None:
        missing = {key: getattr(preset, key) for key in _PRESET_KEYS if getattr(config, key) is None}
        config = replace(config, **missing, scopes=config.scopes or preset.scopes)
    if config.issuer is not None and "openid" not in config.scopes:
        config = replace(config, scopes=("openid", *config.scopes) if config.scopes else _OIDC_SCOPES)
    return config if config.label is not None else replace(config, label=name.replace("_", " ").title())
