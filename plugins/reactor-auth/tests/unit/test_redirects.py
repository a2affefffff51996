"""Where a browser may be sent."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor_auth.config import AuthConfig
from reactor_auth.redirects import allowed, entry_problem, with_fragment, with_query

CONFIG = AuthConfig(
    data_key="",
    public_url="https://api.example.com",
    site_url="https://app.example.com/home",
    redirect_allow_list=("https://shop.example.com:8443/a/b", "http://localhost:3000", "myapp://signed-in/here"),
)

YES = [
    "https://app.example.com/home",
    "https://app.example.com/home/",
    "https://app.example.com/home/deep?x=1#y",
    "https://app.example.com/home?next=https://evil.example",
    "https://APP.example.com:443/home",
    "HTTPS://app.example.com/home",
    "https://shop.example.com:8443/a/b",
    "https://shop.example.com:8443/a/b/c",
    "http://localhost:3000",
    "http://localhost:3000/",
    "http://localhost:3000/any/where",
    "http://localhost:3000?x=1",
    "myapp://signed-in/here",
]
NO = [
    "",
    "/home",
    "//app.example.com/home",
    "https:app.example.com/home",
    "https:///app.example.com/home",
    "http://app.example.com/home",
    "https://app.example.com/",
    "https://app.example.com/homely",
    "https://app.example.com/HOME",
    "https://app.example.com:444/home",
    "https://app.example.com.evil.example/home",
    "https://evil.example/https://app.example.com/home",
    "https://app.example.com@evil.example/home",
    "https://app.example.com:x@evil.example/home",
    "https://user@app.example.com/home",
    "https://app.example.com\\@evil.example/home",
    "https://app.example.com/home/../admin",
    "https://app.example.com/home/%2e%2e/admin",
    "https://app.example.com/home/%252e%252e/admin",
    "https://app.example.com/home/.%2E/admin",
    "https://app.example.com/home/..%5cadmin",
    "https://app.example.com/home\n",
    "https://app.example.com/home\r\nX: y",
    " https://app.example.com/home",
    "https://app.example.com/home\x00",
    "https://app.exаmple.com/home",
    "https://app.example.com:0/home",
    "https://app.example.com:99999/home",
    "https://[::1/home",
    "javascript:alert(1)",
    "javascript://app.example.com/%0aalert(1)",
    "data:text/html,x",
    "myapp://other/here",
    "http://localhost:3001/",
    "http://localhost/",
    "https://app.example.com/home?" + "x" * 3000,
]


@pytest.mark.parametrize("url", YES)
def test_listed_places_are_allowed(url):
    assert allowed(CONFIG, url)


@pytest.mark.parametrize("url", NO)
def test_all_others_are_not(url):
    assert not allowed(CONFIG, url)


def test_without_a_site_the_server_itself_is_the_place():
    config = AuthConfig(data_key="", public_url="https://api.example.com/")
    assert allowed(config, "https://api.example.com/x")
    assert not allowed(config, "https://app.example.com/home")


@given(st.text(max_size=60), st.sampled_from(["https://app.example.com/home", "https://app.example.com", ""]))
def test_whatever_is_allowed_has_the_host_of_an_entry(text, start):
    url = start + text
    if allowed(CONFIG, url):
        parts = urlsplit(url)
        assert (parts.scheme, parts.hostname, parts.port or 443) == ("https", "app.example.com", 443)
        assert parts.username is None
        assert parts.path == "/home" or parts.path.startswith("/home/")
        assert "\\" not in url


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("https://app.example.com", None),
        ("myapp://open", None),
        ("https://app.example.com/?x", "must have no query and no fragment"),
        ("*", "must be an absolute URL without user name"),
        ("https://*.example.com", None),
        ("app.example.com", "must be an absolute URL without user name"),
    ],
)
def test_entries_are_checked(entry, problem):
    found = entry_problem(entry)
    assert found is None if problem is None else str(found).startswith(problem)


def test_parameters_are_added_without_spoiling_what_is_there():
    assert with_query("https://a.example/x?y=1&error=old#z", {"error": "a b&c"}) == (
        "https://a.example/x?y=1&error=a+b%26c#z"
    )
    assert with_fragment("https://a.example/x?y=1#old", {"access_token": "a.b", "n": "+"}) == (
        "https://a.example/x?y=1#access_token=a.b&n=%2B"
    )
