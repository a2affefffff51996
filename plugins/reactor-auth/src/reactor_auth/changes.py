"""Tells every node what changed, so that nothing cached outlives it."""

from __future__ import annotations

from uuid import UUID

from reactor_auth.model import NOTIFY_CHANNEL
from reactor_auth.resolver import Resolver
from reactor_auth.signing import SigningKeys
from reactor_kernel.api import Database, Tx

# The subject of everything that was verified: the key set changed.
KEYS = "keys"


def user(user_id: UUID) -> str:
    """The subject of everything cached about a user."""
    return f"user:{user_id}"


def org(org_id: UUID) -> str:
    """The subject of everything cached about an organisation."""
    return f"org:{org_id}"


def session(session_id: UUID) -> str:
    """The subject of everything cached about a session."""
    return f"session:{session_id}"


def client(client_id: str) -> str:
    """The subject of everything cached about an OAuth client."""
    return f"client:{client_id}"


def api_key(key_id: UUID) -> str:
    """The subject of everything cached about an API key."""
    return f"apikey:{key_id}"


class Changes:
    """Announces changes with the transaction that makes them, and hears those of other nodes."""

    def __init__(self, resolver: Resolver, keys: SigningKeys) -> None:
        self._resolver = resolver
        self._keys = keys

    def announce(self, tx: Tx, *subjects: str) -> None:
        """Drop what is cached about the subjects here right after the commit, and elsewhere by NOTIFY."""
        for subject in subjects:
            tx.notify(NOTIFY_CHANNEL, subject)

        def forget() -> None:
            for subject in subjects:
                self.heard(subject)

        tx.after_commit(forget)

    def listen(self, db: Database) -> None:
        """Subscribe to the other nodes' announcements."""
        db.on_notify(NOTIFY_CHANNEL, self.heard)

    def heard(self, subject: str | None) -> None:
        """Drop what is cached about a subject; everything for None, which means that some may have been missed."""
        if subject is None or subject == KEYS:
            self._keys.expire()
            self._resolver.forget_keys()
        else:
            self._resolver.identities.forget(subject)
