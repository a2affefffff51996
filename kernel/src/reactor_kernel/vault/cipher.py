"""AES-256-GCM with a random 12-byte nonce, bound to what the bytes belong to."""

from __future__ import annotations

import os

NONCE_BYTES = 12
KEY_BYTES = 32
TAG_BYTES = 16


class Altered(Exception):
    """The bytes were not made with this key for this purpose, or were changed since."""


def new_key() -> bytes:
    """Make a random 256-bit key."""
    return os.urandom(KEY_BYTES)


def seal(key: bytes, plaintext: bytes, purpose: tuple[str, ...]) -> bytes:
    """Encrypt; the result is nonce, ciphertext and tag, and opens only with the same key and purpose."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # native; not every command needs it

    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, _associated(purpose))


def unseal(key: bytes, sealed: bytes, purpose: tuple[str, ...]) -> bytes:
    """Decrypt what `seal` made. Raises Altered."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(sealed) < NONCE_BYTES + TAG_BYTES:
        raise Altered
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _associated(purpose))
    except InvalidTag:
        raise Altered from None


def _associated(purpose: tuple[str, ...]) -> bytes:
    # NUL stands in no name, so no two purposes read the same.
    return "\0".join(("reactor-vault", *purpose)).encode()
