"""Make a project: Reactor.toml with every installed plugin, secrets, and what plugins bring for a start (decision 7)."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reactor_kernel.contributions import ConfigSection
from reactor_kernel.errors import BootError, ExitCode, Fault
from reactor_kernel.ids import uuid7

_IGNORED = ".reactor/"


@dataclass(frozen=True, slots=True)
class NewProject:
    """A project as it was made; `files` are relative to it, in the order they were written."""

    project_id: str
    name: str
    root: Path
    plugins: tuple[str, ...]
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _NoKeys:
    """The section of a plugin that declares none: present, which enables it, and empty."""


def create(path: Path, *, with_files: bool = False, overwrite: bool = False) -> NewProject | None:
    """Write the configuration file `path` and the project around it; None when another process has just written it.

    Everything that can be wrong with the installed plugins is found before the first file is written. Secrets that exist are
    kept; with `overwrite` so is the project's id.

    Args:
        with_files: also write .gitignore and the files that plugins bring for a start.
        overwrite: replace what is there instead of leaving it.

    Raises:
        BootError: an installed plugin cannot be loaded or lacks another one, or a file cannot be written.
    """
    from reactor_kernel.config.project_secrets import generate_project_secrets
    from reactor_kernel.config.template import new_project_toml

    sections = installed_sections()
    root = path.parent
    name = root.resolve().name or "reactor"
    files = _starting_files(sections) if with_files else {}
    written: list[str] = []
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _alone(root):
            if path.exists() and not overwrite:
                return None
            project_id = _known_id(path) or str(uuid7())
            generate_project_secrets(root, sections, project_id)
            if with_files:
                written += _ignore_state(root)
            for relative, text in files.items():
                if overwrite or not (root / relative).exists():
                    _write(root / relative, text)
                    written.append(relative)
            # The last, because a project exists when its file does.
            _write(path, new_project_toml(name, project_id, sections))
    except OSError as error:
        raise _fault(str(error.filename or root), f"cannot be written: {error.strerror}") from None
    return NewProject(project_id, name, root, tuple(sections), (path.name, *written))


def installed_sections() -> dict[str, ConfigSection]:
    """Load every installed plugin and return its section, in boot order.

    Raises:
        BootError: with a fault for each plugin that cannot be loaded or lacks another one.
    """
    from reactor_kernel.plugins import discovery

    candidates, faults = discovery.installed()
    loaded = []
    for candidate in candidates:
        plugin, fault = discovery.load(candidate, optional=False, where=None)
        if fault is not None:
            faults.append(fault)
        else:
            loaded.append(plugin)
    names = {plugin.name for plugin in loaded}
    faults += [
        Fault(
            "plugin",
            f"needs the plugin {need}, which is not installed",
            plugin=plugin.name,
            version=plugin.version,
            fix=f"pip install reactor-{need}, or pip uninstall {plugin.dist}",
        )
        for plugin in loaded
        for need in plugin.manifest.requires
        if need not in names
    ]
    if faults:
        raise BootError(faults)
    ordered, faults = discovery.order(loaded)
    if faults:
        raise BootError(faults)
    sections = {}
    for plugin in ordered:
        ask = getattr(plugin.instance, "reactor_config_section", None)
        found = [section for section in (ask() if ask is not None else ()) if isinstance(section, ConfigSection)]
        sections[plugin.name] = found[0] if found else ConfigSection(_NoKeys)
    return sections


def _starting_files(sections: Mapping[str, ConfigSection]) -> dict[str, str]:
    files: dict[str, str] = {}
    owners: dict[str, str] = {}
    for name, section in sections.items():
        for path, text in section.files.items():
            if path in owners:
                raise BootError(
                    [
                        Fault(
                            "conflict",
                            f"both {owners[path]} and {name} bring the file {path} for new projects",
                            subject=path,
                        )
                    ]
                )
            owners[path] = name
            files[path] = text
    return files


def _known_id(path: Path) -> str | None:
    """Return the id of the project that is being written anew; it must not change, because data and secrets hang on it."""
    import tomllib

    try:
        project = tomllib.loads(path.read_text("utf-8")).get("project")
    except FileNotFoundError:
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _fault(str(path), f"cannot be read to keep the project's id: {error}") from None
    found = project.get("id") if isinstance(project, dict) else None
    return found if isinstance(found, str) and found else None


def _ignore_state(root: Path) -> list[str]:
    """Let git ignore `.reactor`; lines of an existing .gitignore stay."""
    path = root / ".gitignore"
    before = path.read_text("utf-8") if path.exists() else ""
    if _IGNORED in (line.strip() for line in before.splitlines()):
        return []
    _write(path, before + ("\n" if before and not before.endswith("\n") else "") + _IGNORED + "\n")
    return [path.name]


def _write(path: Path, text: str) -> None:
    """Write a file whole: a reader, also after a crash, sees the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files for their owner only; these hold no secret and are meant for a repository.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(draft, 0o666 & ~mask)
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold a lock on the directory, so that two first starts at once agree on one project."""
    handle = os.open(root, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _fault(subject: str, message: str) -> BootError:
    return BootError([Fault("config", message, subject=subject, exit_code=ExitCode.CONFIG)])
