"""`reactor storage ls`, `rm` and `sign`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import quote

import click

from reactor_kernel.api import Access, CommandContext
from reactor_storage.cli.addresses import Address, address_of, bucket_route, object_of
from reactor_storage.cli.buckets import listed as listed_buckets

_PAGE = 1000


@click.command("ls")
@click.argument("address", required=False)
@click.option("-r", "--recursive", is_flag=True, help="All that begins so, not folder by folder.")
@click.option("--limit", type=click.IntRange(1, _PAGE), default=_PAGE, show_default=True, help="How many at most.")
@click.option("--all", "everything", is_flag=True, help="List everything, page by page.")
@click.pass_obj
def ls(command: CommandContext, address: str | None, recursive: bool, limit: int, everything: bool) -> None:
    """List buckets, or what begins with bucket/prefix in the order of the keys' bytes.

    \b
    reactor storage ls
    reactor storage ls photos/2026/
    """
    if address is None:
        listed_buckets(command)
        return
    asked = address_of(command, address)
    objects: list[Any] = []
    prefixes: list[str] = []
    for page in _pages(command, asked.bucket, asked.key, "" if recursive else "/", _PAGE if everything else limit):
        objects += page["objects"]
        prefixes += page["prefixes"]
        cursor = page["cursor"]
        if not everything:
            break
    if cursor is not None:
        command.warn("there are more; pass --all or a longer prefix")
    found = {"objects": objects, "prefixes": prefixes, "cursor": cursor}
    command.emit(found, lambda: _listing(command, objects, prefixes))


def _listing(command: CommandContext, objects: list[Any], prefixes: list[str]) -> str:
    rows: list[tuple[str, str, str, object]] = [(prefix, "", "", "") for prefix in prefixes]
    rows += [
        (one["key"], human_size(one["size"]), one["content_type"] or "", moment(one["updated_at"])) for one in objects
    ]
    rows.sort(key=lambda row: row[0].encode())
    return command.table(("key", "size", "type", "changed"), rows, empty="No objects.")


@click.command("rm")
@click.argument("addresses", nargs=-1, required=True)
@click.option("-r", "--recursive", is_flag=True, help="The object and all that is below it; asks for confirmation.")
@click.pass_obj
def rm(command: CommandContext, addresses: tuple[str, ...], recursive: bool) -> None:
    """Remove objects.

    \b
    reactor storage rm photos/2026/cat.jpg
    reactor storage rm -r photos/2026
    """
    if recursive:
        targets = [address_of(command, one) for one in addresses]
        command.confirm(f"removing {', '.join(str(one) for one in targets)} and all that is below")
        removed, left = _remove_below(command, targets)
        if left:
            command.stop(
                "PERMISSION_DENIED",
                f"{removed} objects were removed, {len(left)} were not: policies refuse it, or they were gone already",
                details={"removed": removed, "left": left[:_PAGE]},
            )
    else:
        single = [object_of(command, one) for one in addresses]
        for one in single:
            command.request("DELETE", one.route("object"), access=Access.USER)
        removed = len(single)
    command.emit({"removed": removed}, lambda: command.success(f"removed {removed} objects"))


def _remove_below(command: CommandContext, targets: list[Address]) -> tuple[int, list[str]]:
    removed, left = 0, []
    for target in targets:
        found = objects_below(command, target)
        while keys := [one["key"] for one in islice(found, _PAGE)]:
            path = f"/storage/v1/object/{quote(target.bucket, safe='')}"
            gone = {one["key"] for one in command.request("DELETE", path, body={"prefixes": keys}, access=Access.USER)}
            removed += len(gone)
            left += [f"{target.bucket}/{key}" for key in keys if key not in gone]
    return removed, left


@click.command("sign")
@click.argument("address")
@click.option("--upload", is_flag=True, help="For storing the object, not for reading it.")
@click.option("--expires", type=click.IntRange(1, 604800), metavar="SECONDS", help="Default: as the server says, 3600.")
@click.option("--single-use", is_flag=True, help="It works once.")
@click.pass_obj
def sign(command: CommandContext, address: str, upload: bool, expires: int | None, single_use: bool) -> None:
    """Make a URL with which one object is read, or stored, without a credential.

    \b
    reactor storage sign photos/cat.jpg --expires 600
    """
    body: dict[str, Any] = {"for_upload": upload, "single_use": single_use}
    if expires is not None:
        body["expires_in"] = expires
    answer = command.request("POST", object_of(command, address).route("sign"), body=body, access=Access.USER)
    url = str(answer["url"])
    found = {"url": command.server().endpoint + url if url.startswith("/") else url, "expires_at": answer["expires_at"]}
    command.emit(found, lambda: str(found["url"]))


def objects_below(command: CommandContext, address: Address) -> Iterator[dict[str, Any]]:
    """Return an object, if there is one, and all below it; not what only begins with the same letters.

    Ends the command where there is nothing.
    """
    nothing = True
    if not address.is_folder:
        # The least key that begins so is this one, if it is there.
        first = next(_pages(command, address.bucket, address.key, "", 1))["objects"]
        if first and first[0]["key"] == address.key:
            nothing = False
            yield first[0]
    for page in _pages(command, address.bucket, address.below, "", _PAGE):
        for one in page["objects"]:
            nothing = False
            yield one
    if nothing:
        command.stop("CLIENT_ERROR", f"there is nothing at {address} that you see", hint="see: reactor storage ls")


def _pages(command: CommandContext, bucket: str, prefix: str, delimiter: str, limit: int) -> Iterator[dict[str, Any]]:
    cursor: str | None = ""
    while cursor is not None:
        params = {"prefix": prefix, "delimiter": delimiter, "limit": str(limit), "cursor": cursor}
        asked = {name: value for name, value in params.items() if value}
        page = command.request("GET", bucket_route(bucket, "/objects"), params=asked, access=Access.USER)
        cursor = page["cursor"]
        yield page


def human_size(size: int) -> str:
    """Return a number of bytes as people read it."""
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def moment(value: str) -> str | datetime:
    """Return a time of the server's as people read it."""
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return value
