"""Write a plugin distribution from the files under `files/plugin`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from reactor_kernel import __version__
from reactor_kernel.apiversion import KERNEL_API
from reactor_kernel.errors import Conflict, ValidationError

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z")
_LONGEST = 40  # the schema's name must fit into Postgres' 63 bytes with room for indexes
_SUFFIX = ".tmpl"  # keeps tools that collect Python files away from files that are not Python yet


@dataclass(frozen=True, slots=True)
class NewPlugin:
    """A plugin as it was written; `files` are relative to `root`."""

    root: Path
    files: tuple[str, ...]


def create(name: str, root: Path) -> NewPlugin:
    """Write the distribution of a plugin called `name` into the directory `root`, which must be new or empty.

    Raises:
        ValidationError: the name cannot be a plugin's.
        Conflict: there is something at `root`.
    """
    check_name(name)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise Conflict(f"{root} exists and is not empty", hint="name another directory with --dir")
    words = _words(name)
    written = []
    for relative, text in sorted(_templates(files("reactor_kernel.scaffold") / "files" / "plugin")):
        path = _filled(relative, words).removesuffix(_SUFFIX)
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_filled(text, words), encoding="utf-8")
        written.append(path)
    return NewPlugin(root, tuple(written))


def check_name(name: str) -> None:
    """Refuse a name that cannot be a plugin's. Raises ValidationError."""
    from reactor_kernel.cli.root import COMMANDS
    from reactor_kernel.config.model import KERNEL_SECTIONS

    if not _NAME.match(name) or len(name) > _LONGEST:
        raise ValidationError(
            f"{name!r} cannot be a plugin's name",
            hint=f"use one word of lower-case letters, digits and single underscores, {_LONGEST} characters at most",
        )
    if name in KERNEL_SECTIONS or name == "kernel":
        raise ValidationError(f"{name!r} is the kernel's own section", hint="choose another name")
    if name in COMMANDS:
        raise ValidationError(f"{name!r} is a command of the reactor tool itself", hint="choose another name")


def _words(name: str) -> dict[str, str]:
    major, minor = __version__.split(".")[:2]
    return {
        "@name@": name,
        "@Name@": "".join(part.capitalize() for part in name.split("_")),
        "@dist@": f"reactor-{name.replace('_', '-')}",
        "@module@": f"reactor_{name}",
        "@schema@": f"_reactor_{name}",
        "@api@": f"({KERNEL_API[0]}, {KERNEL_API[1]})",
        "@kernel_range@": f">={major}.{minor},<{major}.{int(minor) + 1}"
        if major == "0"
        else f">={major}.{minor},<{int(major) + 1}",
    }


def _filled(text: str, words: dict[str, str]) -> str:
    for token, word in words.items():
        text = text.replace(token, word)
    return text


def _templates(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _templates(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(_SUFFIX):
            yield prefix + entry.name, entry.read_text("utf-8")
