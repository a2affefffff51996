"""The RS256 key set: encrypted at rest, published, reloaded; `rotation` renews it (contract auth.md §4.5)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from reactor_auth.model import NOTIFY_CHANNEL
from reactor_auth.queries import keys as sql
from reactor_auth.sealing import SealBroken, Sealer
from reactor_kernel.api import (
    Clock,
    Database,
    DatabaseUnavailable,
    ExitCode,
    InternalError,
    MigrationFailed,
    MigrationOutcome,
    PoolTimeout,
    RawResult,
    uuid7,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from joserfc.jwk import RSAKey

ALGORITHM = "RS256"
STEP = "signing key"
MAX_AGE_SECS = 300.0
RETRY_SECS = 5.0


class SigningKeyUnusable(InternalError):
    """No signing key can be used."""

    code = "internal_error"


class SigningKeyFailed(MigrationFailed):
    """The active signing key cannot be used, so the server does not start."""

    hint = (
        "restore the data key this database was made with ([auth] data_key), or sign everyone out and make a new key: "
        "update _reactor_auth.signing_keys set rotated_at = now(), retired_at = now() where retired_at is null"
    )
    exit_code = ExitCode.SIGNING_KEY


@dataclass(frozen=True)
class Signer:
    """The active key, opened."""

    kid: str
    private: RSAPrivateKey

    @cached_property
    def key(self) -> RSAKey:
        """The key as joserfc signs with it."""
        from joserfc.jwk import RSAKey

        return RSAKey(self.private, self.private)


@dataclass(frozen=True, slots=True)
class _Key:
    """One published key; it signs from `signs_from` until `signs_until`, in seconds since the epoch."""

    kid: str
    sealed: str
    public_pem: str
    signs_from: float
    signs_until: float | None


@dataclass(frozen=True, slots=True)
class _KeySet:
    # The newest first.
    keys: Mapping[str, _Key]
    loaded_at: float

    def signing(self, now: float) -> _Key | None:
        """Return the key that signs at an instant.

        Where this machine's clock stands before the first key's instant, that key signs all the same.
        """
        current = (
            key
            for key in self.keys.values()
            if key.signs_from <= now and (key.signs_until is None or now < key.signs_until)
        )
        lasting = (key for key in self.keys.values() if key.signs_until is None)
        return next(current, None) or next(lasting, None)


class SigningKeys:
    """The keys of this project; verifying ones are cached, the private one is opened when it is first needed."""

    def __init__(self, db: Database, sealer: Sealer, clock: Clock, log: logging.Logger) -> None:
        self._db = db
        self._sealer = sealer
        self._clock = clock
        self._log = log
        self._lock = threading.Lock()
        self._set: _KeySet | None = None
        self._signer: Signer | None = None
        self._verifiers: dict[str, RSAKey] = {}
        self._asked_at = float("-inf")

    # -- at boot ---------------------------------------------------------------------------------------------------

    def ensure(self, dry_run: bool) -> MigrationOutcome:
        """Make the first key under an advisory lock, and open the active one.

        Raises:
            SigningKeyFailed: exit code 4, when the active key cannot be opened.
        """
        with self._db.begin() as tx:
            if not _yes(tx.run([sql.TABLE_EXISTS])):
                return MigrationOutcome(applied=(STEP,))
            if _yes(tx.run([sql.ACTIVE_EXISTS])):
                made = False
            elif dry_run:
                return MigrationOutcome(applied=(STEP,))
            else:
                made = not _yes(tx.run([sql.LOCK_CREATION, sql.ACTIVE_EXISTS])[1:])
                if made:
                    kid, sealed, public_pem = self.generate()
                    tx.run([sql.insert_key(kid, ALGORITHM, sealed, public_pem, self._clock.now())])
                    tx.notify(NOTIFY_CHANNEL, "keys")
        try:
            self.reload()
            self.signer()
        except SigningKeyUnusable as fault:
            raise SigningKeyFailed(fault.message, details={"revision": STEP}) from fault
        return MigrationOutcome(applied=(STEP,)) if made else MigrationOutcome(skipped=(STEP,))

    def generate(self) -> tuple[str, str, str]:
        """Make a key that nobody knows yet; return its kid, the sealed private key and the public one."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        kid = f"k_{uuid7()}"
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public_pem = private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return kid, self._sealer.seal(pem, _purpose(kid)), public_pem.decode()

    # -- in service ------------------------------------------------------------------------------------------------

    def signer(self) -> Signer:
        """Return the key that signs. Raises SigningKeyUnusable."""
        active = self._fresh().signing(self._clock.now().timestamp())
        if active is None:
            raise SigningKeyUnusable("no signing key is active")
        signer = self._signer
        if signer is None or signer.kid != active.kid:
            signer = self._signer = self._open(active)
        return signer

    def verifier(self, kid: str) -> RSAKey | None:
        """Return the public key `kid`; an unknown one makes the set reload, at most every five seconds."""
        current = self._fresh()
        if kid not in current.keys:
            current = self._reload_after(RETRY_SECS)
        found = current.keys.get(kid)
        if found is None:
            return None
        key = self._verifiers.get(kid)
        if key is None:
            from joserfc.jwk import RSAKey

            key = self._verifiers[kid] = RSAKey.import_key(found.public_pem)
        return key

    def jwks(self) -> dict[str, Any]:
        """Return every key that verifies, as RFC 7517 publishes them."""
        published = []
        for kid in self._fresh().keys:
            key = self.verifier(kid)
            if key is not None:
                numbers = key.as_dict(private=False)
                published.append(
                    {
                        "kty": "RSA",
                        "use": "sig",
                        "kid": kid,
                        "alg": ALGORITHM,
                        "n": numbers["n"],
                        "e": numbers["e"],
                    }
                )
        return {"keys": published}

    def signing_since(self) -> float | None:
        """Return since when the signing key signs, in seconds since the epoch."""
        active = self._fresh().signing(self._clock.now().timestamp())
        return None if active is None else active.signs_from

    def published(self) -> int:
        """Return how many keys verify tokens."""
        return len(self._fresh().keys)

    def expire(self) -> None:
        """Make the next use read the set again (it changed, or a notification may have been missed)."""
        with self._lock:
            self._set = None

    def reload(self) -> None:
        """Read the set now."""
        with self._lock:
            self._load()

    def _fresh(self) -> _KeySet:
        current = self._set
        now = self._clock.monotonic()
        if current is not None and now - current.loaded_at < MAX_AGE_SECS:
            return current
        if current is None:
            with self._lock:
                return self._set or self._load()
        try:
            return self._reload_after(RETRY_SECS)
        except (DatabaseUnavailable, PoolTimeout) as fault:
            self._log.warning("signing keys could not be read again, the known ones stay in use: %s", fault.message)
            return current

    def _reload_after(self, pause: float) -> _KeySet:
        """Read the set unless that was tried less than `pause` seconds ago."""
        with self._lock:
            current = self._set
            if current is not None and self._clock.monotonic() - self._asked_at < pause:
                return current
            return self._load()

    def _load(self) -> _KeySet:
        self._asked_at = self._clock.monotonic()
        [found] = self._db.run(None, [sql.PUBLISHED], readonly=True)
        rows = [tuple((value or b"").decode() for value in row) for row in found.rows]
        keys = {
            kid: _Key(kid, sealed, public_pem, float(signs_from), float(signs_until) if signs_until else None)
            for kid, algorithm, sealed, public_pem, signs_from, signs_until in rows
            if algorithm == ALGORITHM
        }
        loaded = _KeySet(keys, self._clock.monotonic())
        signer, known = self._signer, self._set
        if signer is not None and (
            known is None or signer.kid not in keys or known.keys.get(signer.kid) != keys[signer.kid]
        ):
            self._signer = None
        self._verifiers = {kid: key for kid, key in self._verifiers.items() if kid in keys}
        self._set = loaded
        return loaded

    def _open(self, key: _Key) -> Signer:
        try:
            pem = self._sealer.open(key.sealed, _purpose(key.kid))
        except SealBroken as fault:
            raise SigningKeyUnusable(f"signing key {key.kid} cannot be decrypted: {fault}") from fault
        private = _parse(pem, key.kid)
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        if public.strip() != key.public_pem.strip():
            raise SigningKeyUnusable(f"signing key {key.kid} does not belong to its public key")
        return Signer(key.kid, private)


def _parse(pem: bytes, kid: str) -> RSAPrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        # Whether the numbers are primes was settled when the key was made, and the seal vouches for every byte since; asking
        # again takes longer than all the rest of a boot.
        key = load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise SigningKeyUnusable(f"signing key {kid} is not a private key") from fault
    if not isinstance(key, RSAPrivateKey):
        raise SigningKeyUnusable(f"signing key {kid} is not an RSA key")
    return key


def _yes(results: list[RawResult]) -> bool:
    return results[0].rows[0][0] == b"t"


def _purpose(kid: str) -> str:
    return f"signing_key:{kid}"
