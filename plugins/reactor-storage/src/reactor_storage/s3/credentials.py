"""S3 access keys: made, listed, revoked, and turned into the identity they act with (decision 30)."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from reactor_kernel.api import (
    AuthClient,
    Clock,
    Database,
    Forbidden,
    Identity,
    IdentityKind,
    NotFound,
    OrgRef,
    PermissionDenied,
    Vault,
    grants,
    uuid7,
)
from reactor_storage import queries as storage_queries
from reactor_storage.access import Caller
from reactor_storage.errors import InvalidStorageRequest
from reactor_storage.rows import texts_in
from reactor_storage.s3 import queries
from reactor_storage.s3.faults import S3Error
from reactor_storage.s3.scopes import within

VAULT_KEY = "storage-s3-credentials"
# Who is a member, and with which permissions, is looked up again after this long (decision 11).
_FRESH_SECS = 30.0
_REMEMBERED = 1000
_SCOPE = re.compile(r"(\*|storage(:([a-z0-9_-]{1,63}|\*)){1,4})\Z")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class CredentialNotFound(NotFound):
    """There is no such S3 credential."""

    code = "s3_credential_not_found"
    hint = "GET /storage/v1/s3-credentials lists yours in this organisation."


class S3Credential(msgspec.Struct, frozen=True):
    """An access key without its secret."""

    id: str
    access_key_id: str
    name: str
    org_id: str
    user_id: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


_CREDENTIAL = msgspec.json.Decoder(S3Credential)


class S3Credentials:
    """Makes, lists, revokes and finds access keys."""

    def __init__(self, db: Database, vault: Vault, auth: Callable[[], AuthClient], clock: Clock) -> None:
        self._db = db
        self._vault = vault
        self._auth = auth
        self._clock = clock
        self._lock = threading.Lock()
        self._secrets: dict[str, str] = {}
        self._identities: dict[str, tuple[float, Identity]] = {}

    def create(
        self, caller: Caller, name: str, scopes: Sequence[str] | None, expires_at: datetime | None
    ) -> tuple[S3Credential, str]:
        """Make an access key of the caller in its organisation; return it and its secret, which is shown this once.

        Without scopes it may what the caller may now in storage.

        Raises:
            InvalidStorageRequest: a scope is no permission of storage, or the key would be expired already.
            PermissionDenied: a scope is more than the caller holds.
            Forbidden: the caller is no signed-in user. What a key or an application's token makes would outlive it.
        """
        org_id, user_id = _owner(caller)
        if caller.identity.kind is not IdentityKind.USER:
            raise Forbidden(
                "only a signed-in user makes S3 credentials",
                hint="An API key's owner signs in and makes one of the same scopes.",
            )
        if not name.strip() or len(name) > 200 or not name.isprintable():
            raise InvalidStorageRequest("name must be 1 to 200 printable characters")
        if expires_at is not None and expires_at <= self._clock.now():
            raise InvalidStorageRequest("expires_at lies in the past")
        held = caller.identity.permissions
        granted = sorted(within(["storage:*"], held)) if scopes is None else _granted(scopes, held)
        if not granted:
            raise PermissionDenied("the key would be allowed nothing: you hold no permission of storage")
        id, access_key_id = str(uuid7()), "RK" + "".join(secrets.choice(_ALPHABET) for _ in range(18))
        secret = secrets.token_urlsafe(30)
        expires = None if expires_at is None else expires_at.isoformat()
        sealed = self._vault.encrypt(VAULT_KEY, secret.encode())
        made, _ = self._db.run(
            None,
            [
                queries.insert_credential(id, access_key_id, sealed, name, org_id, user_id, granted, expires),
                storage_queries.audit(
                    "s3_credential.create", caller.identity, caller.request_id,
                    details={"id": id, "access_key_id": access_key_id, "name": name, "scopes": granted},
                ),
            ],
        )  # fmt: skip
        return _CREDENTIAL.decode(made.rows[0][0] or b""), secret

    def listed(self, caller: Caller) -> list[S3Credential]:
        """Return the caller's access keys in its organisation."""
        (result,) = self._db.run(None, [queries.credentials(*_owner(caller))], readonly=True)
        return [_CREDENTIAL.decode(row[0] or b"") for row in result.rows]

    def revoke(self, caller: Caller, id: str) -> None:
        """Make an access key of the caller end at once. Raises CredentialNotFound."""
        with self._db.begin() as tx:
            (gone,) = tx.run([queries.delete_credential(id, *_owner(caller))])
            if not gone.rows:
                raise CredentialNotFound(f"there is no S3 credential {id[:80]!r}")
            (access_key_id,) = texts_in(gone)
            tx.run(
                [
                    storage_queries.audit(
                        "s3_credential.revoke", caller.identity, caller.request_id,
                        details={"id": id, "access_key_id": access_key_id},
                    )
                ]
            )  # fmt: skip

    def find(self, access_key_id: str) -> tuple[S3Credential, str]:
        """Return an access key that works, and its secret. Raises S3Error `InvalidAccessKeyId`."""
        (result,) = self._db.run(None, [queries.credential(access_key_id)], readonly=True)
        if not result.rows:
            raise unknown_key()
        row = result.rows[0]
        found = _CREDENTIAL.decode(row[0] or b"")
        if found.expires_at is not None and found.expires_at <= self._clock.now():
            raise unknown_key()
        if row[2] == b"t":
            self._db.run(None, [queries.note_use(found.id)])
        return found, self._secret((row[1] or b"").decode())

    def identity(self, credential: S3Credential) -> Identity:
        """Return as whom an access key acts: its owner, with those of its scopes that the owner holds.

        Raises S3Error `InvalidAccessKeyId` where the owner is gone, disabled or no member any more.
        """
        now = self._clock.monotonic()
        with self._lock:
            known = self._identities.get(credential.id)
        if known is not None and known[0] > now:
            return known[1]
        try:
            owner = self._auth().identity_of(credential.user_id, OrgRef(credential.org_id))
        except (NotFound, Forbidden):
            with self._lock:
                self._identities.pop(credential.id, None)
            raise unknown_key() from None
        identity = replace(
            owner,
            kind=IdentityKind.API_KEY,
            subject=f"s3key:{credential.id}",
            permissions=within(credential.scopes, owner.permissions),
            api_key_id=credential.id,
        )
        with self._lock:
            if len(self._identities) >= _REMEMBERED:
                self._identities.clear()
            self._identities[credential.id] = (now + _FRESH_SECS, identity)
        return identity

    def _secret(self, sealed: str) -> str:
        with self._lock:
            known = self._secrets.get(sealed)
        if known is None:
            known = self._vault.decrypt(VAULT_KEY, sealed).decode()
            with self._lock:
                if len(self._secrets) >= _REMEMBERED:
                    self._secrets.clear()
                self._secrets[sealed] = known
        return known


def unknown_key() -> S3Error:
    """Return the error for a key that is not there, ended, or whose owner is no member; the same for each."""
    return S3Error("InvalidAccessKeyId", "the access key id does not exist here, has expired or was revoked")


def _owner(caller: Caller) -> tuple[str, str]:
    """Return the organisation and the user. Raises Forbidden for who is no user."""
    org_id = caller.org_id
    if caller.identity.user_id is None:
        raise Forbidden("only users have S3 credentials", hint="Sign in as a user.")
    return org_id, caller.identity.user_id


def _granted(scopes: Sequence[str], held: frozenset[str]) -> list[str]:
    if not scopes:
        raise InvalidStorageRequest("scopes is empty", hint="Leave it out for all that you may in storage.")
    for scope in scopes:
        if not _SCOPE.match(scope):
            raise InvalidStorageRequest(
                f"{scope[:80]!r} is no permission of storage",
                hint="For example storage:photos:read, or storage:*:write.",
            )
        if not grants(held, scope):
            raise PermissionDenied(f"you do not hold {scope}", details={"permission": scope})
    return sorted(set(scopes))


def aware(moment: datetime | None) -> datetime | None:
    """Return a time with a zone; UTC where it names none."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
