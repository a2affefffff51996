"""Published keys, discovery, and what becomes of the key set."""

from __future__ import annotations

import base64

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import RSAKey

from reactor_auth.plugin import AuthPlugin
from reactor_kernel.api import MigrationFailed


@pytest.mark.parametrize("path", ["/keys", "/.well-known/jwks.json"])
def test_the_key_set_verifies_tokens(api, ann, path):
    answer = api.call("GET", path)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    [key] = answer.json()["keys"]
    assert set(key) == {"kty", "use", "kid", "alg", "n", "e"}
    assert (key["kty"], key["use"], key["alg"], key["e"]) == ("RSA", "sig", "RS256", "AQAB")
    assert key["kid"].startswith("k_")
    assert len(base64.urlsafe_b64decode(key["n"] + "==")) == 256
    opened = jws.deserialize_compact(ann.access_token, RSAKey.import_key(key), algorithms=["RS256"])
    assert opened.headers() == {"typ": "JWT", "alg": "RS256", "kid": key["kid"]}


def test_discovery_names_what_is_served(api):
    answer = api.call("GET", "/.well-known/openid-configuration")
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    document = answer.json()
    assert document["issuer"] == "reactor-auth"
    assert document["jwks_uri"] == "http://127.0.0.1:8000/auth/v1/keys"
    assert document["token_endpoint"] == "http://127.0.0.1:8000/auth/v1/token"
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]


def test_the_private_key_is_stored_encrypted(api):
    [[algorithm, private, public]] = api.sql(
        "SELECT algorithm, private_key_pem, public_key_pem FROM _reactor_auth.signing_keys"
    )
    assert algorithm == "RS256"
    assert "PRIVATE" not in base64.b64decode(private).decode("latin-1")
    assert public.startswith("-----BEGIN PUBLIC KEY-----")


def test_a_second_boot_keeps_the_key(api, kernel_factory, reactor_config, reactor_database_url, ann):
    kernel = kernel_factory(AuthPlugin, config=reactor_config, database_url=reactor_database_url)
    with httpx.Client(transport=httpx.WSGITransport(app=kernel.app), base_url="http://reactor.test") as other:
        answer = other.get("/auth/v1/user", headers={"Authorization": f"Bearer {ann.access_token}"})
    assert answer.json() == ann.user
    assert api.sql("SELECT count(*) FROM _reactor_auth.signing_keys") == [["1"]]


def test_another_data_key_stops_the_boot_with_code_4(api, kernel_factory, auth_config, reactor_database_url):
    [[kid]] = api.sql("SELECT kid FROM _reactor_auth.signing_keys")
    other = {"auth": {**auth_config, "data_key": base64.b64encode(b"x" * 32).decode()}}
    with pytest.raises(MigrationFailed) as stopped:
        kernel_factory(AuthPlugin, config=other, database_url=reactor_database_url)
    assert stopped.value.exit_code == 4
    assert stopped.value.message == (f"signing key {kid} cannot be decrypted: made with another data key, or altered")
    assert stopped.value.error_hint == (
        "restore the data key this database was made with ([auth] data_key), or sign everyone out and make a new key: "
        "update _reactor_auth.signing_keys set rotated_at = now(), retired_at = now() where retired_at is null"
    )
    assert stopped.value.details == {"capability": "auth", "revision": "signing key", "sql_error": None, "applied": []}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("private_key_pem = 'not base64!'", "cannot be decrypted: not base64"),
        ("private_key_pem = ''", "cannot be decrypted: too short"),
        (
            "private_key_pem = translate(private_key_pem, 'ABC', 'BCA')",
            "cannot be decrypted: made with another data key, or altered",
        ),
        ("public_key_pem = 'x'", "does not belong to its public key"),
    ],
)
def test_a_corrupt_key_stops_the_boot_and_its_fix_works(
    api, kernel_factory, reactor_config, reactor_database_url, damage, message
):
    [[kid]] = api.sql("SELECT kid FROM _reactor_auth.signing_keys")
    api.sql(f"UPDATE _reactor_auth.signing_keys SET {damage}")
    with pytest.raises(MigrationFailed) as stopped:
        kernel_factory(AuthPlugin, config=reactor_config, database_url=reactor_database_url)
    assert (stopped.value.exit_code, stopped.value.message) == (4, f"signing key {kid} {message}")
    api.sql("UPDATE _reactor_auth.signing_keys SET rotated_at = now(), retired_at = now() WHERE retired_at IS NULL")
    kernel_factory(AuthPlugin, config=reactor_config, database_url=reactor_database_url)
    assert api.sql("SELECT count(*) FROM _reactor_auth.signing_keys WHERE retired_at IS NULL") == [["1"]]


def test_three_boots_at_once_make_one_key(kernel_factory, reactor_config, reactor_database_url):
    from concurrent.futures import ThreadPoolExecutor

    def boot(_: int):
        return kernel_factory(AuthPlugin, config=reactor_config, database_url=reactor_database_url)

    with ThreadPoolExecutor(3) as pool:
        kernels = list(pool.map(boot, range(3)))
    assert len(kernels) == 3
    from reactor_kernel.api import Statement

    [count] = kernels[0].database.run(None, [Statement("SELECT count(*) FROM _reactor_auth.signing_keys")])
    assert count.rows == [(b"1",)]


def test_a_key_made_elsewhere_is_found_by_its_unknown_kid(api, auth_config, ann, frozen_clock):
    """Another node rotated the key and the notification got lost."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert ann.get("/user").status_code == 200
    payload = jws.deserialize_compact(
        ann.access_token, RSAKey.import_key(api.call("GET", "/keys").json()["keys"][0]), algorithms=["RS256"]
    ).payload
    token = jws.serialize_compact({"alg": "RS256", "kid": "k_new"}, payload, RSAKey.import_key(pem))
    refused = api.call("GET", "/user", token=token)
    api.refused(refused, 401, "invalid_token", "the access token was signed with an unknown key")

    api.sql("UPDATE _reactor_auth.signing_keys SET rotated_at = now()")
    api.sql(
        "INSERT INTO _reactor_auth.signing_keys VALUES ('k_new', 'RS256', 'sealed elsewhere', $1, now(), now())",
        public.decode(),
    )
    # The set was read less than five seconds ago: asking with unknown kids must not become a query each.
    assert api.call("GET", "/user", token=token).status_code == 401
    frozen_clock.advance(seconds=5)
    assert api.call("GET", "/user", token=token).status_code == 200
    assert ann.get("/user").status_code == 200
    assert api.call("GET", "/keys").json()["keys"][0]["kid"] == "k_new"


def test_a_retired_key_stops_verifying_within_five_minutes(api, ann, frozen_clock):
    assert ann.get("/user").status_code == 200
    api.sql("UPDATE _reactor_auth.signing_keys SET rotated_at = now(), retired_at = now()")
    frozen_clock.advance(minutes=5)
    assert api.call("GET", "/keys").json() == {"keys": []}
    assert ann.get("/user").status_code == 401
