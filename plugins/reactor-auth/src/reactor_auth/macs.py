"""Keyed digests: what only this server can make, and what cannot be searched offline."""

from __future__ import annotations

import base64
import hashlib
import hmac


class Macs:
    """HMAC-SHA256 under the data key; `purpose` keeps the uses apart."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def digest(self, purpose: str, text: str) -> bytes:
        """Return the keyed digest of a text."""
        key = hmac.digest(self._key, f"reactor-auth mac {purpose}".encode(), hashlib.sha256)
        return hmac.digest(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)

    def tag(self, purpose: str, text: str) -> str:
        """Return the keyed digest in base64url."""
        return base64.urlsafe_b64encode(self.digest(purpose, text)).rstrip(b"=").decode()

    def fits(self, purpose: str, text: str, tag: str) -> bool:
        """Tell in constant time whether a tag belongs to a text."""
        return hmac.compare_digest(self.tag(purpose, text).encode(), tag.encode("utf-8", "surrogatepass"))
