"""§6.6: the client's address, and what forged headers can do (nothing)."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor_kernel.config.model import ServerConfig
from reactor_kernel.http.address import AddressResolver, parse

RESOLVER = AddressResolver(ServerConfig().trusted_proxies)
JUNK = st.text(st.characters(codec="latin-1"), max_size=40)


def resolve(peer: str, **headers: str) -> tuple[str, bool]:
    environ = {"REMOTE_ADDR": peer} | {f"HTTP_{name}": value for name, value in headers.items()}
    client = RESOLVER.resolve(environ)
    return client.address, client.is_loopback


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1:4711 ", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:80", "2001:db8::1"),
        ('"[2001:db8::1]"', "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:127.0.0.1]:9", "127.0.0.1"),
        ("unknown", None),
        ("_hidden", None),
        ("", None),
        ("300.1.1.1", None),
        ("192.0.2", None),
    ],
)
def test_an_address_is_read_as_proxies_write_it(text: str, address: str | None) -> None:
    found = parse(text)
    assert (None if found is None else str(found)) == address


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("203.0.113.5", {}, ("203.0.113.5", False)),
        ("127.0.0.1", {}, ("127.0.0.1", True)),
        ("::ffff:127.0.0.1", {}, ("127.0.0.1", True)),
        ("203.0.113.5", {"X_FORWARDED_FOR": "127.0.0.1"}, ("203.0.113.5", False)),
        ("203.0.113.5", {"X_REAL_IP": "127.0.0.1"}, ("203.0.113.5", False)),
        ("203.0.113.5", {"FORWARDED": "for=127.0.0.1"}, ("203.0.113.5", False)),
        ("127.0.0.1", {"X_FORWARDED_FOR": "198.51.100.7"}, ("198.51.100.7", False)),
        ("127.0.0.1", {"X_FORWARDED_FOR": "127.0.0.1, 198.51.100.7, 172.19.0.4"}, ("198.51.100.7", False)),
        ("172.19.0.2", {"X_FORWARDED_FOR": "[2001:db8::9]:80,fdaa::3"}, ("2001:db8::9", False)),
        ("127.0.0.1", {"X_FORWARDED_FOR": "::1, 127.0.0.1"}, ("::1", True)),
        ("127.0.0.1", {"X_REAL_IP": "198.51.100.7"}, ("198.51.100.7", False)),
        ("127.0.0.1", {"FORWARDED": 'for="[2001:db8::1]:47";proto=https, for=172.19.0.9'}, ("2001:db8::1", False)),
        ("127.0.0.1", {"X_FORWARDED_FOR": "198.51.100.7", "X_REAL_IP": "127.0.0.1"}, ("198.51.100.7", False)),
        ("127.0.0.1", {"X_FORWARDED_FOR": "unknown"}, ("127.0.0.1", False)),
        ("127.0.0.1", {"X_FORWARDED_FOR": "198.51.100.7, junk, 172.19.0.9"}, ("127.0.0.1", False)),
        ("127.0.0.1", {"FORWARDED": "proto=https"}, ("127.0.0.1", False)),
    ],
)
def test_the_first_hop_nobody_vouches_for_is_the_client(
    peer: str, headers: dict[str, str], expected: tuple[str, bool]
) -> None:
    assert resolve(peer, **headers) == expected


@given(JUNK)
def test_an_untrusted_peer_cannot_say_anything_about_itself(junk: str) -> None:
    headers = {"X_FORWARDED_FOR": junk, "X_REAL_IP": junk, "FORWARDED": junk}
    assert resolve("203.0.113.5", **headers) == ("203.0.113.5", False)


@given(JUNK, st.ip_addresses().filter(lambda a: not RESOLVER.trusts(parse(str(a)) or a)))
def test_what_a_client_sends_left_of_its_proxys_entry_is_not_believed(junk: str, real: ipaddress.IPv4Address) -> None:
    address, loopback = resolve("127.0.0.1", X_FORWARDED_FOR=f"{junk},{real}")
    assert address == str(parse(str(real)))
    assert loopback is bool(parse(str(real)).is_loopback)  # type: ignore[union-attr]


@given(JUNK)
def test_unreadable_headers_never_make_a_caller_local(junk: str) -> None:
    headers = [{"X_FORWARDED_FOR": junk}, {"X_REAL_IP": junk}, {"FORWARDED": junk}]
    for header in headers:
        if not next(iter(header.values())):
            continue
        address, loopback = resolve("127.0.0.1", **header)
        found = ipaddress.ip_address(address)
        assert not loopback or found.is_loopback
