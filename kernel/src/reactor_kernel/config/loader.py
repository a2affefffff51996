"""Read Reactor.toml, the environment and flags into a `RawConfig`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from reactor_kernel.config.nodes import Origin, Table, from_plain
from reactor_kernel.config.raw import RawConfig
from reactor_kernel.errors import BootError, ExitCode, Fault

FILE_NAME = "Reactor.toml"

_TOML_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)\Z")

__all__ = ["FILE_NAME", "Origin", "RawConfig", "load"]


def load(path: Path | None, *, environ: Mapping[str, str], flags: Mapping[str, object], cwd: Path) -> RawConfig:
    """Read the configuration: flags over environment over file.

    Args:
        path: the file named by `--config`; `Reactor.toml` in `cwd` where None, which may be missing.
        environ: the process environment; only `REACTOR_*` is looked at.
        flags: values by dotted key; None stands for a flag that was not given.
        cwd: the directory that relative paths of the caller start from.

    Raises:
        BootError: the file cannot be read, is not TOML, or is the manifest of the command-line tool (exit 2).
    """
    chosen = cwd / (path if path is not None else FILE_NAME)
    if path is None and not chosen.exists():
        return RawConfig(root=cwd, path=None, file=Table(Origin("file")), environ=environ, flags=flags)
    label = _label(chosen, cwd)
    text = _read(chosen, label)
    file = _parse(text, label)
    if "project_id" in file.entries:
        _refuse(
            label,
            "this is a project manifest of the command-line tool (it has a top-level project_id), "
            "not a server configuration",
            where=file.entries["project_id"].origin.where,
            fix="rename the manifest to reactor.project.toml; a server's file has the id under [project] as id",
        )
    return RawConfig(root=chosen.resolve().parent, path=chosen, file=file, environ=environ, flags=flags)


def _label(path: Path, cwd: Path) -> str:
    return str(path.relative_to(cwd)) if path.is_relative_to(cwd) else str(path)


def _read(path: Path, label: str) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        _refuse(label, "there is no such file")
    except OSError as error:
        _refuse(label, f"cannot be read: {error.strerror}")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        _refuse(label, "is not UTF-8 text", where=f"{label}:{line}:{column}")
    return text.replace("\r\n", "\n")


def _parse(text: str, label: str) -> Table:
    # Both are needed only where there is a file.
    import tomllib

    from reactor_kernel.config.toml_lines import key_lines

    try:
        document = tomllib.loads(text)
        lines = key_lines(text)
    except RecursionError:
        _refuse(label, "is not valid TOML: it nests too deeply")
    except ValueError as error:
        position = _TOML_POSITION.search(str(error))
        reason = str(error)[: position.start()] if position else str(error)
        line, column = position.groups() if position else (None, None)
        if line is None:
            line, column = str(text.count("\n") + 1), str(len(text) - (text.rfind("\n") + 1) + 1)
        reason = reason[:1].lower() + reason[1:]
        _refuse(label, f"is not valid TOML: {reason}", where=f"{label}:{line}:{column}")
    places = {path: f"{label}:{line}" for path, line in lines.items()}
    table = from_plain(document, Origin("file"), places)
    assert isinstance(table, Table), "a TOML document is a table"
    return table


def _refuse(label: str, message: str, *, where: str | None = None, fix: str | None = None) -> NoReturn:
    fault = Fault(category="config", subject=label, message=message, where=where, fix=fix, exit_code=ExitCode.CONFIG)
    raise BootError([fault])
