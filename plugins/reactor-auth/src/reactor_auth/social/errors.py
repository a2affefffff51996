"""What can go wrong with another provider; each is an `error` in the query of `redirect_to`."""

from __future__ import annotations

from reactor_kernel.api import BadRequest, Conflict, Forbidden, NotFound, Unavailable

__all__ = [
    "EmailRequired",
    "IdentityExists",
    "IdentityNotFound",
    "InvalidState",
    "LastSignInMethod",
    "LocalEmailUnverified",
    "ProviderEmailUnverified",
    "ProviderError",
    "ProviderNotFound",
    "ProviderUnavailable",
]


class ProviderNotFound(NotFound):
    """There is no such sign-in provider."""

    code = "provider_not_found"
    hint = "GET /auth/v1/providers lists the providers; more are configured under [auth.social.<name>]."


class InvalidState(BadRequest):
    """This sign-in was not begun in this browser, was used already, or took longer than ten minutes."""

    code = "invalid_state"
    hint = "Begin again: GET /auth/v1/authorize?provider=<name>&redirect_to=<url>."


class ProviderUnavailable(Unavailable):
    """The sign-in provider does not answer."""

    code = "provider_unavailable"
    hint = "Try again in a moment."


class ProviderError(BadRequest):
    """The sign-in provider refused, or its answer cannot be trusted."""

    code = "provider_error"


class EmailRequired(Forbidden):
    """The sign-in provider tells no e-mail address."""

    code = "email_required"
    hint = "Allow the provider to share the address, or sign in another way and link the provider to the account."


class ProviderEmailUnverified(Forbidden):
    """The sign-in provider has not verified the e-mail address."""

    code = "provider_email_unverified"
    hint = "Verify the address with the provider first."


class LocalEmailUnverified(Conflict):
    """An account with this e-mail address exists already, and the address was never confirmed here."""

    code = "email_exists"
    hint = "Sign in to that account and confirm the address, or link the provider from there."


class IdentityExists(Conflict):
    """This account at the provider belongs to another user."""

    code = "identity_exists"


class IdentityNotFound(NotFound):
    """The caller has no such identity."""

    code = "identity_not_found"


class LastSignInMethod(Forbidden):
    """Without this identity the caller could not sign in any more."""

    code = "last_sign_in_method"
    hint = "Set a password with PATCH /auth/v1/user, register a passkey, or link another provider first."
