"""Reading the file, the environment and flags; what each value's origin is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reactor_kernel.config.loader import load
from reactor_kernel.errors import BootError


def refused(root: Path, content: str | bytes, **kwargs: Any) -> str:
    raw = content if isinstance(content, bytes) else content.encode()
    (root / "Reactor.toml").write_bytes(raw)
    with pytest.raises(BootError) as caught:
        load(None, environ={}, flags={}, cwd=root, **kwargs)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '[server]\nbind "x"\n',
            "config error: Reactor.toml: is not valid TOML: expected '=' after a key in a key/value pair (Reactor.toml:2:6)",
        ),
        ("[a]\nx = [1,\n", "config error: Reactor.toml: is not valid TOML: invalid value (Reactor.toml:3:1)"),
        (
            "[a]\nx = 1\n[a]\n",
            "config error: Reactor.toml: is not valid TOML: cannot declare ('a',) twice (Reactor.toml:3:3)",
        ),
        (
            "[a]\nx = 1\nx = 2\n",
            "config error: Reactor.toml: is not valid TOML: cannot overwrite a value (Reactor.toml:3:6)",
        ),
        (b"[a]\nx = '\xff'\n", "config error: Reactor.toml: is not UTF-8 text (Reactor.toml:2:6)"),
        ("x = " + "[" * 5000, "config error: Reactor.toml: is not valid TOML: it nests too deeply"),
        (
            'name = "todo"\nproject_id = "x"\n',
            "config error: Reactor.toml: this is a project manifest of the command-line tool (it has a top-level "
            "project_id), not a server configuration (Reactor.toml:2)\n  fix: rename the manifest to "
            "reactor.project.toml; a server's file has the id under [project] as id",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_place(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    assert refused(tmp_path, content) == message


def test_a_file_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(BootError) as caught:
        load(Path("conf/other.toml"), environ={}, flags={}, cwd=tmp_path)
    assert str(caught.value) == "config error: conf/other.toml: there is no such file"
    with pytest.raises(BootError) as caught:
        load(tmp_path, environ={}, flags={}, cwd=tmp_path.parent)
    assert str(caught.value) == f"config error: {tmp_path.name}: cannot be read: Is a directory"


def test_no_file_at_all_is_a_deployment_by_environment(tmp_path: Path) -> None:
    environ = {"REACTOR_DATA__MAX_LIMIT": "5", "REACTOR_TOKEN": "t", "REACTOR_X__": "", "REACTOR_SEARCH_INDEX": "i"}
    raw = load(None, environ=environ, flags={"server.bind": "[::1]:1", "admin.token": None}, cwd=tmp_path)
    assert (raw.path, raw.root) == (None, tmp_path)
    assert raw.section_names == ("data", "server")
    assert raw.origin("data.max_limit").where == "environment REACTOR_DATA__MAX_LIMIT"
    assert raw.origin("server.bind").source == "flag"
    assert raw.origin("admin.token").source == "default"


def test_the_root_is_the_directory_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Reactor.toml").write_bytes(b"\xef\xbb\xbf[server]\r\nbind = '[::1]:1'\r\n")
    raw = load(Path("app/Reactor.toml"), environ={}, flags={}, cwd=tmp_path)
    assert raw.root == tmp_path / "app"
    assert raw.origin("server.bind").where == "app/Reactor.toml:2"


def test_sections_come_in_the_order_of_the_file_then_the_environment(project: Any) -> None:
    raw = project.load("top = 1\n[b]\n[a.c]\nx = 1\n[[d]]\n", environ={"REACTOR_E__X": "1", "REACTOR_A__Y": "1"})
    assert raw.section_names == ("b", "a", "d", "e")


def test_a_section_may_have_another_spelling_in_file_and_environment(project: Any) -> None:
    raw = project.load("[ai]\nmodel = 'm'\n", environ={"REACTOR_AI__ALIAS": "x"})
    raw.rename_sections({"ai": "llm"})
    assert raw.section_names == ("llm",)
    assert raw.origin("llm.model").where == "Reactor.toml:2"
    assert raw.origin("llm.alias").where == "environment REACTOR_AI__ALIAS"
    assert raw.section("llm", (("key",),)) is not None


def test_both_spellings_of_a_section_are_refused(project: Any) -> None:
    raw = project.load("[ai]\n[llm]\n", environ={"REACTOR_AI__X": "1", "REACTOR_LLM__X": "1"})
    with pytest.raises(BootError) as caught:
        raw.rename_sections({"ai": "llm"})
    assert str(caught.value).splitlines() == [
        "config error: ai: is another spelling of llm, which is set too (Reactor.toml:2); keep one of the two "
        "(Reactor.toml:1)",
        "config error: ai: is another spelling of llm, which is set too (environment REACTOR_LLM__X); keep one of the "
        "two (environment REACTOR_AI__X)",
    ]


def test_optional_is_read_before_the_plugin_is_known(project: Any) -> None:
    raw = project.load(
        "[a]\noptional = true\n[b]\noptional = 'yes'\n[c]\n[d]\n",
        environ={"REACTOR_C__OPTIONAL": "true", "REACTOR_D_OPTIONAL": "true"},
    )
    assert [raw.is_optional(name) for name in ("a", "b", "c", "d", "e")] == [True, False, True, True, False]


def test_the_place_of_a_section_is_its_header_or_what_else_makes_it_present(project: Any) -> None:
    raw = project.load("[a]\nx = 1\n", environ={"REACTOR_A__Y": "1", "REACTOR_B__X": "1", "REACTOR_B__Y__Z": "1"})
    assert raw.origin("a").where == "Reactor.toml:1"
    assert raw.origin("b").where == "environment REACTOR_B__X"
    assert raw.origin("c").where is None
