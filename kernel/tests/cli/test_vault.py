"""`reactor vault` on the project's own vault."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Tool


def test_secrets_are_kept_with_versions(reactor: Tool) -> None:
    reactor.project()
    assert reactor("vault", "set", "mail/key", "one").data == {"status": "ok", "key": "mail/key"}
    assert reactor("vault", "set", "mail/key", "-", stdin="two\n").data == {"status": "ok", "key": "mail/key"}
    assert reactor("vault", "get", "mail/key").data == {
        "key": "mail/key",
        "value": "two",
        "is_base64": False,
        "version": 2,
    }
    assert reactor("-o", "human", "vault", "get", "mail/key").out == "two\n"
    assert reactor("vault", "list").data == {"secrets": [{"name": "mail/key", "version": 2}]}
    listed = reactor.on_terminal("vault", "list").out
    assert listed == "NAME      VERSION\n--------  -------\nmail/key  2\n"
    assert reactor("vault", "unset", "mail/key", "--yes").data == {"status": "ok", "key": "mail/key"}
    assert reactor("vault", "list").data == {"secrets": []}


def test_bytes_are_shown_as_base64(reactor: Tool) -> None:
    reactor.project()
    (reactor.directory / "key.bin").write_bytes(b"\xff\x00")
    reactor("vault", "set", "k", "@key.bin")
    assert reactor("vault", "get", "k").data == {"key": "k", "value": "/wA=", "is_base64": True, "version": 1}


def test_what_is_wrong_has_its_code(reactor: Tool) -> None:
    reactor.project()
    missing = reactor("vault", "get", "nope")
    assert (missing.code, missing.error["code"], missing.error["details"]["server_code"]) == (
        1,
        "CLIENT_ERROR",
        "not_found",
    )
    bad = reactor("vault", "set", "../x", "y")
    assert (bad.code, bad.error["code"]) == (4, "VALIDATION_ERROR")
    no_file = reactor("vault", "set", "k", "@nope")
    assert (no_file.code, no_file.error) == (2, {"code": "IO_ERROR", "message": "nope: No such file or directory"})
    unknown = reactor("vault", "rotate", "nope")
    assert (unknown.code, unknown.error["details"]["server_code"]) == (1, "not_found")


def test_a_vault_without_its_key_is_a_configuration_failure(reactor: Tool) -> None:
    reactor.write('[project]\nid = "019213f5-0000-7000-8000-000000000001"\n[vault]\nmaster_key = "short"\n')
    done = reactor("vault", "list")
    assert (done.code, done.error["code"], done.error["message"]) == (
        2,
        "CONFIG_ERROR",
        "vault.master_key: must be 64 hexadecimal characters (32 bytes)",
    )
    assert "short" not in done.out + done.err
