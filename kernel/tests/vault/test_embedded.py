"""The embedded vault: secrets, named keys, what is on the disk and what is refused."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reactor_kernel.config.model import VaultConfig
from reactor_kernel.contracts import Vault
from reactor_kernel.errors import BootError, NotFound, Unavailable, ValidationError
from reactor_kernel.vault import open_vault
from reactor_kernel.vault.cipher import new_key, seal
from reactor_kernel.vault.embedded import CACHE_ENTRIES, EmbeddedVault
from reactor_kernel.vault.store import Entry, FileStore, MemoryStore, Version

PROJECT = "019213f5-0000-7000-8000-000000000001"
OTHER = "019213f5-0000-7000-8000-000000000002"
Opener = Callable[..., Vault]


def test_a_secret_has_versions_from_one(opened: Opener) -> None:
    vault = opened()
    assert [vault.put("storage/signing-secret", value) for value in (b"one", b"two", b"")] == [1, 2, 3]
    assert vault.put("a", bytes(range(256))) == 1
    assert vault.get_version("storage/signing-secret") == (b"", 3)
    assert opened().get("a") == bytes(range(256))
    assert opened().names() == [("a", 1), ("storage/signing-secret", 3)]
    vault.delete("storage/signing-secret")
    assert opened().names() == [("a", 1)]
    assert vault.put("storage/signing-secret", b"again") == 1
    assert vault.get("storage/signing-secret") == b"again"


def test_what_is_not_there_is_not_found(opened: Opener) -> None:
    vault = opened()
    for call, message in (
        (lambda: vault.get("a/b"), "there is no secret a/b"),
        (lambda: vault.get_version("a/b"), "there is no secret a/b"),
        (lambda: vault.delete("a/b"), "there is no secret a/b"),
        (lambda: vault.rotate("k"), "there is no key k"),
        (lambda: vault.decrypt("k", "vault:v1:AAAA"), "there is no key k"),
    ):
        with pytest.raises(NotFound) as caught:
            call()
        assert caught.value.message == message
    assert vault.names() == []


@pytest.mark.parametrize(
    "name", ["", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a b", "ä", "a\n", "a\0", "x" * 257]
)
def test_names_are_checked_everywhere(opened: Opener, vault_file: Path, name: str) -> None:
    vault = opened()
    calls: list[Callable[[], Any]] = [
        lambda: vault.get(name),
        lambda: vault.put(name, b""),
        lambda: vault.delete(name),
        lambda: vault.encrypt(name, b""),
        lambda: vault.decrypt(name, "vault:v1:AAAA"),
        lambda: vault.rotate(name),
    ]
    shown = repr(name if len(name) <= 80 else name[:77] + "...")
    for call in calls:
        with pytest.raises(ValidationError) as caught:
            call()
        assert caught.value.message == f"{shown} is not the name of a secret or key"
    assert not vault_file.exists()


@pytest.mark.parametrize("name", ["a", "A.b-c_9/..d/...", "x" * 256])
def test_names_of_the_published_form_are_accepted(opened: Opener, name: str) -> None:
    opened().put(name, b"v")
    assert opened().get(name) == b"v"


def test_rotation_keeps_old_ciphertexts_readable(opened: Opener) -> None:
    vault = opened()
    first = vault.encrypt("auth/data", b"one")
    assert vault.rotate("auth/data") == 2
    second = vault.encrypt("auth/data", b"two")
    assert vault.rotate("auth/data") == 3
    assert (first.split(":")[:2], second.split(":")[:2]) == (["vault", "v1"], ["vault", "v2"])
    assert len(base64.b64decode(first.split(":")[2])) == 12 + 3 + 16
    again = opened()
    assert (again.decrypt("auth/data", first), again.decrypt("auth/data", second)) == (b"one", b"two")
    assert again.encrypt("auth/data", b"x").startswith("vault:v3:")


def test_the_same_plaintext_never_encrypts_to_the_same_text(opened: Opener) -> None:
    vault = opened()
    assert len({vault.encrypt("k", b"same") for _ in range(50)}) == 50


def test_an_altered_ciphertext_is_refused(opened: Opener) -> None:
    vault = opened()
    vault.encrypt("other", b"x")
    ciphertext = vault.encrypt("k", b"payload")
    vault.rotate("k")
    raw = bytearray(base64.b64decode(ciphertext.split(":")[2]))
    altered = "the ciphertext was altered, or the key k did not make it"
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= 1
        assert refusal(vault, "k", f"vault:v1:{base64.b64encode(changed).decode()}") == altered
    assert refusal(vault, "k", ciphertext.replace(":v1:", ":v2:")) == altered
    assert refusal(vault, "other", ciphertext) == "the ciphertext was altered, or the key other did not make it"
    assert refusal(vault, "k", f"vault:v1:{base64.b64encode(raw[:20]).decode()}") == altered
    assert refusal(vault, "k", ciphertext.replace(":v1:", ":v3:")) == "the key k has no version 3"
    for text in ("", "vault:v1:", "vault:v0:AAAA", "vault:v1:AAA", "vault:v1:A A=", ciphertext + "\n", "VAULT:v1:AAAA"):
        assert refusal(vault, "k", text) == "this is not a ciphertext of the vault"


def refusal(vault: Vault, key: str, ciphertext: str) -> str:
    with pytest.raises(ValidationError) as caught:
        vault.decrypt(key, ciphertext)
    return caught.value.message


def test_projects_have_nothing_in_common(opened: Opener) -> None:
    mine, theirs = opened(), opened(project=OTHER)
    mine.put("a", b"mine")
    ciphertext = mine.encrypt("k", b"x")
    assert theirs.names() == []
    theirs.encrypt("k", b"x")
    assert refusal(theirs, "k", ciphertext) == "the ciphertext was altered, or the key k did not make it"


def test_nothing_readable_is_on_the_disk_and_only_its_owner_may_look(opened: Opener, vault_file: Path) -> None:
    vault = opened()
    assert not vault_file.parent.exists(), "opening alone writes nothing"
    vault.put("a", b"correct horse battery staple")
    vault.encrypt("k", b"another secret text")
    for path in vault_file.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        raw = path.read_bytes()
        for secret in (b"correct horse", b"another secret", bytes.fromhex("5a" * 32), b"5a" * 32):
            assert secret not in raw
            assert base64.b64encode(secret)[:-3] not in raw
    assert stat.S_IMODE(vault_file.parent.stat().st_mode) == 0o700
    assert sorted(path.suffix for path in vault_file.parent.iterdir()) == [".lock", ".vault"]


def test_all_versions_are_kept_with_the_time_of_the_first(tmp_path: Path, vault_file: Path) -> None:
    times = iter([datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)])
    store = FileStore(vault_file.parent, PROJECT, bytes.fromhex("5a" * 32))
    vault = EmbeddedVault(store, cache_ttl_secs=0, now=lambda: next(times))
    vault.put("a", b"1")
    vault.put("a", b"2")
    entry = json.loads(vault_file.read_text())["secrets"]["a"]
    assert entry["created_at"] == "2026-01-01T00:00:00+00:00"
    assert [version["created_at"][:7] for version in entry["versions"]] == ["2026-01", "2026-02"]


def test_entries_cannot_be_exchanged_in_the_file(opened: Opener, vault_file: Path) -> None:
    vault = opened(cache_ttl_secs=0)
    vault.put("low", b"mine")
    vault.put("high", b"admin")
    content = json.loads(vault_file.read_text())
    content["secrets"]["low"], content["secrets"]["high"] = content["secrets"]["high"], content["secrets"]["low"]
    vault_file.write_text(json.dumps(content))
    with pytest.raises(Unavailable) as caught:
        opened().get("low")
    assert caught.value.message == "version 1 of low in the vault is damaged; restore the vault from a backup"


def opening_fails(open_it: Callable[[], object]) -> str:
    with pytest.raises(BootError) as caught:
        open_it()
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_wrong_or_missing_master_key_is_named_by_its_key_and_never_shown(opened: Opener, vault_file: Path) -> None:
    opened().put("a", b"x")
    other = "c3" * 32
    message = opening_fails(lambda: opened(master_key=other))
    assert (
        message == f"config error: vault.master_key: does not open {vault_file}, which was encrypted with another key"
    )
    assert opening_fails(lambda: opened(master_key="not hex")) == (
        "config error: vault.master_key: must be 64 hexadecimal characters (32 bytes)"
    )
    assert opening_fails(lambda: opened(master_key=None)) == (
        "config error: vault.master_key: required by the embedded vault: 64 hexadecimal characters, such as openssl rand "
        "-hex 32 prints, here or in the environment variable REACTOR_VAULT_MASTER_KEY"
    )
    assert opened().get("a") == b"x"


def test_a_damaged_file_is_never_overwritten(opened: Opener, vault_file: Path) -> None:
    vault = opened()
    vault.put("a", b"x")
    whole = vault_file.read_bytes()
    for damaged, reason in (
        (whole[:-10], f"{vault_file} is damaged; restore it from a backup"),
        (b"", f"{vault_file} is damaged; restore it from a backup"),
        (b"\xff" * 100, f"{vault_file} is damaged; restore it from a backup"),
        (whole.replace(b'"format":1', b'"format":2'), f"{vault_file} has format 2; this version reads format 1"),
        (whole.replace(PROJECT.encode(), OTHER.encode()), f"{vault_file} belongs to project {OTHER}"),
    ):
        vault_file.write_bytes(damaged)
        assert opening_fails(opened) == f"config error: vault.path: {reason}"
        for call in (lambda: vault.get("a"), lambda: vault.put("a", b"y"), lambda: vault.encrypt("k", b"y")):
            with pytest.raises(Unavailable) as caught:
                call()
            assert caught.value.message == f"the vault cannot be read: {reason}"
        assert vault_file.read_bytes() == damaged
    vault_file.write_bytes(whole)
    assert vault.get("a") == b"x"


def test_another_opening_sees_what_one_wrote_at_once(opened: Opener, vault_file: Path) -> None:
    one, two = opened(), opened()
    one.put("a", b"1")
    assert two.get("a") == b"1"
    for round_ in range(50):
        writer, reader = (one, two) if round_ % 2 else (two, one)
        value = bytes([round_])
        writer.delete("a")
        writer.put("a", value)
        assert reader.get("a") == value
    ciphertext = one.encrypt("k", b"x")
    one.rotate("k")
    assert two.decrypt("k", ciphertext) == b"x"
    assert two.encrypt("k", b"x").startswith("vault:v2:")
    vault_file.unlink()
    with pytest.raises(NotFound):
        two.get("a")


def test_a_change_is_seen_where_size_and_time_of_the_file_are_the_same(opened: Opener, vault_file: Path) -> None:
    one, two = opened(), opened()
    one.put("a", b"1")
    assert two.get("a") == b"1"
    before = vault_file.stat()
    one.delete("a")
    one.put("a", b"2")
    os.utime(vault_file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert vault_file.stat().st_size == before.st_size
    assert two.get("a") == b"2"


def test_a_read_is_cached_for_its_time_and_dropped_by_a_write() -> None:
    clock = [0.0]
    store = MemoryStore(PROJECT)
    vault = EmbeddedVault(store, cache_ttl_secs=10, monotonic=lambda: clock[0])
    vault.put("a", b"1")
    assert vault.get("a") == b"1"
    sealed = store.read().secrets["a"].versions[0]
    good, sealed.sealed = sealed.sealed, b"damaged"
    clock[0] = 9.9
    assert vault.get("a") == b"1", "within its time a value is not decrypted again"
    clock[0] = 10.0
    with pytest.raises(Unavailable):
        vault.get("a")
    sealed.sealed = good
    assert vault.get("a") == b"1"
    assert vault.put("a", b"2") == 2
    assert vault.get_version("a") == (b"2", 2)


def test_the_cache_is_bounded() -> None:
    store = MemoryStore(PROJECT)
    vault = EmbeddedVault(store, cache_ttl_secs=10, monotonic=lambda: 0.0)
    with store.change() as content:  # one put each would copy everything a thousand times
        for index in range(CACHE_ENTRIES + 1):
            name, key = f"s{index}", new_key()
            wrapped = seal(store.master_key, key, (PROJECT, "secret key", name, "1"))
            sealed = seal(key, name.encode(), (PROJECT, "secret", name, "1"))
            content.secrets[name] = Entry("", [Version(wrapped, "", sealed)])
    for index in range(CACHE_ENTRIES + 1):
        assert vault.get(f"s{index}") == f"s{index}".encode()
    for name in ("s0", "s1"):
        store.read().secrets[name].versions[0].sealed = b"damaged"
    assert vault.get("s1") == b"s1"
    with pytest.raises(Unavailable):
        vault.get("s0")


def test_the_mock_warns_loudly_and_writes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    vault = open_vault(VaultConfig(backend="mock", master_key=None), project_id=PROJECT, root=tmp_path)
    assert [(record.levelname, record.name, record.getMessage()) for record in caplog.records] == [
        (
            "WARNING",
            "reactor_kernel.vault",
            "vault.backend is mock: secrets live in memory, are lost at exit and differ in each process; tests only",
        )
    ]
    assert vault.put("a", b"x") == 1
    assert vault.decrypt("k", vault.encrypt("k", b"y")) == b"y"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NotFound):
        open_vault(VaultConfig(backend="mock"), project_id=PROJECT, root=tmp_path).get("a")


def test_openbao_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    config = VaultConfig(backend="openbao", address="https://bao", token="t")
    assert opening_fails(lambda: open_vault(config, project_id=PROJECT, root=tmp_path)) == (
        'config error: vault.backend: the backend "openbao" is not available in this version; use "embedded"'
    )


def test_a_place_that_cannot_be_written_is_named(opened: Opener, tmp_path: Path) -> None:
    (tmp_path / ".reactor").write_text("a file")
    assert (
        opening_fails(opened) == f"config error: vault.path: {tmp_path}/.reactor/vault cannot be read: Not a directory"
    )
    (tmp_path / ".reactor").unlink()
    vault = opened()
    (tmp_path / ".reactor").mkdir()
    (tmp_path / ".reactor" / "vault").write_text("a file")
    with pytest.raises(Unavailable) as caught:
        vault.put("a", b"x")
    assert caught.value.message == "the vault cannot be written: File exists"


def test_the_master_key_stands_in_no_description_of_the_vault(opened: Opener) -> None:
    vault = opened()
    assert repr(vault) == f"<EmbeddedVault of project {PROJECT}>"
