"""Signature Version 4, calculated (docs.aws.amazon.com: "Authenticating Requests (AWS Signature Version 4)"). No I/O."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote_to_bytes

from reactor_storage.s3.faults import S3Error

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
_SPACES = re.compile(r" +")
_STAMP = re.compile(r"\d{8}T\d{6}Z\Z")
_DATE = re.compile(r"\d{8}\Z")
_SIGNATURE = re.compile(r"[0-9a-f]{64}\Z")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+\Z")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says of its signature. `stamp` as sent; `expires` in seconds after it, None unless presigned."""

    access_key_id: str
    date: str
    region: str
    signed_headers: tuple[str, ...]
    signature: str
    stamp: str
    expires: int | None = None

    @property
    def scope(self) -> str:
        """The credential scope."""
        return f"{self.date}/{self.region}/s3/aws4_request"

    @property
    def signed_at(self) -> datetime:
        """When it was signed."""
        return datetime.strptime(self.stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def claim_of_header(authorization: str, stamp: str | None) -> Claim:
    """Read an `Authorization` header. Raises S3Error."""
    malformed = "AuthorizationHeaderMalformed"
    algorithm, _, rest = authorization.strip().partition(" ")
    if algorithm != ALGORITHM:
        raise S3Error("InvalidRequest", f"the authorization {algorithm[:40]!r} is not supported; use {ALGORITHM}")
    found: dict[str, str] = {}
    for part in rest.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals or name in found:
            raise S3Error(malformed, "the Authorization header cannot be read")
        found[name] = value
    if found.keys() != {"Credential", "SignedHeaders", "Signature"}:
        raise S3Error(malformed, "the Authorization header needs Credential, SignedHeaders and Signature")
    if stamp is None:
        raise S3Error("AccessDenied", "the request needs the header X-Amz-Date")
    return _claim(
        malformed, found["Credential"], found["SignedHeaders"], found["Signature"], stamp.strip(), expires=None
    )


def claim_of_query(query: Mapping[str, str]) -> Claim:
    """Read the parameters of a presigned URL. Raises S3Error."""
    malformed = "AuthorizationQueryParametersError"
    missing = [name for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
               if f"X-Amz-{name}" not in query]  # fmt: skip
    if missing:
        raise S3Error(malformed, f"the presigned URL lacks X-Amz-{missing[0]}")
    if query["X-Amz-Algorithm"] != ALGORITHM:
        raise S3Error(malformed, f"X-Amz-Algorithm must be {ALGORITHM}")
    expires = query["X-Amz-Expires"]
    if not (expires.isascii() and expires.isdigit() and len(expires) < 8 and 0 < int(expires) <= 604800):
        raise S3Error(malformed, "X-Amz-Expires must be from 1 to 604800 seconds")
    return _claim(
        malformed, query["X-Amz-Credential"], query["X-Amz-SignedHeaders"], query["X-Amz-Signature"],
        query["X-Amz-Date"], expires=int(expires),
    )  # fmt: skip


def _claim(code: str, credential: str, headers: str, signature: str, stamp: str, *, expires: int | None) -> Claim:
    parts = credential.split("/")
    if len(parts) != 5 or not all(parts[:3]) or parts[3:] != ["s3", "aws4_request"] or not _DATE.match(parts[1]):
        raise S3Error(code, "the credential must be <access key id>/<yyyymmdd>/<region>/s3/aws4_request")
    if not _STAMP.match(stamp) or not stamp.startswith(parts[1]):
        raise S3Error(code, "the date must be yyyymmddThhmmssZ, of the same day as the credential's scope")
    names = tuple(headers.split(";"))
    if list(names) != sorted(set(names)) or not all(map(_HEADER_NAME.match, names)):
        raise S3Error(code, "SignedHeaders must be lowercase names in order, each once, divided by semicolons")
    if not _SIGNATURE.match(signature):
        # What is no signature at all is the same to the caller as a wrong one.
        raise S3Error("SignatureDoesNotMatch", WRONG)
    claim = Claim(parts[0], parts[1], parts[2], names, signature, stamp, expires)
    try:
        _ = claim.signed_at
    except ValueError:
        raise S3Error(code, "the date is none of the calendar") from None
    return claim


WRONG = "the signature calculated here is not the one sent; check the secret access key and how the request is signed"


def canonical_path(path: bytes) -> str:
    """Return a decoded path as it is signed: every byte but the unreserved ones and `/` escaped, once."""
    return quote(path, safe="/-_.~")


def query_pairs(raw: str) -> list[tuple[bytes, bytes]]:
    """Return the parameters of a query string, decoded, in their order. A plus sign is a space, as S3 reads it."""
    pairs = []
    for part in raw.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((unquote_to_bytes(name.replace("+", " ")), unquote_to_bytes(value.replace("+", " "))))
    return pairs


def canonical_query(pairs: Iterable[tuple[bytes, bytes]]) -> str:
    """Return parameters as they are signed."""
    escaped = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in escaped)


def canonical_request(
    method: str, path: bytes, pairs: Iterable[tuple[bytes, bytes]], names: Sequence[str],
    header: Callable[[str], str | None], payload: str,
) -> bytes:  # fmt: skip
    """Return what the string to sign holds the digest of.

    `header` returns a header's value as Latin-1 text. Raises S3Error for a signed header that was not sent.
    """
    lines = []
    for name in names:
        value = header(name)
        if value is None:
            raise S3Error("AccessDenied", f"the header {name} is signed and was not sent")
        lines.append(f"{name}:{_SPACES.sub(' ', value.strip())}\n")
    return "\n".join(
        (method, canonical_path(path), canonical_query(pairs), "".join(lines), ";".join(names), payload)
    ).encode("latin-1")


def signing_key(secret: str, claim: Claim) -> bytes:
    """Return the key of one day, region and service."""
    key = b"AWS4" + secret.encode()
    for part in (claim.date, claim.region, "s3", "aws4_request"):
        key = _hmac(key, part.encode())
    return key


def signature(key: bytes, claim: Claim, request: bytes) -> str:
    """Return the signature of a canonical request."""
    text = f"{ALGORITHM}\n{claim.stamp}\n{claim.scope}\n{hashlib.sha256(request).hexdigest()}"
    return _hmac(key, text.encode()).hex()


_EMPTY = hashlib.sha256(b"").hexdigest()


def chunk_signature(key: bytes, claim: Claim, previous: str, digest: str) -> str:
    """Return the signature of a chunk whose SHA-256 is given, after the signature before it."""
    text = f"{ALGORITHM}-PAYLOAD\n{claim.stamp}\n{claim.scope}\n{previous}\n{_EMPTY}\n{digest}"
    return _hmac(key, text.encode()).hex()


def trailer_signature(key: bytes, claim: Claim, previous: str, trailer: bytes) -> str:
    """Return the signature of the trailer's lines `name:value\\n`, after the last chunk's."""
    text = f"{ALGORITHM}-TRAILER\n{claim.stamp}\n{claim.scope}\n{previous}\n{hashlib.sha256(trailer).hexdigest()}"
    return _hmac(key, text.encode()).hex()


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()
