"""The files that contexts are kept in: for their owner only, written at once and by one process at a time (cli.md §2.1)."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from reactor_kernel.cli.contexts import Contexts
from reactor_kernel.cli.errors import CliError

_OTHERS = 0o077


class ContextStore:
    """Reads and writes the files; writes are atomic and follow one another."""

    def __init__(self, home: Path, warn: Callable[[str], None]) -> None:
        self.home = home
        self._warn = warn
        self._config = home / "config.toml"
        self._tokens = home / "tokens.toml"
        self._warned = False

    def read(self) -> Contexts:
        """Read what is stored; missing files are empty."""
        return Contexts(self._config, _load(self._config), self._secrets())

    @contextmanager
    def change(self) -> Iterator[Contexts]:
        """Read, let the caller change, and write, while every other process waits; an exception writes nothing."""
        with self._alone():
            contexts = self.read()
            before = (_dump(contexts.document), _dump({"tokens": contexts.secrets}))
            yield contexts
            after = (_dump(contexts.document), _dump({"tokens": contexts.secrets}))
            # Tokens first: contexts must not name what is not there yet.
            for path, old, new in zip((self._tokens, self._config), before[::-1], after[::-1], strict=True):
                if old != new:
                    _write(path, new)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        import fcntl

        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _secrets(self) -> dict[str, str]:
        tokens = _load(self._tokens).get("tokens", {})
        if not isinstance(tokens, dict) or not all(isinstance(value, str) for value in tokens.values()):
            raise CliError("CONFIG_ERROR", f"tokens in {self._tokens} must be a table of strings")
        with suppress(FileNotFoundError):
            if self._tokens.stat().st_mode & _OTHERS and not self._warned:
                self._warned = True
                self._warn(f"{self._tokens} can be read by others; mend it with: chmod 600 {self._tokens}")
        return dict(tokens)


def home_of(environ: Mapping[str, str]) -> Path:
    """Return the directory of the user's own files: REACTOR_HOME, else `reactor` in the user's configuration directory.

    `~/.reactor` is used where an older tool left its contexts there.

    Raises:
        CliError: the environment names no home at all.
    """
    if environ.get("REACTOR_HOME"):
        return Path(environ["REACTOR_HOME"]).expanduser().absolute()
    user = environ.get("HOME") or os.path.expanduser("~")
    base = environ.get("XDG_CONFIG_HOME", "")
    # The XDG specification has relative paths ignored.
    configured = Path(base) if os.path.isabs(base) else Path(user) / ".config"
    if not os.path.isabs(configured):
        raise CliError("CONFIG_ERROR", "there is no home directory for contexts", hint="set REACTOR_HOME")
    home, older = configured / "reactor", Path(user) / ".reactor"
    if not (home / "config.toml").exists() and (older / "config.toml").exists():
        return older
    return home


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CliError("CONFIG_ERROR", f"{path} is not TOML: {error}", hint="mend the file, or remove it") from None


def _dump(document: Mapping[str, Any]) -> str:
    import tomli_w

    return tomli_w.dumps(document)


def _write(path: Path, text: str) -> None:
    """Replace a file's content at once; it can be read by its owner only."""
    target = Path(os.path.realpath(path))
    draft = target.with_name(target.name + ".new")
    with suppress(FileNotFoundError):
        draft.unlink()
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)
