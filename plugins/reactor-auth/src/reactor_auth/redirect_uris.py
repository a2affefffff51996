"""Redirect addresses of clients: what may be registered, and what matches a registered one (RFC 6749 §3.1.2, RFC 8252)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

MAX_LENGTH = 2048
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
# Everything two parsers might read differently (spaces, backslashes, quotes, control and non-ASCII characters) is left out.
_PLAIN = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+\Z")
_NATIVE_SCHEME = re.compile(r"[a-z][a-z0-9+\-]*(?:\.[a-z0-9+\-]+)+\Z")
_ANY_PORT = re.compile(r"http://(?P<host>localhost|127\.0\.0\.1|\[::1\])(?P<rest>[/?].*)?\Z", re.DOTALL)
_SOME_PORT = re.compile(
    r"http://(?P<host>localhost|127\.0\.0\.1|\[::1\])(?::(?P<port>[0-9]{1,5}))?(?P<rest>[/?].*)?\Z", re.DOTALL
)


def problem(uri: str) -> str | None:
    """Say why an address cannot be registered; None where it can.

    Accepted are https addresses, http on a loopback host (without a port any port will match), and private schemes in
    the form of a reversed domain name such as `com.example.app:/done`.
    """
    if len(uri) > MAX_LENGTH:
        return f"must not be longer than {MAX_LENGTH} characters"
    if not _PLAIN.match(uri):
        return "must be an absolute URL of plain ASCII characters without a fragment"
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in ("http", "https"):
        if not _NATIVE_SCHEME.match(parts.scheme) or parts.netloc or not parts.path.startswith("/"):
            return "must begin with https://, or for an app with a scheme such as com.example.app:/"
        return None
    if "@" in parts.netloc or not parts.hostname or port == 0:
        return "must name a host, and neither user nor password"
    if parts.scheme == "http" and not _SOME_PORT.match(uri):
        return "must be https unless its host is localhost, 127.0.0.1 or [::1]"
    if {".", ".."} & set(parts.path.split("/")):
        return "must have no dot segments"
    return None


def matches(registered: str, presented: str) -> bool:
    """Tell whether an address is the registered one, character by character.

    The one exception is the port of a loopback address that was registered without one: native apps listen where they
    can (RFC 8252 §7.3).
    """
    if presented == registered:
        return True
    any_port = _ANY_PORT.match(registered)
    some_port = _SOME_PORT.match(presented)
    if any_port is None or some_port is None or some_port["port"] is None:
        return False
    return (
        any_port["host"] == some_port["host"]
        and any_port["rest"] == some_port["rest"]
        and 1 <= int(some_port["port"]) <= 65535
    )


def matches_any(registered: Iterable[str], presented: str) -> bool:
    """Tell whether an address matches one of the registered ones."""
    return len(presented) <= MAX_LENGTH and any(matches(uri, presented) for uri in registered)
