"""The vault that needs no other process."""

from __future__ import annotations

import base64
import binascii
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime

from reactor_kernel.errors import NotFound, Unavailable, ValidationError
from reactor_kernel.vault.cipher import Altered, new_key, seal, unseal
from reactor_kernel.vault.names import check_name
from reactor_kernel.vault.store import Content, Entry, Store, Version

CACHE_ENTRIES = 1000

_CIPHERTEXT = re.compile(r"vault:v([1-9][0-9]{0,8}):([A-Za-z0-9+/]+={0,2})\Z")


class EmbeddedVault:
    """Implements `Vault` over a store of sealed entries.

    Every version of every secret and key has a random data key of its own, wrapped by the master key. What is sealed is bound
    to project, name and version, so that entries cannot be exchanged in the file.
    """

    def __init__(
        self,
        store: Store,
        *,
        cache_ttl_secs: float,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._ttl = cache_ttl_secs
        self._monotonic = monotonic
        self._now = now
        self._cache_lock = threading.Lock()
        self._cached_of: Content | None = None
        self._cache: OrderedDict[str, tuple[float, bytes, int]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of project {self._store.project}>"

    # -- secrets ------------------------------------------------------------------------------------------------------

    def get(self, name: str) -> bytes:
        """Return a secret's newest value. Raises NotFound."""
        return self.get_version(name)[0]

    def get_version(self, name: str) -> tuple[bytes, int]:
        """Return a secret's newest value and its version (from 1). Raises NotFound."""
        content = self._store.read()
        cached = self._recall(content, name)
        if cached is not None:
            return cached
        entry = content.secrets.get(check_name(name))
        if entry is None:
            raise NotFound(f"there is no secret {name}")
        number = len(entry.versions)
        version = entry.versions[-1]
        value = self._open(self._unwrap("secret", name, number, version), version.sealed, "secret", name, number)
        self._remember(content, name, value, number)
        return value, number

    def put(self, name: str, value: bytes) -> int:
        """Store a new version of a secret; return its number."""
        check_name(name)
        with self._store.change() as content:
            stamp = self._stamp()
            entry = content.secrets.setdefault(name, Entry(stamp, []))
            number = len(entry.versions) + 1
            key = new_key()
            sealed = seal(key, value, self._purpose("secret", name, number))
            entry.versions.append(Version(self._wrap("secret", name, number, key), stamp, sealed))
        return number

    def delete(self, name: str) -> None:
        """Remove a secret with all versions. Raises NotFound."""
        check_name(name)
        with self._store.change() as content:
            if content.secrets.pop(name, None) is None:
                raise NotFound(f"there is no secret {name}")

    def names(self) -> list[tuple[str, int]]:
        """Return every secret's name and newest version, sorted by name."""
        return sorted((name, len(entry.versions)) for name, entry in self._store.read().secrets.items())

    # -- named keys ---------------------------------------------------------------------------------------------------

    def encrypt(self, key: str, plaintext: bytes) -> str:
        """Encrypt under the newest version of a named key, made at its first use."""
        entry = self._store.read().keys.get(check_name(key))
        if entry is None:
            with self._store.change() as content:
                entry = content.keys.get(key)
                if entry is None:
                    entry = content.keys[key] = Entry(self._stamp(), [])
                    self._add_version(key, entry)
        number = len(entry.versions)
        data_key = self._unwrap("key", key, number, entry.versions[-1])
        sealed = seal(data_key, plaintext, self._purpose("data", key, number))
        return f"vault:v{number}:{base64.b64encode(sealed).decode('ascii')}"

    def decrypt(self, key: str, ciphertext: str) -> bytes:
        """Decrypt what any version of the named key encrypted. Raises ValidationError, NotFound for an unknown key."""
        entry = self._store.read().keys.get(check_name(key))
        if entry is None:
            raise NotFound(f"there is no key {key}")
        match = _CIPHERTEXT.match(ciphertext)
        if match is None:
            raise ValidationError("this is not a ciphertext of the vault")
        number = int(match.group(1))
        try:
            sealed = base64.b64decode(match.group(2), validate=True)
        except binascii.Error:
            raise ValidationError("this is not a ciphertext of the vault") from None
        if number > len(entry.versions):
            raise ValidationError(f"the key {key} has no version {number}")
        data_key = self._unwrap("key", key, number, entry.versions[number - 1])
        try:
            return unseal(data_key, sealed, self._purpose("data", key, number))
        except Altered:
            raise ValidationError(f"the ciphertext was altered, or the key {key} did not make it") from None

    def rotate(self, key: str) -> int:
        """Add a version to a named key; older ciphertexts stay readable. Raises NotFound for an unknown key."""
        check_name(key)
        with self._store.change() as content:
            entry = content.keys.get(key)
            if entry is None:
                raise NotFound(f"there is no key {key}")
            return self._add_version(key, entry)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _add_version(self, key: str, entry: Entry) -> int:
        number = len(entry.versions) + 1
        entry.versions.append(Version(self._wrap("key", key, number, new_key()), self._stamp()))
        return number

    def _purpose(self, kind: str, name: str, number: int) -> tuple[str, ...]:
        return (self._store.project, kind, name, str(number))

    def _wrap(self, kind: str, name: str, number: int, key: bytes) -> bytes:
        return seal(self._store.master_key, key, self._purpose(f"{kind} key", name, number))

    def _unwrap(self, kind: str, name: str, number: int, version: Version) -> bytes:
        return self._open(self._store.master_key, version.wrapped, f"{kind} key", name, number)

    def _open(self, key: bytes, sealed: bytes, kind: str, name: str, number: int) -> bytes:
        try:
            return unseal(key, sealed, self._purpose(kind, name, number))
        except Altered:
            raise Unavailable(
                f"version {number} of {name} in the vault is damaged; restore the vault from a backup"
            ) from None

    def _stamp(self) -> str:
        return self._now().isoformat(timespec="seconds")

    def _recall(self, content: Content, name: str) -> tuple[bytes, int] | None:
        with self._cache_lock:
            if content is not self._cached_of:
                self._cached_of = content
                self._cache.clear()
            cached = self._cache.get(name)
            if cached is None or self._monotonic() >= cached[0]:
                self._cache.pop(name, None)
                return None
            return cached[1], cached[2]

    def _remember(self, content: Content, name: str, value: bytes, number: int) -> None:
        with self._cache_lock:
            if self._ttl > 0 and content is self._cached_of:
                self._cache[name] = (self._monotonic() + self._ttl, value, number)
                while len(self._cache) > CACHE_ENTRIES:
                    self._cache.popitem(last=False)
