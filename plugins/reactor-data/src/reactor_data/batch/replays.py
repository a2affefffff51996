"""Answers kept under the key that a client sent, so that a repeated batch is not done twice (decision 34)."""

from __future__ import annotations

import hashlib

from reactor_data.errors import DataError, invalid_body
from reactor_kernel.api import Identity, IdentityKind, Statement, Tx

HOURS = 24
_LONGEST = 255

_DROP = "delete from _reactor_data.idempotency_keys where created_at < now() - make_interval(hours => $1)"
# Whoever comes second waits here for the first; where that one failed it goes on in its place.
_CLAIM = """
insert into _reactor_data.idempotency_keys (subject, org_id, key, request_sha256) values ($1, $2, $3, $4)
on conflict (subject, org_id, key) do nothing returning key
"""
_FIND = """
select request_sha256, answer from _reactor_data.idempotency_keys where subject = $1 and org_id = $2 and key = $3
"""
_KEEP = """
update _reactor_data.idempotency_keys set answer = $4 where subject = $1 and org_id = $2 and key = $3
"""
_NO_ORG = "00000000-0000-0000-0000-000000000000"


class Replay:
    """One key of one caller, within the batch's transaction."""

    def __init__(self, key: str, identity: Identity, body: bytes) -> None:
        if not 1 <= len(key) <= _LONGEST or not key.isprintable():
            raise invalid_body(f"Idempotency-Key must have from 1 to {_LONGEST} printable characters")
        if identity.kind is IdentityKind.ANONYMOUS:
            raise DataError(
                401,
                "unauthorized",
                "an Idempotency-Key needs a token: callers without one cannot be told apart",
                pgrst="PGRST302",
                headers={"WWW-Authenticate": "Bearer"},
            )
        # Who acts for a user with less than its rights must not be given what the user was.
        self._place = (f"{identity.kind.value} {identity.subject}", identity.org_id or _NO_ORG, key)
        self._digest = hashlib.sha256(body).hexdigest()

    def claim(self, tx: Tx) -> bytes | None:
        """Return the answer that was given under the key, or None where this batch is the first.

        Raises:
            DataError: 409 `idempotency_key_reused`; another batch was sent under it.
        """
        _, claimed = tx.run(
            [
                Statement(_DROP, (str(HOURS),), as_owner=True),
                Statement(_CLAIM, (*self._place, self._digest), as_owner=True),
            ]
        )
        if claimed.rows:
            return None
        (found,) = tx.run([Statement(_FIND, self._place, as_owner=True)])
        digest, answer = found.rows[0]
        if digest != self._digest.encode():
            raise DataError(
                409, "idempotency_key_reused", "another batch was sent under this Idempotency-Key",
                hint="Send the same batch again, or a new key.",
            )  # fmt: skip
        return answer

    def keep(self, tx: Tx, answer: bytes) -> None:
        """Keep the answer, if the transaction is kept."""
        tx.run([Statement(_KEEP, (*self._place, answer), as_owner=True)])
