"""XML as S3 writes and reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from reactor_storage.s3.faults import S3Error

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

# What no document of XML 1.0 may hold, not even as a reference: what a client sent, and keys, can.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_REPLACEMENT = "\ufffd"

# A list stands for an element that is there several times; None for one that is not there.
Node = str | int | bool | datetime | None | Mapping[str, "Node"] | Iterable["Node"]


def document(root: str, members: Mapping[str, Node]) -> bytes:
    """Write a document in S3's namespace."""
    return f'{_DECLARATION}<{root} xmlns="{NAMESPACE}">{_inside(members)}</{root}>'.encode()


def error_document(code: str, message: str, resource: str, request_id: str) -> bytes:
    """Write an error, which has no namespace."""
    members = {"Code": code, "Message": message, "Resource": resource, "RequestId": request_id}
    return f"{_DECLARATION}<Error>{_inside(members)}</Error>".encode("utf-8", "replace")


def instant(moment: datetime) -> str:
    """Write a time as S3 does: UTC, milliseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parsed(body: bytes, root: str) -> ElementTree.Element:
    """Return the root of a document, its names without namespaces.

    Raises:
        S3Error: MalformedXML, also for a document type, which no client sends and which could define entities.
    """
    try:
        text = body.decode("utf-8-sig")
        if "<!DOCTYPE" in text.upper():
            raise S3Error("MalformedXML", "the body holds a document type declaration, which is not accepted")
        found = ElementTree.fromstring(text)
    except (UnicodeDecodeError, ElementTree.ParseError, ValueError) as error:
        raise S3Error("MalformedXML", f"the body is no XML: {error}") from error
    for element in found.iter():
        element.tag = element.tag.rpartition("}")[2]
    if found.tag != root:
        raise S3Error("MalformedXML", f"the body is <{found.tag[:40]}>, not <{root}>")
    return found


def _inside(members: Mapping[str, Node]) -> str:
    return "".join(_element(name, value) for name, value in members.items())


def _element(name: str, value: Node) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return f"<{name}>{_inside(value)}</{name}>"
    if isinstance(value, bool):
        return f"<{name}>{'true' if value else 'false'}</{name}>"
    if isinstance(value, datetime):
        return f"<{name}>{instant(value)}</{name}>"
    if isinstance(value, (str, int)):
        return f"<{name}>{escape(_FORBIDDEN.sub(_REPLACEMENT, str(value)))}</{name}>"
    return "".join(_element(name, one) for one in value)
