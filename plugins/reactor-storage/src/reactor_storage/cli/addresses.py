"""How buckets and objects are named on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from reactor_kernel.api import CommandContext

SCHEME = "storage://"
STREAM = "-"


@dataclass(frozen=True, slots=True)
class Address:
    """An object, or with a key that is empty or ends with a slash, what is below it."""

    bucket: str
    key: str

    @property
    def is_folder(self) -> bool:
        """Whether it names no single object."""
        return self.key == "" or self.key.endswith("/")

    @property
    def below(self) -> str:
        """What the keys below it begin with; empty for a whole bucket."""
        return self.key if self.is_folder else f"{self.key}/"

    def child(self, name: str) -> Address:
        """Return what is called `name` below it."""
        return Address(self.bucket, self.below + name)

    def route(self, base: str) -> str:
        """Return the path of a route of this object, such as `/storage/v1/object/{bucket}/{key}`."""
        return f"/storage/v1/{base}/{quote(self.bucket, safe='')}/{quote(self.key)}"

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}"


def bucket_route(bucket: str, rest: str = "") -> str:
    """Return the path of a route of a bucket."""
    return f"/storage/v1/buckets/{quote(bucket, safe='')}{rest}"


def address_of(command: CommandContext, text: str) -> Address:
    """Return what `bucket/key` or `storage://bucket/key` names."""
    bucket, _, key = text.removeprefix(SCHEME).partition("/")
    if not bucket:
        command.stop("INVALID_ARGUMENT", f"{text!r} names no bucket", hint="write bucket/key or storage://bucket/key")
    return Address(bucket, key)


def object_of(command: CommandContext, text: str) -> Address:
    """Return the one object that an address names."""
    address = address_of(command, text)
    if address.key == "":
        command.stop("INVALID_ARGUMENT", f"{text!r} names no object", hint="write bucket/key or storage://bucket/key")
    return address


def place_of(command: CommandContext, text: str) -> Address | Path | None:
    """Return where something is copied from or to: only `storage://` is on the server; None stands for a standard stream."""
    if text == STREAM:
        return None
    return address_of(command, text) if text.startswith(SCHEME) else Path(text)
