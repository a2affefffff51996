"""Checks who sent a request: Signature V4 in the header or the URL, or nobody (decisions 36 and 38)."""

from __future__ import annotations

import hmac
import io
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from reactor_kernel.api import ANONYMOUS, Clock, Identity, PermissionDenied, Unauthenticated
from reactor_storage.access import Caller
from reactor_storage.http.bodies import content_chunks
from reactor_storage.s3 import signature
from reactor_storage.s3.checks import checks_of
from reactor_storage.s3.chunked import ChunkedBody, ChunkSigner, announced_trailer, decoded_length
from reactor_storage.s3.credentials import S3Credentials
from reactor_storage.s3.faults import S3Error
from reactor_storage.s3.request import Headers, Payload, S3Request
from reactor_storage.s3.signature import Claim

if TYPE_CHECKING:
    import falcon

_SKEW = timedelta(minutes=15)
_SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
_SIGNED_CHUNKS_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
_UNSIGNED_CHUNKS_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
# A proxy in front adds these behind the client's back.
_ADDED_LATER = frozenset(("x-amz-cf-id",))


class Gate:
    """Turns a request into one whose sender is known."""

    def __init__(self, credentials: S3Credentials, clock: Clock, *, region: str | None, host: str | None) -> None:
        self._credentials = credentials
        self._clock = clock
        self._region = region
        self._suffix = None if host is None else "." + host.lower()

    def admit(self, req: falcon.Request, rest: str) -> S3Request:
        """Check the signature and return what is asked; `rest` is the path behind the endpoint's, decoded.

        Raises:
            S3Error: the signature is wrong, too old, or of a key that does not work.
        """
        environ = req.env
        headers = Headers(environ)
        pairs = signature.query_pairs(environ.get("QUERY_STRING", ""))
        query = _texts(pairs)
        authorization = headers("authorization")
        presigned = "X-Amz-Algorithm" in query or "X-Amz-Signature" in query
        if authorization is not None and presigned:
            raise S3Error("InvalidArgument", "sign either in the Authorization header or in the URL, not in both")
        if "AWSAccessKeyId" in query:
            raise S3Error("InvalidRequest", f"Signature V2 is not supported; use {signature.ALGORITHM}")
        claim = key = None
        identity: Identity = ANONYMOUS
        mode = headers("x-amz-content-sha256")
        if authorization is not None or presigned:
            claim = (
                signature.claim_of_query(query)
                if presigned
                else signature.claim_of_header(authorization or "", headers("x-amz-date"))
            )
            mode = mode or (query.get("X-Amz-Content-Sha256", signature.UNSIGNED) if presigned else None)
            if mode is None:
                raise S3Error("InvalidRequest", "the request needs the header x-amz-content-sha256")
            self._check_time(claim)
            if self._region is not None and claim.region != self._region:
                raise S3Error(
                    "AuthorizationHeaderMalformed", f"the region {claim.region!r} is wrong; expecting {self._region!r}"
                )
            _check_coverage(claim, headers)
            credential, secret = self._credentials.find(claim.access_key_id)
            key = signature.signing_key(secret, claim)
            signed = [(name, value) for name, value in pairs if not (presigned and name == b"X-Amz-Signature")]
            request = signature.canonical_request(
                req.method, environ["PATH_INFO"].encode("latin-1"), signed, claim.signed_headers, headers, mode,
            )  # fmt: skip
            if not hmac.compare_digest(signature.signature(key, claim, request), claim.signature):
                raise S3Error("SignatureDoesNotMatch", signature.WRONG)
            identity = self._credentials.identity(credential)
        bucket, name = self._place(headers("host") or "", rest)
        _check_owner(headers, identity)
        return S3Request(
            method=req.method,
            bucket=bucket,
            key=name,
            query=query,
            headers=headers,
            caller=Caller(identity, req.context.request_id, _require(identity)),
            payload=_payload(req, headers, mode or signature.UNSIGNED, claim, key),
            resource=req.path,
            region=self._region or "local",
        )

    def _check_time(self, claim: Claim) -> None:
        now, signed = self._clock.now(), claim.signed_at
        if claim.expires is None:
            if abs(now - signed) > _SKEW:
                raise S3Error(
                    "RequestTimeTooSkewed", "the request was signed more than 15 minutes from the server's time"
                )
        elif signed - now > _SKEW:
            raise S3Error("AccessDenied", "the presigned URL is not valid yet")
        elif now > signed + timedelta(seconds=claim.expires):
            raise S3Error("AccessDenied", "the presigned URL has expired")

    def _place(self, host: str, rest: str) -> tuple[str | None, str | None]:
        """Return bucket and key, in virtual style where the host says so."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if self._suffix is not None and name.lower().endswith(self._suffix):
            return name.lower().removesuffix(self._suffix), rest or None
        bucket, _, key = rest.partition("/")
        return bucket or None, key or None


def _check_coverage(claim: Claim, headers: Headers) -> None:
    """Raise unless everything that S3 wants signed is."""
    wanted = {"host", *headers.names("x-amz-")} - _ADDED_LATER
    if missing := sorted(wanted - set(claim.signed_headers)):
        raise S3Error("AccessDenied", f"the header {missing[0]} was sent and is not signed")


def _check_owner(headers: Headers, identity: Identity) -> None:
    expected = headers("x-amz-expected-bucket-owner")
    if expected is not None and expected.strip() != identity.org_id:
        raise S3Error("AccessDenied", "the bucket is not of the owner that x-amz-expected-bucket-owner names")


def _payload(req: falcon.Request, headers: Headers, mode: str, claim: Claim | None, key: bytes | None) -> Payload:
    trailer = announced_trailer(headers)
    checks = checks_of(headers, headers.names("x-amz-checksum-"), trailer)
    if not mode.startswith("STREAMING-"):
        if mode != signature.UNSIGNED:
            if len(mode) != 64 or not set(mode) <= set("0123456789abcdef"):
                raise S3Error(
                    "InvalidArgument", "x-amz-content-sha256 is no SHA-256 in lowercase hex, nor a known word"
                )
            checks.sha256 = mode
        return Payload(lambda: content_chunks(req, checked=checks.sha256 is not None), checks)
    signer = None
    if mode in (_SIGNED_CHUNKS, _SIGNED_CHUNKS_TRAILER):
        if claim is None or key is None:
            raise S3Error("AccessDenied", "signed chunks need a signed request")
        signer = ChunkSigner(key, claim, claim.signature)
    elif mode != _UNSIGNED_CHUNKS_TRAILER:
        raise S3Error("NotImplemented", f"the payload {mode[:60]!r} is not supported")
    announced = trailer if mode != _SIGNED_CHUNKS else frozenset[str]()
    # The kernel's own input: Falcon's bounded stream counts a line as long as it was allowed to be.
    source = req.env["wsgi.input"] if req.content_length != 0 else io.BytesIO()
    body = ChunkedBody(source, decoded_length(headers), signer, announced)
    return Payload(lambda: iter(()), checks, body)


def _texts(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    query: dict[str, str] = {}
    for name, value in pairs:
        try:
            text = value.decode()
            query.setdefault(name.decode(), text)
        except UnicodeDecodeError:
            raise S3Error("InvalidURI", "a parameter of the URL is not UTF-8") from None
        if "\x00" in text:
            raise S3Error("InvalidArgument", "a parameter of the URL holds a NUL")
    return query


def _require(identity: Identity) -> Callable[[str], None]:
    """Return what asks an identity's own permissions."""

    def require(permission: str) -> None:
        if identity is ANONYMOUS:
            raise Unauthenticated
        if not identity.may(permission):
            raise PermissionDenied(f"this needs the permission {permission}", details={"permission": permission})

    return require
