"""Command groups that plugins bring."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Scripted, Tool


def test_an_enabled_plugin_brings_its_commands(reactor: Tool) -> None:
    reactor.project()
    assert reactor("tiny", "say", "-o", "7").data == {"order": 7}
    assert reactor("tiny", "say", "--output", "human").out == "order 1\n"
    assert reactor("-o", "human", "tiny", "say").out == "order 1\n"
    listed = reactor("--help").out
    assert listed.endswith("Commands of plugins:\n  tiny  Say the word\n")


def test_a_plugin_asks_the_server_and_for_confirmation(reactor: Tool, scripted: Scripted) -> None:
    reactor.project()
    scripted.answer(200, {"word": "ahoy"})
    assert reactor("tiny", "ask", "--endpoint", scripted.url).data == {"word": "ahoy"}
    assert reactor("tiny", "forget").error == {
        "code": "REQUIRES_CONFIRMATION",
        "message": "forgetting the word needs confirmation",
        "hint": "pass --yes or set REACTOR_ASSUME_YES=1",
    }
    assert reactor("tiny", "forget", "--yes").data == {"forgotten": True}


def test_a_plugin_that_is_not_enabled_brings_nothing_but_is_named(reactor: Tool) -> None:
    reactor.project(tiny=None)
    done = reactor("tiny", "say")
    assert (done.code, done.error) == (
        2,
        {
            "code": "FEATURE_DISABLED",
            "message": "there is no command 'tiny' here: the plugin tiny (reactor-tiny 1.2) is not enabled",
            "hint": "add a [tiny] section to Reactor.toml",
        },
    )
    assert "Commands of plugins" not in reactor("--help").out


def test_a_group_may_bear_another_name_than_its_plugin(reactor: Tool, site: Path) -> None:
    code = (site / "tiny_plugin.py").read_text().replace('CommandGroup("tiny"', 'CommandGroup("word"')
    (site / "tiny_plugin.py").write_text(code)
    reactor.project()
    assert reactor("word", "say").data == {"order": 1}
    assert reactor("tiny").error["message"] == "the plugin tiny (reactor-tiny 1.2) brings no commands"


def test_a_plugin_that_cannot_be_imported_is_named_and_the_kernels_commands_work(reactor: Tool) -> None:
    reactor.install("broken", "import no_such_library\n")
    reactor.project(extra="[broken]\n")
    assert reactor("tiny", "say").data == {"order": 1}
    done = reactor("wrod", "-o", "human")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "plugin error: broken 1.2: cannot be imported: no module named 'no_such_library'\n"
        "  fix: pip install --upgrade reactor-broken, or install the library that provides no_such_library\n"
        "error: there is no command 'wrod', but not every enabled plugin could be asked\n"
    )
    assert "  broken  not available: cannot be imported: no module named" in reactor("--help").out


def test_a_target_that_is_no_command_is_the_plugins_fault(reactor: Tool, site: Path) -> None:
    reactor.project()
    (site / "tiny_cli.py").write_text("tiny = 1\n")
    assert reactor("tiny").error == {
        "code": "CONFIG_ERROR",
        "message": "tiny_cli:tiny of reactor-tiny 1.2 is not a click command but int",
        "hint": "report it to the author of reactor-tiny",
    }
    (site / "tiny_cli.py").write_text("")
    assert reactor("tiny").error == {
        "code": "CONFIG_ERROR",
        "message": "the command 'tiny' of reactor-tiny 1.2 cannot be imported: "
        "module 'tiny_cli' has no attribute 'tiny'",
        "hint": "pip install --upgrade reactor-tiny",
    }
