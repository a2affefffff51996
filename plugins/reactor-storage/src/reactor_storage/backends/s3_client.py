"""The connection to S3 and what its failures mean. Imported only where `backend = "s3"`, because boto3 costs a third of a second."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ResponseStreamingError,
)

from reactor_storage.backends.contract import BackendFailed, BackendFull, BackendUnavailable

CONNECT_SECONDS = 3
ATTEMPTS = 3
# Each request in flight and each content being read holds one.
CONNECTIONS = 100

# What may pass: the server is busy, or bytes arrived other than they were sent.
_PASSING = frozenset(
    ("BadDigest", "IncompleteBody", "InternalError", "OperationAborted", "RequestTimeout", "RequestTimeoutException",
     "ServiceUnavailable", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "TooManyRequestsException",
     "XAmzContentSHA256Mismatch")
)  # fmt: skip
# How servers other than Amazon's, which is never full, say that they have no space or that a quota is used up.
_FULL = frozenset(("QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull"))
# RFC 4918 §11.5
_INSUFFICIENT_STORAGE = 507
_ADVICE: Mapping[str, str] = {
    "AccessDenied": "allow s3:PutObject, s3:GetObject, s3:DeleteObject, s3:ListBucket, s3:ListBucketMultipartUploads and "
    "s3:AbortMultipartUpload to the credentials",
    "AuthorizationHeaderMalformed": "set [storage] s3_region to the region of the bucket",
    "ExpiredToken": "renew the AWS credentials",
    "InvalidAccessKeyId": "check AWS_ACCESS_KEY_ID or the profile",
    "NoSuchBucket": "make the bucket, or correct [storage] s3_bucket",
    "PermanentRedirect": "set [storage] s3_region to the region of the bucket",
    "RequestTimeTooSkewed": "set the clock of this machine",
    "SignatureDoesNotMatch": "check AWS_SECRET_ACCESS_KEY or the profile",
}
_NO_CREDENTIALS = (
    "no AWS credentials are found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role of the machine"
)
# A content ended too early or its connection broke while it was read.
BROKEN_STREAM = (ConnectionError, HTTPClientError, IncompleteReadError, ResponseStreamingError)


def connect(*, region: str | None, endpoint: str | None, timeout: int) -> Any:
    """Return a client that may be shared by threads. Nothing is sent yet; credentials come from AWS' usual chain.

    `timeout` is how many seconds a request may go without an answer.
    """
    # At DEBUG it writes the requests that it signs, and so the session token.
    logging.getLogger("botocore").setLevel(logging.INFO)
    settings = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=timeout,
        retries={"mode": "adaptive", "total_max_attempts": ATTEMPTS},
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
        # Transfers are checked by Content-MD5, which every server knows; the trailers that are the default break others than Amazon's.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"} if endpoint else {},
        user_agent_extra="reactor-storage",
    )
    try:
        return boto3.session.Session().client("s3", region_name=region, endpoint_url=endpoint, config=settings)
    except (BotoCoreError, ValueError) as error:
        raise BackendFailed(f"S3 cannot be used: {error}") from error


def code_of(error: ClientError) -> str:
    """Return S3's code of a refusal; that of an answer without a body is its status."""
    return str(error.response.get("Error", {}).get("Code", ""))


class Speech:
    """Says what failed, to whom, and how to mend it."""

    def __init__(self, bucket: str, endpoint: str | None) -> None:
        self._bucket = bucket
        self._host = "S3" if endpoint is None else f"S3 at {urlsplit(endpoint).netloc.rpartition('@')[2]}"

    @contextmanager
    def about(self, doing: str) -> Iterator[None]:
        """Turn what boto3 raises into BackendFailed, BackendFull or BackendUnavailable; `doing` says what was tried."""
        try:
            yield
        except ClientError as error:
            raise self._refused(doing, error) from error
        except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError) as error:
            raise BackendFailed(_NO_CREDENTIALS) from error
        except BROKEN_STREAM as error:
            raise BackendUnavailable(f"{self._host} cannot be reached to {doing}: {type(error).__name__}") from error
        except BotoCoreError as error:
            raise BackendFailed(f"{self._host} cannot be asked to {doing}: {error}") from error

    def _refused(self, doing: str, error: ClientError) -> BackendFailed:
        code = code_of(error)
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        said = f"{self._host} refuses to {doing} in the bucket {self._bucket!r}: {code} ({status})"
        if status == _INSUFFICIENT_STORAGE or code in _FULL:
            return BackendFull(said)
        if status >= 500 or status == 429 or code in _PASSING:
            return BackendUnavailable(said)
        return BackendFailed(f"{said}; {_ADVICE[code]}" if code in _ADVICE else said)
