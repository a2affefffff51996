"""`reactor plugin new`: what is written, and that it works in an environment of its own."""

from __future__ import annotations

import json
import os
import py_compile
import subprocess
import tempfile
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from reactor_kernel.errors import Conflict, ValidationError
from reactor_kernel.scaffold.plugin import create

REPOSITORY = Path(__file__).parents[3]


def test_the_files_of_a_plugin(tmp_path: Path) -> None:
    made = create("photo_album", tmp_path / "album")
    assert made.files == (
        ".gitignore",
        "CHANGELOG.md",
        "README.md",
        "pyproject.toml",
        "src/reactor_photo_album/__init__.py",
        "src/reactor_photo_album/cli.py",
        "src/reactor_photo_album/config.py",
        "src/reactor_photo_album/http.py",
        "src/reactor_photo_album/migrations/__init__.py",
        "src/reactor_photo_album/migrations/r0001_notes.py",
        "src/reactor_photo_album/openapi.py",
        "src/reactor_photo_album/plugin.py",
        "src/reactor_photo_album/probes.py",
        "src/reactor_photo_album/py.typed",
        "src/reactor_photo_album/queries.py",
        "src/reactor_photo_album/service.py",
        "src/reactor_photo_album/tables.py",
        "tests/conftest.py",
        "tests/test_conformance.py",
        "tests/test_notes.py",
    )
    project = tomllib.loads((made.root / "pyproject.toml").read_text())["project"]
    assert project["name"] == "reactor-photo-album"
    assert project["entry-points"]["reactor.plugins"] == {"photo_album": "reactor_photo_album.plugin:PhotoAlbumPlugin"}
    for file in made.files:
        text = (made.root / file).read_text()
        assert "@" not in text.replace("@pytest", "").replace("@hookimpl", "").replace("@dataclass", "").replace(
            "@click", ""
        ), file
        if file.endswith(".py"):
            py_compile.compile(str(made.root / file), cfile=str(tmp_path / "out.pyc"), doraise=True)


@pytest.mark.parametrize("name", ["", "Search", "9lives", "a-b", "a__b", "_a", "a_", "ünicode", "a" * 41, "../x"])
def test_a_name_that_cannot_be_a_plugins_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValidationError, match="cannot be a plugin's name") as caught:
        create(name, tmp_path / "x")
    assert caught.value.error_hint == (
        "use one word of lower-case letters, digits and single underscores, 40 characters at most"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("server", "'server' is the kernel's own section"),
        ("kernel", "'kernel' is the kernel's own section"),
        ("routes", "'routes' is a command of the reactor tool itself"),
    ],
)
def test_a_name_that_is_taken_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        create(name, tmp_path / "x")


def test_a_directory_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(Conflict, match="exists and is not empty"):
        create("search", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    assert create("search", tmp_path / "empty").root == tmp_path / "empty"


@pytest.fixture
def own_place() -> Iterator[Path]:
    """A directory outside of pytest's own, which every run of pytest by this user closes to the account Postgres runs as."""
    with tempfile.TemporaryDirectory(prefix="reactor-test-") as place:
        yield Path(place)


@pytest.mark.slow
@pytest.mark.timeout(900)  # installs distributions from their sources and their index
def test_a_new_plugin_passes_its_tests_and_serves_in_an_environment_of_its_own(own_place: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("REACTOR_", "PYTHON"))}

    def run(*command: str | Path, cwd: Path = own_place) -> str:
        done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    # The tool comes from a built wheel, so that a template missing from the wheel fails here.
    venv.create(own_place / "venv", with_pip=True)
    python, reactor = own_place / "venv" / "bin" / "python", own_place / "venv" / "bin" / "reactor"
    kit = REPOSITORY / "plugins" / "reactor-plugin-conformance"
    run(python, "-m", "pip", "install", "--quiet", REPOSITORY / "kernel", kit)
    written = json.loads(run(reactor, "plugin", "new", "search"))["data"]
    assert tuple(written["files"]) == create("search", own_place / "here").files
    plugin = Path(written["path"])
    run(python, "-m", "pip", "install", "--quiet", f"{plugin}[test]")

    passed = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=plugin)
    assert " passed" in passed

    run(reactor, "init", "shop")
    shop = own_place / "shop"
    rows = json.loads(run(reactor, "plugins", cwd=shop))["data"]
    assert [(row["name"], row["state"], row["prefix"]) for row in rows] == [("search", "enabled", "/search/v1")]
    routes = json.loads(run(reactor, "routes", "--plugin", "search", cwd=shop))["data"]
    assert ("POST", "/search/v1/notes", "user", "search:write") in [
        (route["method"], route["path"], route["access"], route["permission"]) for route in routes
    ]
    assert json.loads(run(reactor, "search", cwd=shop))["data"] == {"notes": 0}
