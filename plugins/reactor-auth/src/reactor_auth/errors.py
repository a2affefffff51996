"""The errors of identity (contract auth.md §5)."""

from __future__ import annotations

from reactor_kernel.api import (
    BadRequest,
    Conflict,
    Forbidden,
    InvalidCredential,
    NotFound,
    PermissionDenied,
    RateLimited,
    Unauthenticated,
    ValidationError,
)

__all__ = [
    "EmailDisabled",
    "EmailExists",
    "InvalidCredentials",
    "InvalidRefreshToken",
    "LastOwner",
    "MembershipExists",
    "MembershipNotFound",
    "NotOrgMember",
    "OrgNotFound",
    "OrgRequired",
    "OrgSlugExists",
    "PermissionDenied",
    "RefreshTokenReuse",
    "RoleNotFound",
    "SessionRevoked",
    "SignUpDisabled",
    "TokenExpired",
    "TooManyAttempts",
    "UserDisabled",
    "UserNotFound",
    "WeakPassword",
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
    hint = "This version of reactor-auth sends no mail; leave email out of the request."


class InvalidCredentials(Unauthenticated):
    """The e-mail address or the password is wrong."""

    code = "invalid_credentials"


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


class MembershipNotFound(NotFound):
    """There is no such member of this organisation."""

    code = "membership_not_found"


class EmailExists(Conflict):
    """A user with this e-mail address exists already."""

    code = "email_exists"


class MembershipExists(Conflict):
    """The user is a member of this organisation already."""

    code = "membership_exists"


class OrgSlugExists(Conflict):
    """An organisation with this slug exists already."""

    code = "org_slug_exists"


class TooManyAttempts(RateLimited):
    """Too many attempts; wait before the next one."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            f"too many attempts; try again in {retry_after} s",
            details={"retry_after": retry_after},
            headers={"Retry-After": str(retry_after)},
        )


def invalid_field(name: str, problem: str) -> ValidationError:
    """Make the error for one field of a request, naming it in the message and in `fields`."""
    return ValidationError(f"{name} {problem}", fields={name: [problem]})
