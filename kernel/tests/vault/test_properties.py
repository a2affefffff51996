"""Any sequence of operations on two openings of one vault behaves like a dictionary of version lists."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from reactor_kernel.config.model import VaultConfig
from reactor_kernel.contracts import Vault
from reactor_kernel.errors import NotFound, ValidationError
from reactor_kernel.vault import open_vault

PROJECT = "019213f5-0000-7000-8000-000000000001"
NAMES = st.sampled_from(["a", "a/b", "b"])


class VaultMachine(RuleBasedStateMachine):
    ciphertexts = Bundle("ciphertexts")

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.vaults = [self.opened(), self.opened()]
        self.secrets: dict[str, list[bytes]] = {}
        self.keys: dict[str, int] = {}

    def teardown(self) -> None:
        self.directory.cleanup()

    def opened(self) -> Vault:
        config = VaultConfig(master_key="5a" * 32)
        return open_vault(config, project_id=PROJECT, root=Path(self.directory.name))

    @rule(which=st.integers(0, 1))
    def reopen(self, which: int) -> None:
        self.vaults[which] = self.opened()

    @rule(which=st.integers(0, 1), name=NAMES, value=st.binary(max_size=40))
    def put(self, which: int, name: str, value: bytes) -> None:
        versions = self.secrets.setdefault(name, [])
        versions.append(value)
        assert self.vaults[which].put(name, value) == len(versions)

    @rule(which=st.integers(0, 1), name=NAMES)
    def get(self, which: int, name: str) -> None:
        try:
            found = self.vaults[which].get_version(name)
        except NotFound:
            assert name not in self.secrets
        else:
            assert found == (self.secrets[name][-1], len(self.secrets[name]))

    @rule(which=st.integers(0, 1), name=NAMES)
    def delete(self, which: int, name: str) -> None:
        try:
            self.vaults[which].delete(name)
        except NotFound:
            assert name not in self.secrets
        else:
            del self.secrets[name]

    @rule(target=ciphertexts, which=st.integers(0, 1), key=NAMES, plaintext=st.binary(max_size=40))
    def encrypt(self, which: int, key: str, plaintext: bytes) -> tuple[str, bytes, str]:
        version = self.keys.setdefault(key, 1)
        ciphertext = self.vaults[which].encrypt(key, plaintext)
        assert ciphertext.startswith(f"vault:v{version}:")
        return key, plaintext, ciphertext

    @rule(target=ciphertexts, which=st.integers(0, 1), key=NAMES)
    def rotate(self, which: int, key: str) -> object:
        try:
            version = self.vaults[which].rotate(key)
        except NotFound:
            assert key not in self.keys
        else:
            self.keys[key] += 1
            assert version == self.keys[key]
        return multiple()

    @rule(which=st.integers(0, 1), made=ciphertexts, other=NAMES)
    def decrypt(self, which: int, made: tuple[str, bytes, str], other: str) -> None:
        key, plaintext, ciphertext = made
        assert self.vaults[which].decrypt(key, ciphertext) == plaintext
        if other != key:
            try:
                self.vaults[which].decrypt(other, ciphertext)
            except (NotFound, ValidationError):
                return
            raise AssertionError(f"{other} decrypted what {key} encrypted")

    @invariant()
    def both_openings_list_the_same(self) -> None:
        expected = sorted((name, len(versions)) for name, versions in self.secrets.items())
        assert [vault.names() for vault in self.vaults] == [expected, expected]


TestVault = VaultMachine.TestCase
TestVault.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
