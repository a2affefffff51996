"""References to variables, the vault and files, and that none survives into a bound value."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reactor_kernel.config.binder import Bound
from reactor_kernel.config.early import vault_opener
from reactor_kernel.config.model import VaultConfig
from reactor_kernel.contracts import Vault
from reactor_kernel.contributions import ConfigSection
from reactor_kernel.errors import BootError, Fault
from reactor_kernel.vault import open_vault

Messages = Callable[[Bound], list[str]]
PROJECT = "019213f5-0000-7000-8000-000000000001"


@dataclass(frozen=True)
class Inner:
    token: str = ""


@dataclass(frozen=True)
class Search:
    key: str = ""
    other: str = ""
    port: int = 0
    tags: tuple[str, ...] = ()
    free: dict[str, Any] = field(default_factory=dict)
    inner: Inner = field(default_factory=Inner)
    folder: Path = Path(".")
    fallback: str | None = "env:FALLBACK"


def vault(**secrets: bytes) -> Callable[[], Vault]:
    opened = open_vault(VaultConfig(backend="mock"), project_id=PROJECT, root=Path("/nowhere"))
    for name, value in secrets.items():
        opened.put(name.replace("__", "/"), value)
    return lambda: opened


def test_references_are_followed_at_any_depth_and_from_any_source(project: Any) -> None:
    (project.root / "token").write_text("from a file\n")
    (project.root / "token").chmod(0o600)
    environ = {
        "KEY": '"quoted"',
        "PORT": "587",
        "TAGS": "[a, b]",
        "FALLBACK": "fb",
        "DIGITS": "0123",
        "REACTOR_SEARCH__OTHER": "vault:search/other",
        "REACTOR_SEARCH__FREE": "{list=[env:DIGITS], plain=7}",
    }
    bound = project.bind(
        {"search": Search, "more": Search},
        """
[search]
key = "env:KEY"
port = "{{ env PORT }}"
tags = "env:TAGS"
inner = { token = "file:token" }
folder = "env:KEY"
[more]
tags = ["plain", "vault:search/other", "{{env KEY}}"]
free = { a = [{ b = "vault:search/other" }] }
""",
        environ=environ,
        vault=vault(search__other="väult".encode()),
    )
    assert bound.faults == []
    assert bound.values["search"] == Search(
        key='"quoted"',
        other="väult",
        port=587,
        tags=("a", "b"),
        free={"list": ["0123"], "plain": 7},
        inner=Inner("from a file"),
        folder=project.root / '"quoted"',
        fallback="fb",
    )
    assert bound.values["more"].tags == ("plain", "väult", '"quoted"')
    assert bound.values["more"].free == {"a": [{"b": "väult"}]}


def test_every_reference_that_leads_nowhere_is_named_with_its_key(project: Any, messages: Messages) -> None:
    for name, mode, content in (
        ("open", 0o644, b"x"),
        ("binary", 0o600, b"\xff"),
        ("big", 0o600, b"x" * 70000),
        ("nested", 0o600, b"env:KEY\n"),
    ):
        (project.root / name).write_bytes(content)
        (project.root / name).chmod(mode)
    os.mkfifo(project.root / "pipe", 0o600)
    bound = project.bind(
        {"search": Search, "more": Search},
        """
