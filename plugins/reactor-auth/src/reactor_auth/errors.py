"""The errors of identity (contract auth.md §5)."""

from __future__ import annotations

from reactor_kernel.api import (
    BadRequest,
    Conflict,
    Forbidden,
    InternalError,
    InvalidCredential,
    NotFound,
    PermissionDenied,
    RateLimited,
    Unauthenticated,
    ValidationError,
)

__all__ = [
    "AnonymousDisabled",
    "ClaimsUnusable",
    "CredentialExists",
    "CredentialNotFound",
    "EmailDisabled",
    "EmailExists",
    "EmailNotVerified",
    "FactorLimitReached",
    "FactorNotFound",
    "InvalidCode",
    "InvalidCredentials",
    "InvalidRefreshToken",
    "LastOwner",
    "MembershipNotFound",
    "MfaRequired",
    "NotOrgMember",
    "OneTimeTokenRefused",
    "OrgNotFound",
    "OrgRequired",
    "OrgSlugExists",
    "PasskeysUnavailable",
    "PermissionDenied",
    "RefreshTokenReuse",
    "RoleNotFound",
    "RotationPending",
    "SessionNotFound",
    "SessionRevoked",
    "SignUpDisabled",
    "SignUpRefused",
    "TokenExpired",
    "TooManyAttempts",
    "UserDisabled",
    "UserNotFound",
    "ValidationError",
    "WeakPassword",
    "ceremony_over",
    "invalid_field",
]


class WeakPassword(BadRequest):
    """The password does not satisfy the password policy."""

    code = "weak_password"


class OrgRequired(BadRequest):
    """This request needs an organisation."""

    code = "org_required"
    hint = "Name one in the X-Reactor-Org header, or set default_org_id with PATCH /auth/v1/user."


class EmailDisabled(BadRequest):
    """The e-mail address cannot be changed, because the new one cannot be confirmed by mail."""

    code = "email_disabled"
    hint = "This server sends no mail: configure [auth.smtp], or leave email out of the request."


class PasskeysUnavailable(BadRequest):
    """Passkeys cannot be used on this server, because its public_url names an IP address."""

    code = "passkeys_unavailable"
    hint = "Set [auth] public_url to a host name, such as http://localhost:8000."


class InvalidCredentials(Unauthenticated):
    """The e-mail address or the password is wrong."""

    code = "invalid_credentials"


class InvalidCode(Unauthenticated):
    """The code is wrong, or was used before."""

    code = "invalid_code"
    hint = "Wait for the next code, and check that the clock of the device is right."


class TokenExpired(InvalidCredential):
    """The access token has expired."""

    code = "token_expired"
    hint = "Get a new one: POST /auth/v1/token with grant_type=refresh_token."


class SessionRevoked(InvalidCredential):
    """The session has been ended."""

    code = "session_revoked"
    hint = "Sign in again."


class InvalidRefreshToken(Unauthenticated):
    """The refresh token is unknown or has expired."""

    code = "invalid_refresh_token"
    hint = "Sign in again."


class RefreshTokenReuse(Unauthenticated):
    """The refresh token was used before, so its session has been ended."""

    code = "refresh_token_reuse"
    hint = "Sign in again."


class UserDisabled(Forbidden):
    """The user is disabled."""

    code = "user_disabled"


class SignUpDisabled(Forbidden):
    """Signing up is switched off on this server."""

    code = "signup_disabled"


class NotOrgMember(Forbidden):
    """The caller is not a member of this organisation."""

    code = "not_org_member"


class MfaRequired(Forbidden):
    """This needs a second factor."""

    code = "mfa_required"
    hint = (
        "Verify one in this session: POST /auth/v1/factors/{id}/verify, or /auth/v1/webauthn/authenticate/start. "
        "Without one yet, enrol: POST /auth/v1/factors, or /auth/v1/webauthn/register/start."
    )


class LastOwner(Forbidden):
    """An organisation must keep at least one owner."""

    code = "last_owner"
    hint = "Make another member an owner first, or delete the organisation."


class UserNotFound(NotFound):
    """There is no such user."""

    code = "user_not_found"


class OrgNotFound(NotFound):
    """There is no such organisation."""

    code = "org_not_found"


class RoleNotFound(NotFound):
    """There is no such role in this organisation."""

    code = "role_not_found"


class SessionNotFound(NotFound):
    """The caller has no such session that is still live."""

    code = "session_not_found"


class MembershipNotFound(NotFound):
    """There is no such member of this organisation."""

    code = "membership_not_found"


class FactorNotFound(NotFound):
    """There is no such second factor."""

    code = "factor_not_found"


class CredentialNotFound(NotFound):
    """There is no such passkey."""

    code = "credential_not_found"


class CredentialExists(Conflict):
    """This passkey is registered already."""

    code = "credential_exists"


class FactorLimitReached(Conflict):
    """The account has as many second factors as it may."""

    code = "factor_limit_reached"
    hint = "Remove one that is no longer used: DELETE /auth/v1/factors/{id}."


class EmailExists(Conflict):
    """A user with this e-mail address exists already."""

    code = "email_exists"


class OrgSlugExists(Conflict):
    """An organisation with this slug exists already."""

    code = "org_slug_exists"


class RotationPending(Conflict):
    """A new signing key is published already and does not sign yet."""

    code = "rotation_pending"
    hint = 'Wait until it does, or send {"compromised": true} to replace every key at once.'


class EmailNotVerified(Forbidden):
    """The e-mail address has not been confirmed yet."""

    code = "email_not_verified"
    hint = "Follow the link in the mail, or have it sent again: POST /auth/v1/resend."


class OneTimeTokenRefused(InvalidCredential):
    """The link or code is wrong, was used before or has expired."""

    hint = "Have a new one sent."


class SignUpRefused(Forbidden):
    """This server does not accept this sign-up."""

    code = "signup_refused"


class AnonymousDisabled(Forbidden):
    """Anonymous users are switched off on this server."""

    code = "anonymous_disabled"


class ClaimsUnusable(InternalError):
    """A plugin adds claims to access tokens that cannot be added."""


class TooManyAttempts(RateLimited):
    """Too many attempts; wait before the next one."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            f"too many attempts; try again in {retry_after} s",
            details={"retry_after": retry_after},
            headers={"Retry-After": str(retry_after)},
        )


def ceremony_over() -> InvalidCredential:
    """Make the error for a WebAuthn ceremony that cannot be finished any more."""
    return InvalidCredential("session_id names no ceremony that can still be finished", hint="Start it again.")


def invalid_field(name: str, problem: str) -> ValidationError:
    """Make the error for one field of a request, naming it in the message and in `fields`."""
    return ValidationError(f"{name} {problem}", fields={name: [problem]})
