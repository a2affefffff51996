"""Access tokens on any route: what is let in and what exactly is said to the rest."""

from __future__ import annotations

import base64
import json
import time

import pytest
from joserfc import jws
from joserfc.jwk import OctKey, RSAKey

from reactor_auth.sealing import Sealer

NOT_A_JWT = "the access token is not a JSON Web Token signed with RS256"


@pytest.fixture
def signing_key(api, auth_config):
    """The server's own key, opened with the data key."""
    [[kid, sealed]] = api.sql("SELECT kid, private_key_pem FROM _reactor_auth.signing_keys")
    pem = Sealer(base64.b64decode(auth_config["data_key"])).open(sealed, f"signing_key:{kid}")
    return kid, RSAKey.import_key(pem)


@pytest.fixture
def claims(ann):
    """The claims of a good token."""
    payload = ann.access_token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def signed(key, kid, claims, **header):
    return jws.serialize_compact({"typ": "JWT", "alg": "RS256", "kid": kid, **header}, json.dumps(claims), key)


def b64(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_the_claims_are_those_of_the_contract(ann, claims, api):
    [[session_id]] = api.sql("SELECT id::text FROM _reactor_auth.sessions")
    now = int(time.time())
    assert abs(claims["iat"] - now) < 60
    assert claims == {
        "sub": f"user_{ann.id}",
        "iss": "reactor-auth",
        "aud": "reactor",
        "exp": claims["iat"] + 3600,
        "iat": claims["iat"],
        "nbf": claims["iat"],
        "email": "ann@example.com",
        "amr": ["pwd"],
        "orgs": [],
        "session_id": session_id,
    }


def test_organisations_appear_in_the_next_token(api, ann):
    org = ann.make_org("acme")
    token = api.refresh(ann.refresh_token).json()["access_token"]
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["orgs"] == [org["id"]]
    assert claims["default_org"] == org["id"]


def test_a_token_made_with_the_servers_key_is_accepted(api, signing_key, claims):
    kid, key = signing_key
    assert api.call("GET", "/user", token=signed(key, kid, claims)).status_code == 200


SCHEMES = ["Bearer", "bearer", "BEARER", "bEaReR"]


def test_the_schemes_case_does_not_matter(api, ann):
    for scheme in SCHEMES:
        answer = api.call("GET", "/user", headers={"Authorization": f"{scheme} {ann.access_token}"})
        assert answer.status_code == 200


def test_no_credential_is_401(api):
    answer = api.call("GET", "/user")
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthorized"


def test_another_scheme_is_no_credential(api):
    answer = api.call("GET", "/user", headers={"Authorization": "Basic YTpi"})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthorized"


ILL_FORMED = ["Bearer", "Bearer ", "Bearer a b"]


def test_a_header_without_one_token_is_ill_formed(api):
    for header in ILL_FORMED:
        answer = api.call("GET", "/user", headers={"Authorization": header})
        api.refused(answer, 401, "unauthorized", "the Authorization header must read: Bearer <token>")


def test_an_unknown_api_key_is_refused(api):
    answer = api.call("GET", "/user", token="rk_live_" + "A" * 43)
    api.refused(answer, 401, "invalid_token", "the API key is not known")


NONSENSE = ["x", "a.b", "a.b.c", "....", "e30.e30.e30", "eyJ.eyJ.x", "rrf_abc", "[].[].[]"]


def test_nonsense_is_refused(api):
    for token in NONSENSE:
        api.refused(api.call("GET", "/user", token=token), 401, "invalid_token", NOT_A_JWT)


def test_a_huge_token_is_refused_unread(api):
    answer = api.call("GET", "/user", token="a" * 9000)
    api.refused(answer, 401, "invalid_token", "the access token is not a JSON Web Token")


def test_a_token_in_other_letters_is_refused(kernel):
    from wsgiref.util import setup_testing_defaults

    environ = {"PATH_INFO": "/auth/v1/user", "HTTP_AUTHORIZATION": "Bearer tökén"}
    setup_testing_defaults(environ)
    seen = []
    body = json.loads(b"".join(kernel.app(environ, lambda status, headers, exc=None: seen.append(status))))
    assert seen == ["401 Unauthorized"]
    assert body["error"]["message"] == "the access token is not a JSON Web Token"


NONES = ["none", "None", "NONE", "nOnE"]


def test_alg_none_is_refused(api, claims, signing_key):
    for alg in NONES:
        kid, _ = signing_key
        for signature in ("", "AAAA"):
            token = f"{b64({'alg': alg, 'typ': 'JWT', 'kid': kid})}.{b64(claims)}.{signature}"
            api.refused(api.call("GET", "/user", token=token), 401, "invalid_token", NOT_A_JWT)


def test_hs256_keyed_with_the_public_key_is_refused(api, claims, signing_key):
    import hashlib
    import hmac

    kid, key = signing_key
    [[public_pem]] = api.sql("SELECT public_key_pem FROM _reactor_auth.signing_keys")
    for secret in (public_pem.encode(), public_pem.strip().encode(), key.as_pem(private=False)):
        head = f"{b64({'alg': 'HS256', 'typ': 'JWT', 'kid': kid})}.{b64(claims)}"
        token = f"{head}.{b64(hmac.new(secret, head.encode(), hashlib.sha256).digest())}"
        api.refused(api.call("GET", "/user", token=token), 401, "invalid_token", NOT_A_JWT)
    token = jws.serialize_compact({"alg": "HS256", "kid": kid}, json.dumps(claims), OctKey.import_key("k" * 32))
    api.refused(api.call("GET", "/user", token=token), 401, "invalid_token", NOT_A_JWT)


OTHER_ALGORITHMS = ["PS256", "RS384", "RS512"]


def test_another_algorithm_of_the_right_key_is_refused(api, claims, signing_key):
    for alg in OTHER_ALGORITHMS:
        kid, key = signing_key
        token = jws.serialize_compact({"alg": alg, "kid": kid}, json.dumps(claims), key, algorithms=[alg])
        api.refused(api.call("GET", "/user", token=token), 401, "invalid_token", NOT_A_JWT)


def test_a_strangers_key_is_refused(api, claims, signing_key):
    kid, _ = signing_key
    stranger = RSAKey.generate_key(2048)
    answer = api.call("GET", "/user", token=signed(stranger, kid, claims))
    api.refused(answer, 401, "invalid_token", "the access token's signature does not match")


def test_a_key_in_the_tokens_own_header_is_not_believed(api, claims, signing_key):
    kid, _ = signing_key
    stranger = RSAKey.generate_key(2048)
    header = {"typ": "JWT", "alg": "RS256", "kid": kid, "jwk": stranger.as_dict(private=False)}
    token = jws.serialize_compact(header, json.dumps(claims), stranger)
    api.refused(api.call("GET", "/user", token=token), 401, "invalid_token", NOT_A_JWT)


UNKNOWN_KIDS = ["k_unknown", "", None, 7, ["a"]]


def test_an_unknown_kid_is_refused(api, claims, signing_key):
    for kid in UNKNOWN_KIDS:
        _, key = signing_key
        head = {"typ": "JWT", "alg": "RS256"} if kid is None else {"typ": "JWT", "alg": "RS256", "kid": kid}
        good = signed(key, "k_any", claims).split(".")
        token = f"{b64(head)}.{good[1]}.{good[2]}"
        answer = api.call("GET", "/user", token=token)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_token"
        assert answer.json()["error"]["message"] in ("the access token was signed with an unknown key", NOT_A_JWT)


def test_a_changed_payload_is_refused(api, ann, bob, claims):
    head, _, signature = ann.access_token.split(".")
    token = f"{head}.{b64({**claims, 'sub': f'user_{bob.id}'})}.{signature}"
    answer = api.call("GET", "/user", token=token)
    api.refused(answer, 401, "invalid_token", "the access token's signature does not match")


WRONG_CLAIMS = [
    ({"iss": "someone-else"}, "invalid_token", "the access token comes from another issuer"),
    ({"iss": None}, "invalid_token", "the access token comes from another issuer"),
    ({"aud": "another"}, "invalid_token", "the access token is meant for another audience"),
    ({"aud": ["another"]}, "invalid_token", "the access token is meant for another audience"),
    ({"nbf": 9999999999}, "invalid_token", "the access token is not valid yet"),
    ({"nbf": "now"}, "invalid_token", "the access token's nbf is not a number"),
    ({"exp": None}, "invalid_token", "the access token's exp is not a number"),
    ({"exp": True}, "invalid_token", "the access token's exp is not a number"),
    ({"sub": "apikey:019213f5-0000-7000-8000-000000000001"}, "invalid_token", "the access token names no user"),
    ({"sub": 7}, "invalid_token", "the access token names no user"),
    ({"sub": "user_nobody"}, "invalid_token", "the access token's sub is not valid"),
    ({"session_id": "x"}, "invalid_token", "the access token's session_id is not valid"),
    ({"session_id": None}, "invalid_token", "the access token's session_id is not valid"),
    (
        {"sub": "user_019213f5-0000-7000-8000-000000000001"},
        "invalid_token",
        "the access token's user does not exist",
    ),
]


def test_wrong_claims_are_refused(api, claims, signing_key):
    for change, code, message in WRONG_CLAIMS:
        kid, key = signing_key
        changed = {name: value for name, value in {**claims, **change}.items() if value is not None}
        api.refused(api.call("GET", "/user", token=signed(key, kid, changed)), 401, code, message)


def test_another_users_session_is_refused(api, ann, bob, claims, signing_key):
    kid, key = signing_key
    [[bobs]] = api.sql("SELECT id::text FROM _reactor_auth.sessions WHERE user_id = $1", bob.id)
    answer = api.call("GET", "/user", token=signed(key, kid, {**claims, "session_id": bobs}))
    api.refused(answer, 401, "session_revoked", "The session has been ended.", hint="Sign in again.")


@pytest.mark.parametrize("seen_before", [False, True])
def test_expiry_has_thirty_seconds_of_leeway(frozen_clock, api, ann, seen_before):
    if seen_before:
        assert ann.get("/user").status_code == 200
    frozen_clock.advance(seconds=3629)
    assert ann.get("/user").status_code == 200
    frozen_clock.advance(seconds=1)
    api.refused(
        ann.get("/user"),
        401,
        "token_expired",
        "The access token has expired.",
        hint="Get a new one: POST /auth/v1/token with grant_type=refresh_token.",
    )


def test_not_before_has_thirty_seconds_of_leeway(frozen_clock, api, claims, signing_key):
    kid, key = signing_key
    ahead = signed(key, kid, {**claims, "nbf": int(frozen_clock.now().timestamp()) + 30})
    assert api.call("GET", "/user", token=ahead).status_code == 200
    further = signed(key, kid, {**claims, "nbf": int(frozen_clock.now().timestamp()) + 31})
    api.refused(api.call("GET", "/user", token=further), 401, "invalid_token", "the access token is not valid yet")


def test_a_bad_token_on_a_public_route_does_not_matter_where_nobody_asks(api, ann):
    assert api.call("GET", "/keys", token="nonsense").status_code == 200
    answer = api.call(
        "POST", "/login", token="nonsense", json={"email": "ann@example.com", "password": "correct horse"}
    )
    assert answer.status_code == 200