[search]
key = "env:AUTH_KEY"
other = "{{ env AUTH_KEY }}"
port = "env:not a name"
tags = ["vault:gone", "vault:bytes", "vault:../x", "file:gone", "file:open", "file:binary", "file:big", "file:pipe", "file:."]
inner = { token = "file:nested" }
free = { a = { b = "x {{ env KEY }} y" } }
[more]
port = "env:KEY"
key = "file:a\\u0000b"
""",
        environ={"KEY": "sesame"},
        vault=vault(bytes=b"\xff"),
    )
    assert messages(bound) == [
        "config error: search.key: reference env:AUTH_KEY is not set (Reactor.toml:3)",
        "config error: search.other: reference env:AUTH_KEY is not set (Reactor.toml:4)",
        "config error: search.port: reference env:not a name does not name an environment variable (Reactor.toml:5)",
        "config error: search.tags[0]: reference vault:gone is not in the vault (Reactor.toml:6)",
        "config error: search.tags[1]: reference vault:bytes holds bytes that are not UTF-8 text (Reactor.toml:6)",
        "config error: search.tags[2]: reference vault:../x cannot be read: '../x' is not the name of a secret or key "
        "(Reactor.toml:6)",
        "config error: search.tags[3]: reference file:gone does not exist (Reactor.toml:6)",
        "config error: search.tags[4]: reference file:open is open to every user of this machine; chmod 600 open "
        "(Reactor.toml:6)",
        "config error: search.tags[5]: reference file:binary holds bytes that are not UTF-8 text (Reactor.toml:6)",
        "config error: search.tags[6]: reference file:big is larger than 65536 bytes (Reactor.toml:6)",
        "config error: search.tags[7]: reference file:pipe is not a regular file (Reactor.toml:6)",
        "config error: search.tags[8]: reference file:. is not a regular file (Reactor.toml:6)",
        "config error: search.free.a.b: a {{ env NAME }} reference must be the whole value (Reactor.toml:8)",
        "config error: search.inner.token: reference file:nested leads to another reference; write that one here "
        "(Reactor.toml:7)",
        "config error: more.key: a file: reference holds a path with a NUL character (Reactor.toml:11)",
        "config error: more.port: must be a whole number (Reactor.toml:10)",
    ]


def test_an_optional_default_that_leads_nowhere_is_none_and_a_needed_one_a_fault(
    project: Any, messages: Messages
) -> None:
    @dataclass(frozen=True)
    class Needs:
        key: str = "env:NEEDED"

    bound = project.bind({"search": Search, "needs": Needs})
    assert bound.values["search"].fallback is None
    assert messages(bound) == ["config error: needs.key: reference env:NEEDED is not set"]


def test_a_vault_that_cannot_be_opened_is_one_fault_however_many_keys_lead_there(
    project: Any, messages: Messages
) -> None:
    def closed() -> Vault:
        raise BootError([Fault(category="config", subject="vault.master_key", message="is wrong", exit_code=2)])

    text = "[search]\nkey = 'vault:a'\nother = 'vault:b'\ntags = ['vault:c']\n[more]\nkey = 'vault:d'\nport = 'x'\n"
    assert messages(project.bind({"search": Search, "more": Search}, text, vault=closed)) == [
        "config error: vault.master_key: is wrong",
        'config error: more.port: must be a whole number, not "x" (Reactor.toml:7)',
    ]


def test_the_vaults_own_section_cannot_lead_to_the_vault(project: Any) -> None:
    project.write("[project]\nenv = 'dev'\n[vault]\nmaster_key = 'vault:master'\n")
    with pytest.raises(BootError) as caught:
        vault_opener(project.load())()
    assert str(caught.value) == (
        "config error: vault.master_key: reference vault:master cannot be used here: the vault is opened with this "
        "value (Reactor.toml:4)"
    )


def test_the_opener_opens_once_and_with_the_projects_own_key(project: Any) -> None:
    project.write(f"[project]\nid = '{PROJECT}'\n[vault]\npath = 'v'\n[admin]\ntoken = 'vault:none'\n")
    opener = vault_opener(project.load(environ={"REACTOR_VAULT_MASTER_KEY": "5a" * 32}))
    opener().put("admin/token", b"x")
    assert opener() is opener()
    assert (project.root / "v" / f"{PROJECT}.vault").exists()


def test_a_secrets_value_stays_out_of_messages_even_where_the_key_is_not_declared_secret(
    project: Any, messages: Messages
) -> None:
    @dataclass(frozen=True)
    class Quoting:
        key: str = field(metadata={"pattern": "[0-9]+"})
        other: str = ""

        def problems(self) -> list[tuple[str, str]]:
            return [("other", f"must not be {self.other}")]

    text = "[a]\nkey = 'env:SECRET'\n[b]\nkey = '1'\nother = 'env:SECRET'\n"
    bound = project.bind({"a": ConfigSection(Quoting), "b": ConfigSection(Quoting)}, text, environ={"SECRET": "sesame"})
    assert messages(bound) == [
        "config error: a.key: must match [0-9]+ (Reactor.toml:2)",
        "config error: b.other: must not be [hidden] (Reactor.toml:5)",
    ]
