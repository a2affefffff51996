"""Which operating-system account Postgres runs as, and how that account reaches its files.

Postgres refuses to run as root. An ordinary user runs it under its own account. Root runs it under the account that owns
the existing data directory, else under `reactor-postgres`, made on first use.

The directories above the *data* need not be open to that account (see `Cluster._as_seen`). Those above the *programs* must
be: where one is closed (a virtual environment under `/root`), an ACL entry grants that account alone the right to pass
through. Nothing becomes listable, nothing opens to other users. Where there are no ACLs the start stops with a message.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import pwd
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reactor_kernel.errors import BootError, ExitCode, Fault

_log = logging.getLogger("reactor_kernel")
_ACCOUNT = "reactor-postgres"
_ACL = "system.posix_acl_access"
_USER_OBJ, _USER, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_NOBODY_ID = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Account:
    """The account Postgres runs under. `switch` tells whether this process has to change to it."""

    uid: int
    gid: int
    name: str
    switch: bool

    def popen_args(self) -> dict[str, object]:
        """Return the `subprocess` arguments that start a program under this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}

    def own(self, path: Path) -> None:
        """Give a file or directory to this account."""
        if self.switch:
            os.chown(path, self.uid, self.gid)


def account_for(data: Path) -> Account:
    """Choose the account for a data directory that may not exist yet."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), "", switch=False)
    if data.is_dir() and (owner := data.stat().st_uid) != 0:
        try:
            entry = pwd.getpwuid(owner)
        except KeyError:
            raise _refused(
                f"{data} belongs to user id {owner}, which has no account on this machine",
                f"chown -R {_ACCOUNT} {data}",
            ) from None
        return Account(owner, entry.pw_gid, entry.pw_name, switch=True)
    entry = _ensure_account(_ACCOUNT)
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name, switch=True)


def _ensure_account(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        pass
    # useradd looks whether the account exists before it waits for its own lock, and then replaces it: of two that run at
    # once the second would take the first one's id away.
    with _one_at_a_time():
        try:
            return pwd.getpwnam(name)  # another process made it in the meantime
        except KeyError:
            return _make_account(name)


def _make_account(name: str) -> pwd.struct_passwd:
    if tool := shutil.which("useradd", path=_system_path()):
        command = [tool, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        command += ["--shell", "/usr/sbin/nologin", name]
    elif tool := shutil.which("adduser", path=_system_path()):  # busybox
        command = [tool, "-S", "-H", "-D", "-h", "/nonexistent", "-s", "/sbin/nologin", name]
    else:
        raise _refused(
            "Postgres does not run as root, and this machine has neither useradd nor adduser to make an account for it",
            f"run reactor as an ordinary user, or make a system user named {name}",
        )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise _refused(
            f"Postgres does not run as root, and the account {name} could not be made: {done.stderr.strip()}",
            f"run reactor as an ordinary user, or make a system user named {name}",
        ) from None


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Keep other processes of this module out, on this machine."""
    descriptor = os.open("/etc", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _system_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/sbin"])


def open_way(account: Account, path: Path) -> None:
    """Make sure that the account can pass through every directory above `path`."""
    if not account.switch:
        return
    for directory in reversed(path.resolve().parents):
        if not _may_search(directory, account):
            _grant_search(directory, account)


def _may_search(directory: Path, account: Account) -> bool:
    status = directory.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & 0o100)
    named = {entry[2]: entry[1] for entry in _read_acl(directory, status.st_mode) if entry[0] == _USER}
    if account.uid in named:
        # With an ACL the group bits of the mode are its mask.
        return bool(named[account.uid] & 1 and status.st_mode & 0o010)
    if status.st_gid == account.gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


def _grant_search(directory: Path, account: Account) -> None:
    mode = directory.stat().st_mode
    try:
        entries = [entry for entry in _read_acl(directory, mode) if (entry[0], entry[2]) != (_USER, account.uid)]
        mask = next((perm for tag, perm, _ in entries if tag == _MASK), mode >> 3 & 7)
        entries = [entry for entry in entries if entry[0] != _MASK]
        entries += [(_USER, 1, account.uid), (_MASK, mask | 1, _NOBODY_ID)]
        entries.sort(key=lambda entry: (entry[0], entry[2]))
        os.setxattr(directory, _ACL, struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries))
    except (OSError, AttributeError) as problem:
        raise _refused(
            f"Postgres does not run as root, and its account {account.name} may not pass through {directory} ({problem})",
            f"run reactor as an ordinary user, move the project and its virtual environment to a place that "
            f"{account.name} can reach, or: chmod o+x {directory}",
        ) from problem
    _log.warning(
        "granted the account %s the right to pass through %s (ACL u:%s:x)", account.name, directory, account.name
    )


def _read_acl(directory: Path, mode: int) -> list[tuple[int, int, int]]:
    minimal = [
        (_USER_OBJ, mode >> 6 & 7, _NOBODY_ID),
        (_GROUP_OBJ, mode >> 3 & 7, _NOBODY_ID),
        (_OTHER, mode & 7, _NOBODY_ID),
    ]
    if not hasattr(os, "getxattr"):
        return minimal
    try:
        raw = os.getxattr(directory, _ACL)
    except OSError as problem:
        if problem.errno in (errno.ENODATA, errno.ENOTSUP):
            return minimal
        raise
    return [struct.unpack_from("<HHI", raw, at) for at in range(4, len(raw), 8)]


def _refused(message: str, fix: str) -> BootError:
    return BootError([Fault(category="database", message=message, fix=fix, exit_code=ExitCode.DATABASE)])
