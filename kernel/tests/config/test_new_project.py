"""The file and the secrets of a new project fit together."""

from __future__ import annotations

import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reactor_kernel.config.binder import Bound
from reactor_kernel.config.early import vault_opener
from reactor_kernel.config.model import KERNEL_SECTIONS
from reactor_kernel.config.project_secrets import generate_project_secrets
from reactor_kernel.config.template import new_project_toml, toml_value
from reactor_kernel.contributions import ConfigSection, Generated
from reactor_kernel.errors import BootError

PROJECT = "019213f5-0000-7000-8000-000000000001"
Messages = Callable[[Bound], list[str]]


@dataclass(frozen=True)
class Search:
    data_key: str
    sign: str
    url: str
    depth: int = field(default=3, metadata={"doc": "how deep to look"})
    engines: tuple[str, ...] = field(default=("a", "b"), metadata={"doc": "which engines"})
    undocumented: int = 1


@dataclass(frozen=True)
class Bare:
    nothing: str | None = field(default=None, metadata={"doc": "may be absent"})


SECTIONS = {
    "search": ConfigSection(
        Search,
        secrets=("data_key", "sign"),
        initial=('url = "http://127.0.0.1:8000"',),
        generate={"data_key": Generated("search/data-key"), "sign": Generated("search/sign", 16, "hex")},
    ),
    "bare": ConfigSection(Bare),
}


def test_the_file_and_the_secrets_of_a_new_project_bind_without_a_fault(project: Any) -> None:
    project.write(new_project_toml('my "first"\n\\todo', PROJECT, SECTIONS))
    made = generate_project_secrets(project.root, SECTIONS, PROJECT)
    assert made == [
        ".reactor/vault-master-key",
        ".reactor/admin-token",
        "vault:search/data-key",
        "vault:search/sign",
    ]
    opener = vault_opener(project.load())
    bound = project.bind({**KERNEL_SECTIONS, **SECTIONS}, vault=opener)
    assert (bound.faults, bound.warnings) == ([], [])
    values = bound.require()
    assert values["project"].name == 'my "first"\n\\todo'
    assert (values["project"].id, values["project"].env) == (PROJECT, "dev")
    assert str(values["server"].bind) == "127.0.0.1:8000"
    assert values["database"].url == "embedded"
    assert values["admin"].token == (project.root / ".reactor/admin-token").read_text().strip()
    assert len(values["admin"].token) >= 32
    assert values["search"].data_key.encode() == opener().get("search/data-key")
    assert len(bytes.fromhex(values["search"].sign)) == 16
    assert values["search"].depth == 3


def test_the_file_says_what_else_there_is() -> None:
    text = new_project_toml("todo", PROJECT, SECTIONS)
    assert text.endswith(
        """
[search]
data_key = "vault:search/data-key"
sign = "vault:search/sign"
url = "http://127.0.0.1:8000"
# depth = 3  # how deep to look
# engines = ["a", "b"]  # which engines

[bare]
# nothing = ...  # may be absent
"""
    )
    assert list(tomllib.loads(text)) == ["project", "server", "database", "admin", "vault", "search", "bare"]


def test_a_key_with_a_default_may_be_switched_on_by_taking_its_comment_sign_away(project: Any) -> None:
    project.write(
        new_project_toml("todo", PROJECT, SECTIONS).replace("# depth = 3", "depth = 4").replace("# eng", "eng")
    )
    generate_project_secrets(project.root, SECTIONS, PROJECT)
    bound = project.bind(SECTIONS, vault=vault_opener(project.load()))
    assert (bound.require()["search"].depth, bound.values["search"].engines) == (4, ("a", "b"))


def test_no_secret_stands_in_the_file(project: Any) -> None:
    text = new_project_toml("todo", PROJECT, SECTIONS)
    generate_project_secrets(project.root, SECTIONS, PROJECT)
    for name in ("admin-token", "vault-master-key"):
        assert (project.root / ".reactor" / name).read_text().strip() not in text


