"""Giving signed URLs out, and taking them (contract storage.md §3.4 and §4.8, decision 39)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import quote as percent
from urllib.parse import urlencode

from reactor_kernel.api import Database, DatabaseFault, Statement
from reactor_storage import queries
from reactor_storage.access import Caller, on_behalf_of
from reactor_storage.buckets import Buckets
from reactor_storage.errors import InvalidStorageRequest
from reactor_storage.keys import object_key
from reactor_storage.model import Bucket
from reactor_storage.reading import Reader
from reactor_storage.signing import MAX_SECS, Grant, InvalidSignature, Method, MissingSignature, Signer, UrlExpired
from reactor_storage.writing import Writer

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


class Grants:
    """Signs what the caller may do itself, and turns a signed URL into the caller it stands for."""

    def __init__(
        self, db: Database, buckets: Buckets, reader: Reader, writer: Writer, signer: Signer, *, default_secs: int
    ) -> None:
        self._db = db
        self._buckets = buckets
        self._reader = reader
        self._writer = writer
        self.signer = signer
        self._default_secs = default_secs

    def give(
        self, caller: Caller, bucket_ref: str, key: str, *, method: Method, seconds: int | None = None, upsert: bool = False,
        single_use: bool = False, transform: str = "", plain: bool = False, exists: bool = False,
    ) -> Grant:  # fmt: skip
        """Let whoever holds the URL do to one object what the caller may do now.

        Policies are asked here and not again when the URL is used; so where there are some, only what is there can be read or
        replaced. Else the object need not exist. A `plain` grant names no signer, so that its signature is the canonical one. With
        `exists` an object that is not there is an error in any case.

        Raises:
            ObjectNotFound: the caller does not see it.
            PolicyDenied: the caller may not write it.
            InvalidStorageRequest: more than seven days.
        """
        seconds = seconds or self._default_secs
        if not 0 < seconds <= MAX_SECS:
            raise InvalidStorageRequest(f"a signed URL lives from 1 to {MAX_SECS} seconds, not {seconds}")
        bucket = self._buckets.find(caller, bucket_ref)
        object_key(key)
        if method == "PUT":
            caller.demand(bucket.name, "write")
            replaces = self._writer.rehearse(caller, bucket, key)
            # Where policies decide, what somebody else puts there meanwhile is not the caller's to replace.
            upsert = upsert and (replaces or not self._policies_decide(caller))
        else:
            caller.demand_reading(bucket)
            if exists or not self._may_be_absent(caller, bucket, key):
                self._reader.content_of(caller, bucket, key)
        signer = None if plain else caller.identity.user_id
        return Grant(
            method,
            bucket.org_id,
            bucket.name,
            key,
            self.signer.deadline(seconds),
            signer,
            upsert,
            single_use,
            transform,
        )

    def may_read(self, caller: Caller, bucket_ref: str) -> None:
        """Raise unless the caller may read objects of a bucket."""
        caller.demand_reading(self._buckets.find(caller, bucket_ref))

    def _may_be_absent(self, caller: Caller, bucket: Bucket, key: str) -> bool:
        """Tell whether a key may be signed without a look at what is there: nobody could see it before, and whoever may read may.

        Where policies decide who sees what, that can be told only of what is there.
        """
        if bucket.public or not caller.policed:
            return True
        (found,) = self._db.run(None, [queries.there_or_policed(bucket.org_id, bucket.name, key)], readonly=True)
        return found.rows[0][0] == b"f"

    def _policies_decide(self, caller: Caller) -> bool:
        if not caller.policed:
            return False
        (found,) = self._db.run(None, [queries.unpoliced("r", "w")], readonly=True)
        return found.rows[0][0] == b"f"

    def url(self, grant: Grant) -> str:
        """Return the URL of a grant on the object's own path, relative to the server."""
        query: dict[str, str] = {"org": grant.org_id, "expires": str(grant.expires)}
        for name in ("signer", "upsert", "single_use"):
            if value := getattr(grant, name):
                query[name] = "true" if value is True else value
        query["signature"] = self.signer.sign(grant)
        return f"/storage/v1/object/{grant.bucket}/{percent(grant.key)}?{urlencode(query)}"

    def token_url(self, grant: Grant) -> str:
        """Return the URL of a grant to read, relative to `/storage/v1`, as Supabase's clients take it."""
        place = "render/image/sign" if grant.transform else "object/sign"
        return f"/{place}/{grant.bucket}/{percent(grant.key)}?token={self.signer.token(grant)}"

    def taken(
        self, method: Method, bucket: str, key: str, query: Mapping[str, str], request_id: str
    ) -> tuple[Caller, Grant, Sequence[Statement]] | None:
        """Return whom a signed URL stands for, what it allows, and what to run with its use; None where it is not signed.

        Raises:
            MissingSignature, InvalidSignature, UrlExpired.
        """
        signature, expires = query.get("signature"), query.get("expires")
        if signature is None and expires is None:
            return None
        org_id = query.get("org")
        if signature is None or expires is None or org_id is None:
            raise MissingSignature
        if not (expires.isascii() and expires.isdigit() and len(expires) < 16):
            raise InvalidSignature
        grant = Grant(
            method,
            org_id,
            bucket,
            key,
            int(expires),
            query.get("signer"),
            _flag(query, "upsert"),
            _flag(query, "single_use"),
        )
        self.signer.verify(grant, signature)
        return on_behalf_of(grant.org_id, request_id, grant.signer), grant, used(grant, signature)

    def taken_by_token(
        self, method: Method, bucket: str, key: str, token: str, request_id: str
    ) -> tuple[Caller, Grant, Sequence[Statement]]:
        """Return the same for the token of Supabase's paths."""
        grant, signature = self.signer.read_token(method, bucket, key, token)
        return on_behalf_of(grant.org_id, request_id, grant.signer), grant, used(grant, signature)

    def spend(self, statements: Sequence[Statement]) -> None:
        """Note that a single-use URL was used, for a use that changes nothing itself. Raises UrlExpired the second time."""
        if statements:
            with spent_once():
                self._db.run(None, statements)

    def forget_uses(self) -> None:
        """Drop the notes of single-use URLs that no longer work anyway."""
        self._db.run(None, [queries.forget_uses()])


def used(grant: Grant, signature: str) -> Sequence[Statement]:
    """Return what notes the use of a single-use URL."""
    return [queries.spend(signature, grant.expires)] if grant.single_use else []


@contextmanager
def spent_once() -> Iterator[None]:
    """Turn the second use of a single-use URL into 403 `url_expired`."""
    try:
        yield
    except DatabaseFault as fault:
        if fault.constraint != "signed_uses_pkey":
            raise
        raise UrlExpired("the signed URL was used; it works once") from fault


def _flag(query: Mapping[str, str], name: str) -> bool:
    text = query.get(name, "false")
    if text not in _FLAGS:
        raise InvalidSignature
    return _FLAGS[text]
