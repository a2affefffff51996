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
    Unavailable,
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


def no_such_bucket(ref: str) -> BucketNotFound:
    """Return the error that says so, whoever asks."""
    return BucketNotFound(f"there is no bucket {ref[:80]!r}", details={"bucket": ref[:80]})


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


class UploadNotFound(NotFound):
    """There is no such upload."""

    code = "upload_not_found"
    hint = "Begin a new one at POST /storage/v1/upload/resumable."


class OffsetMismatch(Conflict):
    """The upload is at another offset."""

    code = "offset_mismatch"
    hint = "Ask for its offset with HEAD and go on from there."


class UploadLocked(Conflict):
    """Another request writes to the upload."""

    code = "upload_locked"
    hint = "Ask for its offset with HEAD in a moment and go on from there."


class UploadIsFinal(Forbidden):
    """The upload was made of others and takes no bytes."""

    code = "upload_is_final"


class InvalidConcatenation(BadRequest):
    """The uploads cannot be put together."""

    code = "invalid_concatenation"


class VersionNotFound(NotFound):
    """There is no such version of the object."""

    code = "version_not_found"
    hint = "GET /storage/v1/versions/{bucket}/{key} lists the versions of an object."


class InvalidLifecycle(InvalidStorageRequest):
    """A lifecycle rule cannot be kept to."""

    hint = 'Send rules such as {"prefix": "tmp/", "expire_days": 7}, {"noncurrent_days": 30} or both in one.'


class InvalidTransform(BadRequest):
    """The transform is not valid."""

    code = "invalid_transform"
    hint = "Use width and height from 1 to 2500, resize cover, contain or fill, quality from 20 to 100."


class ImageNotSupported(UnsupportedMediaType):
    """The object is no picture that can be rendered."""

    code = "image_not_supported"
    hint = "JPEG, PNG, GIF, WebP and AVIF are rendered; read others, such as SVG, as they are."


class ImageTooLarge(PayloadTooLarge):
    """The picture is too large to be rendered."""

    code = "image_too_large"
    hint = "Store a smaller one, or raise [storage] image_max_bytes, image_max_pixels or image_timeout_secs."


class ImagesBusy(Unavailable):
    """Too many pictures are being rendered."""

    code = "images_busy"
    hint = "Ask again in a second; [storage] image_workers and image_requests say how many are rendered."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class SourceChanged(Conflict):
    """The object was replaced or removed while it was copied or moved."""

    code = "source_changed"
    hint = "Send it again."


class PoliciesAreMigrations(MethodNotAllowed):
    """Policies are written in migrations."""

    code = "policies_are_migrations"
    hint = "Write `create policy … on storage.objects …` or `drop policy …` in a file of migrations/."