def test_the_secrets_are_for_their_owner_only_and_never_in_git(project: Any) -> None:
    generate_project_secrets(project.root, SECTIONS, PROJECT)
    state = project.root / ".reactor"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert (state / ".gitignore").read_text() == "*\n"
    for path in state.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    subprocess.run(["git", "init", "-q", "."], cwd=project.root, check=True)
    subprocess.run(["git", "add", "-A"], cwd=project.root, check=True)
    assert subprocess.run(["git", "ls-files"], cwd=project.root, check=True, capture_output=True).stdout == b""


def test_running_again_makes_only_what_is_missing(project: Any) -> None:
    only_bare = {"bare": SECTIONS["bare"]}
    assert generate_project_secrets(project.root, only_bare, PROJECT) == [
        ".reactor/vault-master-key",
        ".reactor/admin-token",
    ]
    before = (
        (project.root / ".reactor/admin-token").read_text(),
        (project.root / ".reactor/vault-master-key").read_text(),
    )
    assert generate_project_secrets(project.root, SECTIONS, PROJECT) == ["vault:search/data-key", "vault:search/sign"]
    vault = (project.root / f".reactor/vault/{PROJECT}.vault").read_bytes()
    assert generate_project_secrets(project.root, SECTIONS, PROJECT) == []
    assert before == (
        (project.root / ".reactor/admin-token").read_text(),
        (project.root / ".reactor/vault-master-key").read_text(),
    )
    assert (project.root / f".reactor/vault/{PROJECT}.vault").read_bytes() == vault


def test_a_vault_without_its_master_key_is_not_given_a_new_one(project: Any) -> None:
    generate_project_secrets(project.root, SECTIONS, PROJECT)
    (project.root / ".reactor/vault-master-key").unlink()
    with pytest.raises(BootError) as caught:
        generate_project_secrets(project.root, SECTIONS, PROJECT)
    assert str(caught.value) == (
        f"config error: .reactor/vault-master-key: is missing, but the vault it opens exists (.reactor/vault/{PROJECT}.vault); "
        "restore the key from a backup, or move the vault away to start with new secrets"
    )
    assert not (project.root / ".reactor/vault-master-key").exists()


def test_two_starts_at_once_agree_on_one_set_of_secrets(project: Any) -> None:
    script = f"""
import sys
from dataclasses import dataclass
from pathlib import Path
from reactor_kernel.config.project_secrets import generate_project_secrets
from reactor_kernel.contributions import ConfigSection, Generated

@dataclass(frozen=True)
class Search:
    key: str

section = ConfigSection(Search, generate={{"key": Generated("search/key")}})
print(generate_project_secrets(Path(sys.argv[1]), {{"search": section}}, "{PROJECT}"))
"""
    starts = [
        subprocess.Popen([sys.executable, "-c", script, str(project.root)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    outputs = sorted(start.communicate(timeout=60)[0].strip() for start in starts)
    assert [start.returncode for start in starts] == [0, 0, 0, 0]
    assert outputs[:-1] == ["['.reactor/vault-master-key', '.reactor/admin-token', 'vault:search/key']", "[]", "[]"]
    assert outputs[-1] == "[]"


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / ".reactor").write_text("a file")
    with pytest.raises(BootError) as caught:
        generate_project_secrets(tmp_path, SECTIONS, PROJECT)
    assert str(caught.value) == f"config error: {tmp_path / '.reactor'}: cannot be written: File exists"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (1, "1"),
        (1.5, "1.5"),
        ('a"\\\x01é', '"a\\"\\\\\\u0001é"'),
        (Path("a/b"), '"a/b"'),
        ((1, "x"), '[1, "x"]'),
    ],
)
def test_values_are_written_as_toml(value: object, text: str) -> None:
    assert toml_value(value) == text
    expected = list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
    assert tomllib.loads(f"v = {text}")["v"] == expected


def test_what_toml_has_no_form_of_is_refused() -> None:
    with pytest.raises(TypeError) as caught:
        toml_value(None)
    assert str(caught.value) == "TOML has no form of a NoneType"
