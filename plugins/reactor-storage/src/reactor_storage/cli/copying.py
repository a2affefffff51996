"""`reactor storage cp`."""

from __future__ import annotations

import base64
import json
import mimetypes
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import click

from reactor_kernel.api import CommandContext
from reactor_storage.cli.addresses import Address, place_of
from reactor_storage.cli.objects import human_size, objects_below
from reactor_storage.cli.parallel import in_parallel
from reactor_storage.cli.server import StorageServer, talking
from reactor_storage.cli.uploading import MIB, Differs, Stored, Uploader

Place = Address | Path | None
_PACKED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


@dataclass(frozen=True, slots=True)
class Pair:
    """One content and where it goes; None is a standard stream."""

    source: Place
    target: Place


@click.command("cp")
@click.argument("sources", nargs=-1, required=True)
@click.argument("target")
@click.option("-r", "--recursive", is_flag=True, help="All that is in a directory, or below a key.")
@click.option("--content-type", metavar="TYPE", help="Of what is uploaded; default: by its name.")
@click.option("--cache-control", metavar="VALUE", help="What the server says with each read of it.")
@click.option("--metadata", metavar="JSON", help="An object that is kept with what is uploaded.")
@click.option("--jobs", type=click.IntRange(1, 16), default=4, show_default=True, help="How many transfers at once.")
@click.option("--part-size", type=click.IntRange(5, 1024), default=8, show_default=True, metavar="MIB",
              help="Larger contents are uploaded in parts of this size.")  # fmt: skip
@click.pass_obj
def cp(
    command: CommandContext,
    sources: tuple[str, ...],
    target: str,
    recursive: bool,
    content_type: str | None,
    cache_control: str | None,
    metadata: str | None,
    jobs: int,
    part_size: int,
) -> None:
    """Copy between this machine and the server, or on the server.

    What is on the server begins with storage://, and - is standard input or output. A target that ends with a slash, a bucket
    alone or a directory keeps the source's name. With -r what is in the source comes to be in the target. What is there is
    replaced. Each content is compared with its SHA-256.

    \b
    reactor storage cp photo.jpg storage://photos/2026/
    reactor storage cp -r storage://photos/2026 ./photos
    pg_dump app | reactor storage cp - storage://backups/app.sql
    """
    origins, destination = [place_of(command, one) for one in sources], place_of(command, target)
    if not any(isinstance(place, Address) for place in (*origins, destination)):
        command.stop(
            "INVALID_ARGUMENT",
            "neither side is on the server",
            hint="write storage://bucket/key for what is on the server",
        )
    if not isinstance(destination, Address) and not all(isinstance(place, Address) for place in origins):
        command.stop("INVALID_ARGUMENT", "one of the sources is not on the server, and neither is the target")
    if isinstance(destination, Path) and target.endswith("/"):
        destination.mkdir(parents=True, exist_ok=True)
    headers = {} if cache_control is None else {"Cache-Control": cache_control}
    headers |= {} if metadata is None else {"X-Metadata": base64.b64encode(_json(command, metadata)).decode()}
    with talking(command) as server:
        uploader = Uploader(
            server, jobs=1 if recursive or len(origins) > 1 else jobs, part_size=part_size * MIB, headers=headers
        )
        pairs = _pairs(command, origins, destination, recursive=recursive)
        done = []
        try:
            tasks = (_task(server, uploader, pair, content_type) for pair in pairs)
            for pair, stored in in_parallel(jobs, tasks, server.give_up):
                command.progress(f"{_shown(pair.source)} is at {_shown(pair.target)}")
                done.append(_row(pair, stored))
        except Differs as error:
            command.stop(
                "SERVER_ERROR", str(error), hint="copy it again; the connection or the disk may spoil contents"
            )
    if destination is None:
        return  # standard output holds the content and nothing else
    found = {"objects": len(done), "bytes": sum(row["size"] for row in done), "copied": done}
    command.emit(
        found, lambda: command.success(f"copied {found['objects']} objects, {human_size(sum(r['size'] for r in done))}")
    )


def _pairs(command: CommandContext, origins: list[Place], destination: Place, *, recursive: bool) -> Iterable[Pair]:
    if recursive:
        if destination is None or None in origins:
            command.stop("INVALID_ARGUMENT", "-r copies files; a standard stream is one content")
        return (pair for origin in origins for pair in _tree(command, origin, destination))
    if len(origins) > 1 and not _is_folder(destination):
        command.stop("INVALID_ARGUMENT", "several sources need a target that holds them", hint="end it with a slash")
    return [_single(command, origin, destination) for origin in origins]


