"""What may be registered as a redirect address, and what matches one (RFC 6749 §3.1.2, RFC 8252 §7.3)."""

from __future__ import annotations

from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st

from reactor_auth import redirect_uris

GOOD = [
    "https://app.example.com/callback",
    "https://app.example.com:8443/a/b?x=1",
    "http://localhost/callback",
    "http://127.0.0.1:3000/cb",
    "http://[::1]/cb",
    "com.example.app:/done",
]
BAD = [
    "",
    "/callback",
    "//app.example.com/callback",
    "http://app.example.com/callback",
    "http://localhost.example.com/callback",
    "https://user@app.example.com/callback",
    "https://app.example.com/callback#x",
    "https://app.example.com/a/../b",
    "https://app.example.com/a b",
    "https://app.example.com\\@evil.example/",
    "https:///callback",
    "https://app.example.com:0/",
    "https://app.example.com:99999/",
    "javascript:alert(1)",
    "data:text/html,x",
    "app:/done",
    "com.example.app://host/done",
    "com.example.app:done",
    "https://*.example.com/callback\n",
    "https://exämple.com/",
    "https://app.example.com/" + "a" * 2048,
]


def test_what_may_be_registered():
    assert [uri for uri in GOOD if redirect_uris.problem(uri)] == []
    assert [uri for uri in BAD if not redirect_uris.problem(uri)] == []


def test_only_a_loopback_address_without_a_port_matches_any_port():
    assert redirect_uris.matches("http://localhost/cb", "http://localhost:1/cb")
    assert redirect_uris.matches("http://[::1]/cb?a=1", "http://[::1]:65535/cb?a=1")
    assert not redirect_uris.matches("http://localhost:80/cb", "http://localhost:81/cb")
    assert not redirect_uris.matches("https://localhost/cb", "https://localhost:81/cb")
    assert not redirect_uris.matches("http://localhost/cb", "http://127.0.0.1:81/cb")
    assert not redirect_uris.matches("http://localhost/cb", "http://localhost:0/cb")
    assert not redirect_uris.matches("http://localhost/cb", "http://localhost:65536/cb")
    assert not redirect_uris.matches("http://localhost/cb", "http://localhost:/cb")


PIECES = st.lists(
    st.sampled_from(
        [
            *"http:/@?#[]\\.%\n ",
            "https://",
            "http://",
            "localhost",
            "127.0.0.1",
            "[::1]",
            ":80",
            ":1",
            "/cb",
            "evil.example",
        ]
        + ["?a=1", "..", "%2e", "\t", "é", "\x00"]
    ),
    max_size=8,
).map("".join)


@given(registered=st.sampled_from(GOOD), presented=PIECES)
def test_whatever_matches_leads_to_the_registered_place(registered, presented):
    if redirect_uris.matches(registered, presented):
        there, here = urlsplit(presented), urlsplit(registered)
        assert (there.scheme, there.hostname, there.path, there.query, there.fragment) == (
            *(here.scheme, here.hostname, here.path, here.query, here.fragment),
        )
        assert "@" not in there.netloc
        assert there.port == here.port or (here.port is None and here.scheme == "http")


@given(uri=PIECES)
def test_whatever_is_registered_matches_itself_and_nothing_longer(uri):
    if redirect_uris.problem(uri) is None:
        assert redirect_uris.matches(uri, uri)
        assert not redirect_uris.matches(uri, f"{uri}x")
        assert "#" not in uri
        assert uri.isascii()
