"""Who is at the other end of the connection, believing forwarded headers from trusted proxies only (kernel.md §6.6)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from reactor_kernel.contributions.http import ClientInfo

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_FOR = re.compile(r'for=(?:"([^"]*)"|([^;,\s]*))', re.IGNORECASE)


_LONGEST = 64  # an IPv6 address with zone, brackets and port is shorter; what is longer is junk and not remembered


def parse(text: str) -> Address | None:
    """Read an address with an optional port or brackets; None for junk. IPv4 mapped into IPv6 is IPv4."""
    return parse_short(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=4096)
def parse_short(text: str) -> Address | None:
    """Read what may be an address, remembering the answer."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found


class AddressResolver:
    """Resolves the real client of a request."""

    def __init__(self, trusted: Sequence[Any]) -> None:
        self._trusted = [ipaddress.ip_network(str(network), strict=False) for network in trusted]
        self._plain: dict[str, tuple[str, bool, bool]] = {}

    def trusts(self, address: Address) -> bool:
        """Tell whether an address belongs to a trusted proxy."""
        return any(address.version == network.version and address in network for network in self._trusted)

    def resolve(self, environ: Mapping[str, Any]) -> ClientInfo:
        """Return the client of a request: the peer, or what trusted proxies forwarded."""
        agent = environ.get("HTTP_USER_AGENT")
        peer_text = environ.get("REMOTE_ADDR") or ""
        known = self._plain.get(peer_text)
        if known is None:
            peer = parse(peer_text)
            known = (
                str(peer or peer_text),
                peer is not None and peer.is_loopback,
                peer is not None and self.trusts(peer),
            )
            if len(self._plain) > 4096:
                self._plain.clear()
            self._plain[peer_text] = known
        text, loopback, trusted = known
        if not trusted or not (
            "HTTP_X_FORWARDED_FOR" in environ or "HTTP_X_REAL_IP" in environ or "HTTP_FORWARDED" in environ
        ):
            # Behind a socket file there is no peer address; only this machine can connect to one.
            return ClientInfo(text, loopback or not peer_text, agent)
        client = self._forwarded(environ)
        if client is None:
            # A trusted proxy forwarded something unreadable: the caller is remote, whatever the peer is.
            return ClientInfo(text, False, agent)
        return ClientInfo(str(client), client.is_loopback, agent)

    def _forwarded(self, environ: Mapping[str, Any]) -> Address | None:
        chain = environ.get("HTTP_X_FORWARDED_FOR")
        if chain:
            return self._walk(str(chain).split(","))
        real = environ.get("HTTP_X_REAL_IP")
        if real:
            return parse(str(real))
        hops = [quoted or plain for quoted, plain in _FOR.findall(str(environ.get("HTTP_FORWARDED", "")))]
        return self._walk(hops)

    def _walk(self, hops: list[str]) -> Address | None:
        found: Address | None = None
        for hop in reversed(hops):
            address = parse(hop)
            if address is None:
                return None
            found = address
            if not self.trusts(address):
                return found
        return found
