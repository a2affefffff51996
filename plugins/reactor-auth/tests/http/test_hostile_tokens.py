"""Access tokens made to deceive: every one is refused with 401, none is looked up, fetched or half believed."""

from __future__ import annotations

import base64
import json
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import RSAKey

from reactor_auth.sealing import Sealer


def b64(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.fixture
def claims(ann):
    return json.loads(unb64(ann.access_token.split(".")[1]))


@pytest.fixture
def own(api, auth_config):
    """The server's own key: what it signs is wrong for no other reason than what a test put into it."""
    [[kid, sealed]] = api.sql("SELECT kid, private_key_pem FROM _reactor_auth.signing_keys")
    pem = Sealer(base64.b64decode(auth_config["data_key"])).open(sealed, f"signing_key:{kid}")
    return kid, RSAKey.import_key(pem)


@pytest.fixture(scope="module")
def stranger():
    return RSAKey.generate_key(2048)


def signed_raw(key, header, payload):
    """Sign any header and payload bytes with RS256, whatever a library would say about them."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    signing_input = f"{b64(header)}.{b64(payload)}"
    signature = key.private_key.sign(signing_input.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signing_input}.{b64(signature)}"


def refused(api, token, code="invalid_token"):
    answer = api.call("GET", "/user", token=token)
    assert answer.status_code == 401, (token[:200], answer.text)
    assert answer.json()["error"]["code"] == code


def header_of(kid, **more):
    return {"typ": "JWT", "alg": "RS256", "kid": kid, **more}


@pytest.fixture
def no_network(monkeypatch):
    """Any name that is looked up from now on fails the test; the database is reached by its address."""
    asked = []

    def getaddrinfo(host, *args, **kwargs):
        asked.append(host)
        raise OSError(f"{host} was looked up")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_keys_and_certificates_a_token_brings_along_are_not_believed(api, claims, own, stranger, no_network):
    kid, key = own
    jwk = {**stranger.as_dict(private=False), "kid": kid, "alg": "RS256", "use": "sig"}
    brought = [
        {"jwk": jwk},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"x5c": [base64.b64encode(b"certificate").decode()]},
        {"x5t": "AAAA"},
        {"jku": "file:///dev/null", "jwk": jwk},
    ]
    for extra in brought:
        for signer in (stranger, key):
            refused(api, signed_raw(signer, header_of(kid, **extra), claims))
    assert no_network == []


def test_extensions_that_must_be_understood_are_refused(api, claims, own):
    kid, key = own
    for extra in (
        {"crit": ["b64"], "b64": False},
        {"crit": ["exp"], "exp": claims["exp"]},
        {"crit": []},
        {"crit": ["x"]},
        {"b64": False},
        {"zip": "DEF"},
        {"enc": "A256GCM"},
        {"cty": "JWT"},
    ):
        refused(api, signed_raw(key, header_of(kid, **extra), claims))


INJECTED_KIDS = [
    "../../../../dev/null",
    "/proc/self/environ",
    "x' OR '1'='1",
    "'; DROP TABLE _reactor_auth.users; --",
    "k_\x00",
    "k_" + "a" * 5000,
    "http://evil.example/key",
    "$(id)",
    "%s%n",
    "\ud800",
    {"$ne": None},
    True,
    1e308,
]


def test_a_kid_is_looked_up_among_the_keys_and_nowhere_else(api, ann, claims, own, no_network):
    _, key = own
    for kid in INJECTED_KIDS:
        refused(api, signed_raw(key, header_of(kid), claims))
    assert no_network == []
    assert ann.get("/user").status_code == 200


def test_a_kid_that_is_named_twice_is_the_last_one(api, ann, claims, own, stranger):
    kid, key = own
    for first, last in ((kid, "k_other"), ("k_other", kid)):
        head = f'{{"typ":"JWT","alg":"RS256","kid":"{first}","kid":"{last}"}}'.encode()
        answer = api.call("GET", "/user", token=signed_raw(key, head, claims))
        assert answer.status_code == (200 if last == kid else 401)
        refused(api, signed_raw(stranger, head, claims))
    for first, last in (("RS256", "none"), ("none", "RS256"), ("HS256", "RS256")):
        head = f'{{"typ":"JWT","alg":"{first}","alg":"{last}","kid":"{kid}"}}'.encode()
        refused(api, f"{b64(head)}.{b64(claims)}.")


def test_of_a_claim_given_twice_the_last_counts(api, claims, own):
    """RFC 7519 §4: refuse, or take the last one; both places that read claims must agree."""
    kid, key = own
    good = json.dumps(claims)
    for name, wrong in (("iss", '"evil"'), ("aud", '"evil"'), ("exp", "1")):
        last_wrong = good[:-1] + f', "{name}": {wrong}}}'
        refused(
            api,
            signed_raw(key, header_of(kid), last_wrong.encode()),
            "token_expired" if name == "exp" else "invalid_token",
        )
        first_wrong = f'{{"{name}": {wrong}, ' + good[1:]
        assert api.call("GET", "/user", token=signed_raw(key, header_of(kid), first_wrong.encode())).status_code == 200


ODD_INSTANTS = ["NaN", "Infinity", "1e999", "-1", '"9999999999"', "null", "[9999999999]", "true", "{}"]


def test_odd_instants_are_refused(api, claims, own):
    kid, key = own
    for name in ("exp", "nbf"):
        rest = json.dumps({key_: value for key_, value in claims.items() if key_ != name})[:-1]
        for odd in ODD_INSTANTS:
            if name == "nbf" and odd == "-1":
                continue  # an instant long ago
            token = signed_raw(key, header_of(kid), f'{rest}, "{name}": {odd}}}'.encode())
            refused(api, token, "token_expired" if (name, odd) == ("exp", "-1") else "invalid_token")


ODD_PAYLOADS = [b"", b"null", b"[]", b'"x"', b"7", b"{", b"\xff\xfe", b"{}", b"[" * 3000, b'{"sub":' * 500]


def test_odd_payloads_are_refused_even_when_signed(api, own):
    kid, key = own
    for payload in ODD_PAYLOADS:
        refused(api, signed_raw(key, header_of(kid), payload))


def test_size_is_looked_at_before_anything_else(api, claims, own):
    kid, key = own
    refused(api, signed_raw(key, header_of(kid), {**claims, "filler": "x" * 9000}))
    refused(api, signed_raw(key, header_of("k" * 9000), claims))


def test_every_truncation_and_every_other_part_count_is_refused(api, ann):
    token = ann.access_token
    for length in {*range(0, len(token), 37), len(token) - 1}:
        if token[:length]:
            refused(api, token[:length])
    head, payload, signature = token.split(".")
    for odd in (
        f"{head}.{payload}",
        f"{head}..{signature}",
        f".{payload}.{signature}",
        f"{head}.{payload}.{signature}.",
        f"{head}.{payload}.{signature}.{signature}",
        f"{head}.{payload}.{signature}=",
        f"{head}=.{payload}.{signature}",
    ):
        refused(api, odd)
    assert ann.get("/user").status_code == 200


def test_another_purposes_token_is_no_access_token(api, ann, claims, own):
    """Whatever else the server signs with the same key: what names no user and session opens nothing."""
    kid, key = own
    for change in ({"sub": "apikey:" + ann.id}, {"sub": ann.id}, {"sub": "service"}, {"session_id": None}):
        changed = {name: value for name, value in {**claims, **change}.items() if value is not None}
        refused(api, jws.serialize_compact(header_of(kid), json.dumps(changed), key))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10**6), letter=st.sampled_from("ABCxyz019-_.=+/ ~"))
def test_no_single_changed_letter_is_accepted(api, ann, position, letter):
    token = ann.access_token
    position %= len(token)
    # The last letter of the signature carries spare bits, which decoders ignore.
    if token[position] == letter or position == len(token) - 1:
        return
    changed = token[:position] + letter + token[position + 1 :]
    assert api.call("GET", "/user", headers={"Authorization": f"Bearer {changed}"}).status_code == 401
