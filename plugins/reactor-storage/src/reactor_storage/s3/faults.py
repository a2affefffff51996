"""S3's error codes, and which of them says what this platform's errors say."""

from __future__ import annotations

from reactor_kernel.api import DatabaseFault, ReactorError
from reactor_storage.errors import PartsOutOfOrder

_STATUS = {
    "AccessDenied": 403,
    "AuthorizationHeaderMalformed": 400,
    "AuthorizationQueryParametersError": 400,
    "BadDigest": 400,
    "IncompleteBody": 400,
    "InvalidAccessKeyId": 403,
    "InvalidArgument": 400,
    "InvalidLocationConstraint": 400,
    "InvalidPart": 400,
    "InvalidRequest": 400,
    "InvalidURI": 400,
    "MalformedXML": 400,
    "MethodNotAllowed": 405,
    "MissingContentLength": 411,
    "NoSuchLifecycleConfiguration": 404,
    "NoSuchVersion": 404,
    "NotImplemented": 501,
    "PreconditionFailed": 412,
    "RequestTimeTooSkewed": 403,
    "SignatureDoesNotMatch": 403,
    "XAmzContentSHA256Mismatch": 400,
}

# What the platform's codes are called there; the status stays the platform's own unless one is given.
_NAMES: dict[str, tuple[str, int | None]] = {
    "unauthorized": ("AccessDenied", 403),
    "permission_denied": ("AccessDenied", None),
    "forbidden": ("AccessDenied", None),
    "policy_denied": ("AccessDenied", None),
    "bucket_not_found": ("NoSuchBucket", None),
    "object_not_found": ("NoSuchKey", None),
    "version_not_found": ("NoSuchVersion", None),
    "multipart_not_found": ("NoSuchUpload", None),
    "invalid_part": ("InvalidPart", None),
    "part_too_small": ("EntityTooSmall", None),
    "bucket_exists": ("BucketAlreadyOwnedByYou", None),
    "bucket_not_empty": ("BucketNotEmpty", None),
    "source_changed": ("OperationAborted", None),
    "object_exists": ("PreconditionFailed", 412),
    "invalid_bucket_name": ("InvalidBucketName", None),
    "invalid_key": ("InvalidArgument", None),
    "precondition_failed": ("PreconditionFailed", None),
    "range_not_satisfiable": ("InvalidRange", None),
    "object_too_large": ("EntityTooLarge", None),
    "payload_too_large": ("EntityTooLarge", None),
    "mime_type_not_allowed": ("InvalidRequest", None),
    "checksum_mismatch": ("BadDigest", None),
    "length_required": ("MissingContentLength", None),
    "bad_request": ("IncompleteBody", None),
    "request_timeout": ("RequestTimeout", 400),
    "rate_limited": ("SlowDown", 503),
    "unavailable": ("ServiceUnavailable", None),
    "storage_full": ("XMinioStorageFull", None),
}


class S3Error(Exception):
    """An error that only this protocol knows. `code` is S3's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = _STATUS[code]
        self.message = message


def in_s3_words(error: ReactorError, status: int) -> tuple[str, int, str]:
    """Return code, status and message for an error of the platform whose own status is given."""
    if isinstance(error, DatabaseFault) and error.status is None:
        # Nobody mapped it, so what it says is for the log alone.
        return "InternalError", 500, "something went wrong on the server"
    if isinstance(error, PartsOutOfOrder):
        return "InvalidPartOrder", status, error.message
    code, other = _NAMES.get(error.error_code, ("InternalError" if status >= 500 else "InvalidRequest", None))
    hint = f" {error.error_hint}" if error.error_hint else ""
    return code, other or status, f"{error.message.rstrip('.')}.{hint}" if hint else error.message
