"""What is said about a configuration that cannot work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reactor_kernel.api import ConfigSection, PluginInfo, hookimpl
from reactor_kernel.errors import BootError
from reactor_kernel.kernel import Kernel, Stage
from reactor_kernel.testing import ADMIN_TOKEN, raw_config


@dataclass(frozen=True)
class ThingConfig:
    """The section of these tests."""

    size: int = field(default=1, metadata={"min": 1, "max": 9})
    key: str = ""
    colour: str = field(default="red", metadata={"choices": ("red", "green")})


class Thing:
    info = PluginInfo(name="thing", version="1.2", api=(1, 0))

    @hookimpl
    def reactor_config_section(self) -> Iterable[ConfigSection]:
        yield ConfigSection(ThingConfig, secrets=("key",))


def configured(root: Path, thing: dict[str, object], **more: dict[str, object]) -> Kernel:
    return Kernel(raw_config(root, [Thing], {"thing": thing, **more}, database_url="embedded"), plugins=[Thing])


def said(kernel: Kernel) -> list[str]:
    with pytest.raises(BootError) as caught:
        kernel.boot(Stage.CONFIGURED)
    assert caught.value.exit_code == 2
    return str(caught.value).splitlines()


def at(root: Path, key: str) -> str:
    lines = (root / "Reactor.toml").read_text().splitlines()
    return f"Reactor.toml:{next(n for n, line in enumerate(lines, 1) if line.startswith(f'{key} ='))}"


def test_every_problem_of_every_section_is_listed_at_once(tmp_path: Path) -> None:
    kernel = configured(tmp_path, {"size": "ten", "colour": "blue"}, admin={"token": ""}, server={"threads": 0})
    assert said(kernel) == [
        f"config error: server.threads: must be at least 1, not 0 ({at(tmp_path, 'threads')})",
        f"config error: admin.token: must not be empty ({at(tmp_path, 'token')})",
        f'config error: thing.size: must be a whole number, not "ten" ({at(tmp_path, "size")})',
        f'config error: thing.colour: must be "red" or "green", not "blue" ({at(tmp_path, "colour")})',
    ]


def test_an_unknown_key_is_a_warning_with_the_nearest_name(tmp_path: Path) -> None:
    kernel = configured(tmp_path, {"sise": 3}).boot(Stage.CONFIGURED)
    assert f"unknown key thing.sise ({at(tmp_path, 'sise')}); did you mean thing.size?" in kernel.warnings


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("env:NO_SUCH_VARIABLE_QZ", "reference env:NO_SUCH_VARIABLE_QZ is not set"),
        ("{{ env NO_SUCH_VARIABLE_QZ }}", "reference env:NO_SUCH_VARIABLE_QZ is not set"),
        ("file:no/such/file", "reference file:no/such/file does not exist"),
        ("vault:no/such/secret", "reference vault:no/such/secret is not in the vault"),
    ],
)
def test_a_reference_that_leads_nowhere_names_key_and_reference(tmp_path: Path, reference: str, reason: str) -> None:
    kernel = configured(tmp_path, {"key": reference})
    assert said(kernel) == [f"config error: thing.key: {reason} ({at(tmp_path, 'key')})"]


def test_a_secret_of_the_wrong_type_is_not_quoted(tmp_path: Path) -> None:
    kernel = configured(tmp_path, {"key": 1234567890})
    [line] = said(kernel)
    assert line.startswith("config error: thing.key: must be ")
    assert "1234567890" not in line


def test_a_file_that_is_not_toml_names_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "Reactor.toml").write_text("[project]\nname = \n")
    from reactor_kernel.config.loader import load

    with pytest.raises(BootError) as caught:
        load(None, environ={}, flags={}, cwd=tmp_path)
    assert str(caught.value) == "config error: Reactor.toml: is not valid TOML: invalid value (Reactor.toml:2:8)"
    assert caught.value.exit_code == 2


def test_no_boot_message_ever_shows_the_admin_token(tmp_path: Path) -> None:
    kernel = configured(tmp_path, {"size": 0}, server={"threads": 0})
    assert ADMIN_TOKEN not in "\n".join(said(kernel))
