"""§4.3, over a socket."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from reactor_kernel.contributions import Probe, Readiness
from reactor_kernel.errors import MigrationFailed


def error_of(answer: Any) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


ROUTES = [
    ("GET", "/_admin/version"),
    ("GET", "/_admin/doctor"),
    ("POST", "/_admin/migrate"),
    ("GET", "/_admin/logs"),
    ("GET", "/_admin/vault/secrets"),
    ("GET", "/_admin/vault/secrets/a"),
    ("PUT", "/_admin/vault/secrets/a"),
    ("DELETE", "/_admin/vault/secrets/a"),
    ("POST", "/_admin/vault/rotate"),
    ("POST", "/_admin/shutdown"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_nothing_here_happens_without_the_token(admin: Any, method: str, path: str) -> None:
    admin.vault.put("a", b"b")
    for header in ("Bearer wrong", "Basic YTpi"):
        assert admin.client.request(method, path, headers={"Authorization": header}).status_code == 401
    remote = admin.client.request(method, path, headers={"X-Forwarded-For": "203.0.113.9"})
    assert error_of(remote) == (403, "forbidden", "admin access restricted to loopback")
    assert (admin.shutdowns, admin.migrated, admin.vault.names()) == (0, [], [("a", 1)])


def test_every_admin_route_is_documented(admin: Any) -> None:
    paths = admin.client.get("/_api/openapi.json").json()["paths"]
    documented = {(verb.upper(), path) for path, item in paths.items() for verb in item if path.startswith("/_admin")}
    assert documented == {
        (method, path.replace("/a", "/{key}")) if path.endswith("/a") else (method, path) for method, path in ROUTES
    }


def test_version(admin: Any) -> None:
    assert admin.client.get("/_admin/version").json() == {
        "reactor_server": "9.9.9",
        "version": "9.9.9",
        "capabilities": {"shop": "2.1.0"},
    }


def test_doctor_answers_200_while_nothing_fails(admin: Any, probe: Callable[..., Probe]) -> None:
    admin.probes[:] = [("database", probe("database", Readiness.OK)), ("shop", probe("till", Readiness.WARN))]
    answer = admin.client.get("/_admin/doctor")
    document = answer.json()
    assert answer.status_code == 200
    assert [check.pop("latency_ms") >= 0 for check in document["checks"]] == [True, True]
    assert document == {
        "status": "warn",
        "tenant": {
            "project_id": "019213f5-0000-7000-8000-000000000001",
            "project_ref": "ydkp2usxw4l75pcnlajn",
            "project_name": "todo",
            "env": "production",
        },
        "capabilities": {
            "database": {"status": "ok", "details": {"database": {"status": "ok", "message": "looked"}}},
            "shop": {"status": "warn", "details": {"till": {"status": "warn", "message": "looked"}}},
        },
        "checks": [
            {"name": "database: database", "status": "ok", "message": "looked"},
            {"name": "shop: till", "status": "warn", "message": "looked"},
        ],
    }


def test_doctor_answers_207_when_a_probe_fails(admin: Any, probe: Callable[..., Probe]) -> None:
    admin.probes[:] = [("database", probe("database", Readiness.FAIL, "it does not answer"))]
    answer = admin.client.get("/_admin/doctor")
    assert (answer.status_code, answer.json()["status"]) == (207, "fail")


def test_migrate_says_what_it_did_or_would_do(admin: Any) -> None:
    done = admin.client.post("/_admin/migrate").json()
    assert done == {
        "status": "ok",
        "message": "1 applied",
        "dry_run": False,
        "applied": ["shop:0002"],
        "skipped": ["shop:0001"],
    }
    planned = admin.client.post("/_admin/migrate?dry_run=true").json()
    assert (planned["dry_run"], planned["message"]) == (True, "1 would be applied")
    assert admin.migrated == [False, True]


def test_a_migration_that_fails_is_named(admin: Any) -> None:
    details = {"capability": "shop", "revision": "0002", "sql_error": "syntax error", "applied": ["shop:0001"]}
    admin.migrate_error = MigrationFailed("shop 0002: syntax error", details=details)
    answer = admin.client.post("/_admin/migrate")
    assert error_of(answer) == (500, "migration_failed", "shop 0002: syntax error")
    assert answer.json()["error"]["details"] == details


def test_shutdown_is_accepted_and_happens(admin: Any) -> None:
    answer = admin.client.post("/_admin/shutdown")
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted", "message": "shutdown initiated"})
    assert admin.shutdowns == 1


class TestVault:
    """Secrets and rotation."""

    @pytest.mark.parametrize("path", ["storage%2Fsigning-secret", "storage%2fsigning-secret", "storage/signing-secret"])
    def test_a_key_may_be_written_with_its_slash_or_encoded(self, admin: Any, path: str) -> None:
        stored = admin.client.put(f"/_admin/vault/secrets/{path}", json={"value": "s3cret"})
        assert (stored.status_code, stored.json()) == (
            200,
            {"status": "ok", "message": "stored version 1 of storage/signing-secret"},
        )
        for spelling in ("storage%2Fsigning-secret", "storage/signing-secret"):
            assert admin.client.get(f"/_admin/vault/secrets/{spelling}").json() == {
                "key": "storage/signing-secret",
                "value": "s3cret",
                "is_base64": False,
                "version": 1,
            }
        assert admin.client.delete(f"/_admin/vault/secrets/{path}").json() == {
            "status": "ok",
            "message": "deleted storage/signing-secret",
        }

    def test_a_secret_is_never_cached_on_its_way(self, admin: Any) -> None:
        admin.vault.put("a", b"b")
        assert admin.client.get("/_admin/vault/secrets/a").headers["Cache-Control"] == "no-store"

    def test_versions_grow_and_the_list_is_sorted_and_shows_no_value(self, admin: Any) -> None:
        for name, value in (("b", "one"), ("a/x", "hunter2"), ("b", "two")):
            admin.client.put(f"/_admin/vault/secrets/{name}", json={"value": value})
        listed = admin.client.get("/_admin/vault/secrets")
        assert listed.json() == {"secrets": [{"name": "a/x", "version": 1}, {"name": "b", "version": 2}]}
        assert "hunter2" not in listed.text

    def test_bytes_that_are_not_utf8_travel_as_base64(self, admin: Any) -> None:
        raw = bytes(range(256))
        body = {"value": base64.b64encode(raw).decode(), "is_base64": True}
        assert admin.client.put("/_admin/vault/secrets/raw", json=body).status_code == 200
        assert admin.vault.get("raw") == raw
        read = admin.client.get("/_admin/vault/secrets/raw").json()
        assert (read["is_base64"], base64.b64decode(read["value"])) == (True, raw)

    @pytest.mark.parametrize("value", ["%%%", "abc", "ü", "YQ==\n"])
    def test_base64_is_read_strictly(self, admin: Any, value: str) -> None:
        answer = admin.client.put("/_admin/vault/secrets/a", json={"value": value, "is_base64": True})
        assert error_of(answer) == (400, "invalid_base64", "value is not valid base64")
        assert admin.vault.names() == []

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ([], "the request body must be a JSON object"),
            ({}, "value is required"),
            ({"value": 1}, "value must be a string"),
            ({"value": "a", "is_base64": "yes"}, "is_base64 must be true or false"),
        ],
    )
    def test_a_wrong_body_is_explained(self, admin: Any, body: Any, message: str) -> None:
        answer = admin.client.put("/_admin/vault/secrets/a", json=body)
        assert error_of(answer) == (400, "validation_error", message)

    def test_what_is_not_there_is_not_found(self, admin: Any) -> None:
        for answer in (
            admin.client.get("/_admin/vault/secrets/none"),
            admin.client.delete("/_admin/vault/secrets/none"),
            admin.client.post("/_admin/vault/rotate", json={"key_name": "none"}),
        ):
            assert answer.status_code == 404
            assert answer.json()["error"]["code"] == "not_found"

    @pytest.mark.parametrize("key", ["a//b", "a/", "ä", "a%20b", "x" * 257])
    def test_a_name_the_vault_refuses_is_a_clear_400_or_404(self, admin: Any, key: str) -> None:
        answer = admin.client.put(f"/_admin/vault/secrets/{key}", json={"value": "a"})
        assert answer.status_code in (400, 404)
        assert admin.vault.names() == []

    def test_rotation_keeps_old_ciphertexts_readable(self, admin: Any) -> None:
        old = admin.vault.encrypt("auth/data", b"hello")
        rotated = admin.client.post("/_admin/vault/rotate", json={"key_name": "auth/data"})
        assert rotated.json() == {"status": "ok", "new_version": 2}
        assert admin.vault.decrypt("auth/data", old) == b"hello"
        assert admin.vault.encrypt("auth/data", b"hello").startswith("vault:v2:")