def _single(command: CommandContext, origin: Place, destination: Place) -> Pair:
    if isinstance(origin, Address) and origin.is_folder:
        command.stop("INVALID_ARGUMENT", f"{origin} names no object", hint="pass -r for all that is below it")
    if isinstance(origin, Path) and not origin.is_file():
        problem, hint = ("is a directory", "pass -r for all that is in it") if origin.is_dir() else ("is no file", None)
        command.stop("IO_ERROR", f"{origin} {problem}", hint=hint)
    if destination is None or not _is_folder(destination):
        return Pair(origin, destination)
    if origin is None:
        command.stop(
            "INVALID_ARGUMENT", f"standard input has no name to be kept in {destination}", hint="name the object"
        )
    name = PurePosixPath(origin.key).name if isinstance(origin, Address) else origin.name
    if isinstance(destination, Address):
        return Pair(origin, destination.child(name))
    return Pair(origin, _inside(command, destination, name))


def _is_folder(place: Place) -> bool:
    return place.is_folder if isinstance(place, Address) else place is not None and place.is_dir()


def _tree(command: CommandContext, origin: Place, destination: Place) -> Iterator[Pair]:
    """Return what is in the origin, each with its place in the destination."""
    if isinstance(origin, Address):
        for found in objects_below(command, origin):
            name = found["key"].removeprefix(origin.below) if found["key"] != origin.key else found["name"]
            source = Address(origin.bucket, found["key"])
            if isinstance(destination, Address):
                if name or destination.below:  # the marker of the folder itself has no place in a bucket's root
                    yield Pair(source, destination.child(name))
            elif isinstance(destination, Path) and not name.endswith("/") and name:
                yield Pair(source, _inside(command, destination, name))
    elif isinstance(origin, Path) and isinstance(destination, Address):
        if not origin.is_dir():
            command.stop("IO_ERROR", f"{origin} is no directory", hint="leave -r out for a single file")
        for path in sorted(origin.rglob("*")):
            if path.is_file():
                yield Pair(path, destination.child(path.relative_to(origin).as_posix()))
            elif not path.is_dir():
                command.warn(f"{path} is no file and is left out")


def _inside(command: CommandContext, directory: Path, name: str) -> Path:
    """Return the path of a file in a directory; a server's answer must not lead out of it."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        command.stop("SERVER_ERROR", f"the key {name!r} does not name a file inside of {directory}")
    return directory.joinpath(*path.parts)


def _task(
    server: StorageServer, uploader: Uploader, pair: Pair, content_type: str | None
) -> Callable[[], tuple[Pair, Stored]]:
    def run() -> tuple[Pair, Stored]:
        return pair, _transfer(server, uploader, pair, content_type)

    return run


def _transfer(server: StorageServer, uploader: Uploader, pair: Pair, content_type: str | None) -> Stored:
    from reactor_storage.cli.downloading import download, download_to_file

    source, target = pair.source, pair.target
    if isinstance(source, Address):
        if isinstance(target, Address):
            return _copy(server, source, target)
        if target is None:
            return download(server, source, sys.stdout.buffer, None)
        target.parent.mkdir(parents=True, exist_ok=True)
        return download_to_file(server, source, target)
    assert isinstance(target, Address)
    kind = content_type or _type_of(target.key)
    if source is None:
        return uploader.upload(sys.stdin.buffer, None, target, kind)
    with source.open("rb") as file:
        return uploader.upload(file, source.stat().st_size, target, kind)


def _type_of(name: str) -> str | None:
    """Return the type that a name tells; of what is packed, that of the package."""
    kind, encoding = mimetypes.guess_type(name)
    return kind if encoding is None else _PACKED.get(encoding, "application/octet-stream")


def _copy(server: StorageServer, source: Address, target: Address) -> Stored:
    """Copy on the server, which moves no byte."""
    body = {
        "bucketId": source.bucket,
        "sourceKey": source.key,
        "destinationBucket": target.bucket,
        "destinationKey": target.key,
    }
    headers = {"X-Upsert": "true", "Content-Type": "application/json"}
    made = server.send("POST", "/storage/v1/object/copy", headers=headers, content=json.dumps(body).encode()).json()
    return Stored(made["etag"], made["size"])


def _json(command: CommandContext, text: str) -> bytes:
    try:
        value: Any = json.loads(text)
    except ValueError as error:
        command.stop("JSON_ERROR", f"--metadata is not JSON: {error}")
    if not isinstance(value, dict):
        command.stop("JSON_ERROR", "--metadata must be a JSON object")
    return json.dumps(value).encode()


def _row(pair: Pair, stored: Stored) -> dict[str, Any]:
    return {"from": _shown(pair.source), "to": _shown(pair.target), "size": stored.size, "etag": stored.etag}


def _shown(place: Place) -> str:
    return "-" if place is None else str(place)
