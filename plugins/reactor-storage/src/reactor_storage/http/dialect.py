"""What errors say beside the envelope, for Supabase's clients, which read theirs elsewhere (decision 35)."""

from __future__ import annotations

from reactor_kernel.api import ErrorFacts, ErrorMembers

# As Supabase calls them, where storage-js or programs written for it ask: its `exists` needs NoSuchKey.
_CODES = {
    "object_not_found": "NoSuchKey",
    "bucket_not_found": "NoSuchBucket",
    "multipart_not_found": "NoSuchUpload",
    "object_exists": "KeyAlreadyExists",
    "bucket_exists": "BucketAlreadyExists",
    "object_too_large": "EntityTooLarge",
    "payload_too_large": "EntityTooLarge",
    "mime_type_not_allowed": "InvalidMimeType",
    "invalid_key": "InvalidKey",
    "invalid_bucket_name": "InvalidBucketName",
    "invalid_request": "InvalidRequest",
    "range_not_satisfiable": "InvalidRange",
    "invalid_signature": "InvalidSignature",
    "permission_denied": "AccessDenied",
    "policy_denied": "AccessDenied",
}


def storage_dialect(facts: ErrorFacts) -> ErrorMembers:
    """Return `statusCode`, `message` and `code` at the top, and `type`, which storage3 takes for the code."""
    kind = "not_found" if facts.code == "object_not_found" else facts.code
    code = _CODES.get(facts.code, facts.code)
    return ErrorMembers({"type": kind}, {"statusCode": str(facts.status), "message": facts.message, "code": code})
