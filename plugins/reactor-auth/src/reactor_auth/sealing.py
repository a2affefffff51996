"""Encryption at rest with the data key: AES-256-GCM, base64(nonce12 ‖ ciphertext ‖ tag) (contract auth.md §7.2)."""

from __future__ import annotations

import base64
import binascii
import os


class SealBroken(Exception):
    """The text was not encrypted with this data key for this purpose, or was altered."""


class Sealer:
    """Encrypts and decrypts short secrets; `purpose` is authenticated, so that one cannot stand in for another."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(key)

    def seal(self, plaintext: bytes, purpose: str) -> str:
        """Encrypt under a fresh random nonce."""
        nonce = os.urandom(12)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, plaintext, purpose.encode())).decode()

    def open(self, sealed: str, purpose: str) -> bytes:
        """Decrypt, or raise SealBroken."""
        from cryptography.exceptions import InvalidTag

        try:
            raw = base64.b64decode(sealed, validate=True)
        except (binascii.Error, ValueError) as fault:
            raise SealBroken("not base64") from fault
        if len(raw) < 28:
            raise SealBroken("too short")
        try:
            return self._cipher.decrypt(raw[:12], raw[12:], purpose.encode())
        except InvalidTag as fault:
            raise SealBroken("made with another data key, or altered") from fault
