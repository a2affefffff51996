"""The HTTP status of each kind of error."""

from __future__ import annotations

from collections.abc import Mapping

from reactor_kernel.errors import Kind, ReactorError

STATUS: Mapping[Kind, int] = {
    Kind.BAD_REQUEST: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.METHOD_NOT_ALLOWED: 405,
    Kind.NOT_ACCEPTABLE: 406,
    Kind.TIMEOUT: 408,
    Kind.CONFLICT: 409,
    Kind.PRECONDITION: 412,
    Kind.TOO_LARGE: 413,
    Kind.UNSUPPORTED_MEDIA: 415,
    Kind.RANGE: 416,
    Kind.RATE_LIMITED: 429,
    Kind.INTERNAL: 500,
    Kind.UNAVAILABLE: 503,
    Kind.UPSTREAM_TIMEOUT: 504,
}


def status_of(error: ReactorError) -> int:
    """Return the HTTP status of a domain error."""
    return error.status if error.status is not None else STATUS[error.kind]
