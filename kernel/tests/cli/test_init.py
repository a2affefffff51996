"""`reactor init`: a project that can be checked and served untouched."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Tool

FILES = ["Reactor.toml", ".gitignore", "words/first.txt"]


def test_a_new_project_is_sound_untouched(reactor: Tool) -> None:
    data = reactor("init", "todo").data
    root = reactor.directory / "todo"
    written = tomllib.loads((root / "Reactor.toml").read_text())
    assert (data["name"], data["path"]) == ("todo", str(root))
    assert data["files"][:2] == FILES[:2]
    assert set(FILES) <= set(data["files"])
    assert "tiny" in data["plugins"]
    assert written["project"] == {"name": "todo", "id": data["project_id"], "env": "dev"}
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", data["project_id"])
    assert written["server"]["bind"] == "127.0.0.1:8000"
    assert written["database"]["url"] == "embedded"
    assert written["tiny"] == {"word": "ahoy"}
    assert (root / "words" / "first.txt").read_text() == "ahoy\n"
    assert (root / ".gitignore").read_text() == ".reactor/\n"
    check = reactor("config", "check", "--config", "todo/Reactor.toml").data
    assert (check["warnings"], set(check["plugins"])) == ([], set(data["plugins"]))


def test_people_are_told_the_next_step(reactor: Tool) -> None:
    shown = reactor.on_terminal("init", "todo", env={"NO_COLOR": "1"}).out
    assert shown.startswith(f"✓ Project todo in {reactor.directory}/todo\n  Reactor.toml\n  .gitignore\n")
    assert shown.endswith("\nNext: cd todo && reactor up\n")


def test_what_exists_is_left_alone_without_force(reactor: Tool) -> None:
    (reactor.directory / "todo").mkdir()
    done = reactor("init", "todo")
    assert (done.code, done.error) == (
        1,
        {
            "code": "USER_ERROR",
            "message": f"{reactor.directory}/todo exists already",
            "hint": "pass --force to write its generated files anew; its id and secrets stay",
        },
    )
    assert list((reactor.directory / "todo").iterdir()) == []
    reactor.write("# mine\n")
    here = reactor("init")
    assert (here.code, here.error["message"]) == (1, f"{reactor.directory}/Reactor.toml exists already")
    assert (reactor.directory / "Reactor.toml").read_text() == "# mine\n"


def test_force_keeps_the_id_the_secrets_and_what_is_not_generated(reactor: Tool) -> None:
    reactor.write("node_modules/", ".gitignore")
    first = reactor("init").data
    assert (reactor.directory / ".gitignore").read_text() == "node_modules/\n.reactor/\n"
    root = reactor.directory
    secrets = {path: path.read_bytes() for path in (root / ".reactor").rglob("*") if path.is_file()}
    (root / "words" / "first.txt").write_text("changed")
    (root / "mine.txt").write_text("mine")
    (root / "Reactor.toml").write_text((root / "Reactor.toml").read_text().replace("127.0.0.1:8000", "127.0.0.1:9"))
    again = reactor("init", "--force").data
    assert again["project_id"] == first["project_id"]
    assert ".gitignore" not in again["files"]
    assert "127.0.0.1:8000" in (root / "Reactor.toml").read_text()
    assert (root / "words" / "first.txt").read_text() == "ahoy\n"
    assert (root / "mine.txt").read_text() == "mine"
    assert {path: path.read_bytes() for path in (root / ".reactor").rglob("*") if path.is_file()} == secrets


def test_a_plugin_that_cannot_be_loaded_stops_it_before_the_first_file(reactor: Tool) -> None:
    reactor.install("broken", "import no_such_library")
    reactor.install(
        "lonely",
        """
        from reactor_kernel.api import PluginInfo

        class Plugin:
            info = PluginInfo(name="lonely", version="1.2", api=(1, 0), requires=("company",))
        """,
    )
    done = reactor("-o", "human", "init", "todo")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "plugin error: broken 1.2: cannot be imported: no module named 'no_such_library'\n"
        "  fix: pip install --upgrade reactor-broken, or install the library that provides no_such_library\n"
        "plugin error: lonely 1.2: needs the plugin company, which is not installed\n"
        "  fix: pip install reactor-company, or pip uninstall reactor-lonely\n"
    )
    assert list(reactor.directory.iterdir()) == []


def test_two_plugins_that_bring_one_file_are_both_named(reactor: Tool) -> None:
    code = (
        (reactor.site / "tiny_plugin.py")
        .read_text()
        .replace('name="tiny"', 'name="zwei"')
        .replace("tiny/v1", "zwei/v1")
    )
    reactor.install("zwei", code)
    done = reactor("-o", "human", "init", "todo")
    assert (done.code, done.err) == (
        2,
        "conflict error: words/first.txt: both tiny and zwei bring the file words/first.txt for new projects\n",
    )


def test_a_plugin_without_a_section_is_enabled_by_an_empty_one(reactor: Tool) -> None:
    reactor.install(
        "plain",
        """
        from reactor_kernel.api import PluginInfo

        class Plugin:
            info = PluginInfo(name="plain", version="1.2", api=(1, 0))
        """,
    )
    assert "plain" in reactor("init").data["plugins"]
    assert tomllib.loads((reactor.directory / "Reactor.toml").read_text())["plain"] == {}
    assert "plain" in reactor("config", "check").data["plugins"]


def test_two_first_starts_at_once_make_one_project(reactor: Tool) -> None:
    started = [reactor.spawn("up", "--port", "0", env={"REACTOR_LOG": "off"}) for _ in range(2)]
    documents = []
    for process in started:
        assert process.stdout is not None
        text = ""
        for line in process.stdout:
            text += line
            if line == "}\n":
                break
        documents.append(text)
    assert all('"ok": true' in text for text in documents), documents
    ids = tomllib.loads((reactor.directory / "Reactor.toml").read_text())["project"]["id"]
    vaults = [path.stem for path in (reactor.directory / ".reactor" / "vault").glob("*.vault")]
    assert vaults in ([], [ids])
