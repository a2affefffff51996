"""What errors say beside the envelope, for Supabase's clients, which read theirs elsewhere (decision 35)."""

from __future__ import annotations

from reactor_kernel.api import ErrorFacts, ErrorMembers


def storage_dialect(facts: ErrorFacts) -> ErrorMembers:
    """Return `statusCode`, `message` and `code` at the top, and `type`, which storage3 takes for the code."""
    kind = "not_found" if facts.code == "object_not_found" else facts.code
    return ErrorMembers({"type": kind}, {"statusCode": str(facts.status), "message": facts.message, "code": facts.code})
