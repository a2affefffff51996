"""`/storage/v1/s3`: chooses the operation that a request asks for, and answers errors as S3 does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from reactor_kernel.api import ReactorError, status_of
from reactor_storage.backends.contract import BlobMissing
from reactor_storage.s3 import xml
from reactor_storage.s3.buckets import BucketOperations
from reactor_storage.s3.faults import S3Error, in_s3_words
from reactor_storage.s3.gate import Gate
from reactor_storage.s3.listing import ListingOperations
from reactor_storage.s3.objects import ObjectOperations
from reactor_storage.s3.parts import PartOperations
from reactor_storage.s3.request import S3Request

if TYPE_CHECKING:
    import falcon

Operation = Callable[[S3Request, "falcon.Response"], None]

# Parameters that name an operation which is not there; ignoring one would do another thing than was asked.
_UNSUPPORTED = frozenset(
    (
        "accelerate", "acl", "analytics", "attributes", "cors", "encryption", "intelligent-tiering", "inventory", "legal-hold",
        "lifecycle", "logging", "metrics", "notification", "object-lock", "ownershipControls", "policy", "policyStatus",
        "publicAccessBlock", "replication", "requestPayment", "restore", "retention", "select", "tagging", "torrent", "website",
    )
)  # fmt: skip


class S3Resource:
    """All of S3: the service, its buckets and their objects."""

    def __init__(
        self, gate: Gate, buckets: BucketOperations, objects: ObjectOperations, listing: ListingOperations,
        parts: PartOperations, log: logging.Logger,
    ) -> None:  # fmt: skip
        self._gate = gate
        self._objects = objects
        self._log = log
        # By method and, where one is named, the parameter that says which operation; the first that is there counts.
        self._of_bucket: Mapping[str, Mapping[str, Operation]] = {
            "GET": {
                "location": buckets.location,
                "versioning": buckets.versioning,
                "uploads": parts.uploads,
                "list-type": listing.second,
                "": listing.first,
            },
            "HEAD": {"": buckets.head},
            "PUT": {"versioning": buckets.set_versioning, "": buckets.create},
            "POST": {"delete": listing.delete},
            "DELETE": {"": buckets.delete},
        }
        self._of_object: Mapping[str, Mapping[str, Operation]] = {
            "GET": {"uploadId": parts.parts, "tagging": objects.tags},
            "PUT": {"uploadId": parts.put, "": objects.put},
            "POST": {"uploads": parts.create, "uploadId": parts.complete},
            "DELETE": {"uploadId": parts.abort, "": objects.delete},
        }
        self._of_service: Mapping[str, Mapping[str, Operation]] = {"GET": {"": buckets.list}}

    def on_get(self, req: falcon.Request, resp: falcon.Response, rest: str = "") -> None:
        """Answer whatever it is."""
        try:
            asked = self._gate.admit(req, rest)
            if asked.key is not None and req.method in ("GET", "HEAD") and not _names_another(asked, self._of_object):
                self._objects.read(asked, resp, req)
            else:
                self._operation(asked)(asked, resp)
        except S3Error as error:
            self._refuse(req, resp, error.code, error.status, error.message)
        except ReactorError as error:
            code, status, message = in_s3_words(error, status_of(error))
            if status >= 500:
                self._log.error("%s", error, exc_info=error)
            self._refuse(req, resp, code, status, message)
            for name, value in error.headers.items():
                if name != "WWW-Authenticate":
                    resp.set_header(name, value)
        except BlobMissing:
            self._refuse(req, resp, "NoSuchKey", 404, "the content is not there any more")

    on_head = on_put = on_post = on_delete = on_get

    def _operation(self, asked: S3Request) -> Operation:
        offered = self._level(asked).get(asked.method, {})
        found = next((offered[name] for name in offered if name and name in asked.query), None)
        if found is not None:
            return found
        if missing := sorted(_UNSUPPORTED & asked.query.keys()):
            raise S3Error("NotImplemented", f"{asked.method} with ?{missing[0]} is not supported")
        if asked.method == "PUT" and asked.key is not None and asked.headers("x-amz-copy-source") is not None:
            return self._objects.copy
        if "" not in offered:
            raise S3Error("MethodNotAllowed", f"{asked.method} is not answered here")
        return offered[""]

    def _level(self, asked: S3Request) -> Mapping[str, Mapping[str, Operation]]:
        if asked.bucket is None:
            return self._of_service
        return self._of_bucket if asked.key is None else self._of_object

    def _refuse(self, req: falcon.Request, resp: falcon.Response, code: str, status: int, message: str) -> None:
        resp.status = status
        resp.content_type = "application/xml"
        resp.stream = None
        resp.data = xml.error_document(code, message, req.path, req.context.request_id)


def _names_another(asked: S3Request, operations: Mapping[str, Mapping[str, Operation]]) -> bool:
    """Tell whether a read of an object asks for something else than its content."""
    return not (_UNSUPPORTED | operations["GET"].keys()).isdisjoint(asked.query)
