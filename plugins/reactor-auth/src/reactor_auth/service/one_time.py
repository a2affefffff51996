"""One-time tokens and codes: what a mail carries to prove that somebody reads the address (contract auth.md §3.3)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select

from reactor_auth.purposes import Purpose
from reactor_auth.queries import users as user_sql
from reactor_auth.queries import verification as sql
from reactor_auth.tokens import digest
from reactor_kernel.api import Clock, Tx, uuid7

MAX_CODE_ATTEMPTS = 5
CODE_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Issued:
    """A fresh token, readable here only."""

    token: str
    code: str
    expires_at: datetime


class OneTimeTokens:
    """Issues, finds and uses up tokens."""

    def __init__(self, clock: Clock, data_key: bytes) -> None:
        self._clock = clock
        self._code_key = hmac.digest(data_key, b"reactor-auth one-time codes", "sha256")

    def issue(self, tx: Tx, purpose: Purpose, email: str, user_id: UUID | None, *, code: bool = False) -> Issued:
        """Make a token for an address; with `code` also six digits, which end earlier codes of the address."""
        now, token_id = self._clock.now(), uuid7()
        token = secrets.token_urlsafe(32)
        digits = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}" if code else ""
        if code:
            tx.execute(sql.retire_codes(email, now))
        mac = self._mac(token_id, digits) if code else None
        expires_at = now + purpose.life
        tx.execute(sql.insert_token(token_id, user_id, email, digest(token), purpose.word, mac, now, expires_at))
        return Issued(token, digits, expires_at)

    def find(self, tx: Tx, token: str, purposes: Collection[Purpose]) -> Row[Any] | None:
        """Lock a token that can still be used for one of the purposes."""
        words, now = [purpose.word for purpose in purposes], self._clock.now()
        seen = tx.execute(sql.live(digest(token), words, now)).one_or_none()
        return self._locked(tx, seen, sql.live(digest(token), words, now, lock=True))

    def match_code(self, tx: Tx, email: str, code: str) -> Row[Any] | None:
        """Lock the token whose code this is; a wrong one is counted, the fifth wrong one ends the code."""
        now = self._clock.now()
        seen = tx.execute(sql.live_code(email, now)).one_or_none()
        row = self._locked(tx, seen, sql.live_code(email, now, lock=True))
        if row is None:
            return None
        if hmac.compare_digest(row.code_mac, self._mac(row.id, code)):
            return row
        tx.execute(sql.count_attempt(row.id))
        if row.attempts + 1 >= MAX_CODE_ATTEMPTS:
            self.use(tx, row.id)
        return None

    def _locked(self, tx: Tx, seen: Row[Any] | None, again: Select[Any]) -> Row[Any] | None:
        """Lock the user of a token first, as whoever retires all tokens of a user has done, then the token."""
        if seen is None:
            return None
        if seen.user_id is not None:
            tx.execute(user_sql.by_id(seen.user_id, lock=True))
        return tx.execute(again).one_or_none()

    def use(self, tx: Tx, token_id: UUID) -> None:
        """Use a token up."""
        tx.execute(sql.use(token_id, self._clock.now()))

    def retire(self, tx: Tx, user_id: UUID, purposes: Collection[Purpose] | None = None) -> None:
        """End a user's outstanding tokens, of some purposes or all."""
        words = None if purposes is None else [purpose.word for purpose in purposes]
        tx.execute(sql.retire_of_user(user_id, words, self._clock.now()))

    def _mac(self, token_id: UUID, code: str) -> bytes:
        return hmac.new(self._code_key, token_id.bytes + code.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
