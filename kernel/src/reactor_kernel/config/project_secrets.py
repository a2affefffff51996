"""The secrets of a new project, made once (decision 7)."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from reactor_kernel.config.model import VaultConfig
from reactor_kernel.config.template import ADMIN_TOKEN_FILE, MASTER_KEY_FILE
from reactor_kernel.contributions.config import ConfigSection, Generated
from reactor_kernel.errors import BootError, ExitCode, Fault, NotFound
from reactor_kernel.ids import parse_project_id

STATE_DIRECTORY = ".reactor"


def generate_project_secrets(root: Path, sections: Mapping[str, ConfigSection], project_id: str) -> list[str]:
    """Make the secrets that a Reactor.toml from `new_project_toml` refers to; return those made now.

    What exists is kept as it is, so it may run again, also after being killed half-way and in two processes at once. The
    directory is `.reactor`, for its owner only and ignored by git.

    Raises:
        BootError: the vault exists but the file with its master key does not, or the directory cannot be written.
    """
    state = root / STATE_DIRECTORY
    made: list[str] = []
    try:
        state.mkdir(mode=0o700, exist_ok=True)
        state.chmod(0o700)
        with _alone(state):
            _write_new(state / ".gitignore", lambda: "*\n")
            if not (root / MASTER_KEY_FILE).exists():
                _refuse_orphan(root, project_id)
            if _write_new(root / MASTER_KEY_FILE, lambda: secrets.token_hex(32) + "\n"):
                made.append(MASTER_KEY_FILE)
            if _write_new(root / ADMIN_TOKEN_FILE, lambda: secrets.token_urlsafe(32) + "\n"):
                made.append(ADMIN_TOKEN_FILE)
            made += _fill_vault(root, sections, project_id)
    except OSError as error:
        raise _fault(str(error.filename or state), f"cannot be written: {error.strerror}") from None
    return made


def generated_value(made: Generated) -> str:
    """Make the value of a generated secret."""
    raw = secrets.token_bytes(made.nbytes)
    return raw.hex() if made.encoding == "hex" else base64.b64encode(raw).decode("ascii")


def _fill_vault(root: Path, sections: Mapping[str, ConfigSection], project_id: str) -> list[str]:
    from reactor_kernel.vault import open_vault

    wanted = {made.vault_name: made for section in sections.values() for made in section.generate.values()}
    if not wanted:
        return []
    master_key = (root / MASTER_KEY_FILE).read_text("ascii").strip()
    vault = open_vault(VaultConfig(master_key=master_key), project_id=project_id, root=root)
    made = []
    for name, generated in wanted.items():
        try:
            vault.get_version(name)
        except NotFound:
            vault.put(name, generated_value(generated).encode("ascii"))
            made.append(f"vault:{name}")
    return made


def _refuse_orphan(root: Path, project_id: str) -> None:
    vault = VaultConfig().path / f"{parse_project_id(project_id)}.vault"
    if (root / vault).exists():
        raise _fault(
            MASTER_KEY_FILE,
            f"is missing, but the vault it opens exists ({vault}); restore the key from a backup, or move the vault away "
            "to start with new secrets",
        )


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Hold a lock, so that two starts at once agree on one set of secrets."""
    import fcntl

    lock = os.open(state / "secrets.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _write_new(path: Path, content: Callable[[], str]) -> bool:
    """Write a file for its owner only unless it exists; it appears whole or not at all."""
    if path.exists():
        return False
    draft = path.with_name(path.name + ".new")
    with suppress(FileNotFoundError):
        draft.unlink()
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content())
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return True


def _fault(subject: str, message: str) -> BootError:
    return BootError([Fault(category="config", subject=subject, message=message, exit_code=ExitCode.CONFIG)])
