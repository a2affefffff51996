"""What storage refuses (contract storage.md §6)."""

from __future__ import annotations

from reactor_kernel.api import (
    BadRequest,
    Conflict,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    PreconditionFailed,
    RangeNotSatisfiable,
    UnsupportedMediaType,
    ValidationError,
)


class InvalidBucketName(BadRequest):
    """The bucket's name is not allowed."""

    code = "invalid_bucket_name"
    hint = "Use 1 to 63 lowercase letters, digits and hyphens, with a letter or digit at both ends."


class InvalidKey(BadRequest):
    """The object's key is not allowed."""

    code = "invalid_key"
    hint = "Use 1 to 1024 bytes of UTF-8: segments between single slashes, none . or .., no backslash, no control character."


class InvalidStorageRequest(ValidationError):
    """The request's content is not valid."""

    code = "invalid_request"


class OrgRequired(BadRequest):
    """An organisation context is required."""

    code = "org_required"
    hint = "Send X-Reactor-Org, or sign in with a default organisation."


class BucketNotFound(NotFound):
    """There is no such bucket."""

    code = "bucket_not_found"
    hint = "GET /storage/v1/buckets lists the buckets of the organisation."


class ObjectNotFound(NotFound):
    """There is no such object."""

    code = "object_not_found"


class BucketExists(Conflict):
    """The organisation has a bucket of that name."""

    code = "bucket_exists"


class BucketNotEmpty(Conflict):
    """The bucket still holds objects."""

    code = "bucket_not_empty"
    hint = "Empty it first, or send ?cascade=true to delete its objects with it."


class ObjectExists(Conflict):
    """There is an object under that key."""

    code = "object_exists"
    hint = "Send X-Upsert: true to replace it."


class ObjectTooLarge(PayloadTooLarge):
    """The object is larger than its bucket or the server accepts."""

    code = "object_too_large"


class MimeTypeNotAllowed(UnsupportedMediaType):
    """The bucket does not accept objects of this type."""

    code = "mime_type_not_allowed"


class MultipartNotFound(NotFound):
    """There is no such upload."""

    code = "multipart_not_found"


class InvalidPart(BadRequest):
    """A part is not the one that was sent."""

    code = "invalid_part"


class PartsOutOfOrder(InvalidPart):
    """The parts are not named in their order."""


class PartTooSmall(BadRequest):
    """A part that is not the last is too small."""

    code = "part_too_small"


class ChecksumMismatch(BadRequest):
    """The content differs from the checksum sent with it."""

    code = "checksum_mismatch"
    hint = "Send the content again; nothing was stored."


class PolicyDenied(Forbidden):
    """A policy on the object refuses this."""

    code = "policy_denied"
    hint = "reactor data explain-access storage.objects shows which clause."


class Unsatisfied(PreconditionFailed):
    """A precondition of the request does not hold."""

    code = "precondition_failed"


class UnsatisfiableRange(RangeNotSatisfiable):
    """The range lies outside of the object."""

    code = "range_not_satisfiable"


class PoliciesAreMigrations(MethodNotAllowed):
    """Policies are written in migrations."""

    code = "policies_are_migrations"
    hint = "Write `create policy … on storage.objects …` or `drop policy …` in a file of migrations/."
