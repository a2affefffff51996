"""`reactor storage buckets`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from reactor_kernel.api import Access, CommandContext
from reactor_storage.cli.addresses import SCHEME, bucket_route

F = TypeVar("F", bound=Callable[..., Any])
_SHOWN = ("name", "id", "public", "file_size_limit", "allowed_mime_types", "versioning", "lifecycle", "created_at")


@click.group("buckets")
def buckets() -> None:
    """Buckets, by name or id."""


def _settings(function: F) -> F:
    """Add what may be said of a bucket."""
    for option in (
        click.option("--public/--private", "public", default=None, help="Whether anyone may read its objects."),
        click.option("--file-size-limit", metavar="BYTES", help="Of one object, such as 5MB; none lifts the limit."),
        click.option("--allow", "types", metavar="TYPE", multiple=True,
                     help="A type that it accepts, such as image/*; repeatable; any lifts the limit."),
        click.option("--versioning/--no-versioning", default=None, help="Whether earlier contents are kept."),
        click.option("--lifecycle", metavar="JSON",
                     help='Rules, such as [{"prefix": "tmp/", "expire_days": 7}].'),
    ):  # fmt: skip
        function = option(function)
    return function


def _fields(
    command: CommandContext,
    public: bool | None,
    file_size_limit: str | None,
    types: tuple[str, ...],
    versioning: bool | None,
    lifecycle: str | None,
) -> dict[str, Any]:
    """Return what was said, as the server is told it."""
    said: dict[str, Any] = {}
    if public is not None:
        said["public"] = public
    if file_size_limit is not None:
        said["file_size_limit"] = None if file_size_limit == "none" else _size(file_size_limit)
    if types:
        said["allowed_mime_types"] = None if types == ("any",) else list(types)
    if versioning is not None:
        said["versioning"] = versioning
    if lifecycle is not None:
        try:
            said["lifecycle"] = json.loads(lifecycle)
        except ValueError as error:
            command.stop("JSON_ERROR", f"--lifecycle is not JSON: {error}")
    return said


def _size(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text


@buckets.command("list")
@click.pass_obj
def list_(command: CommandContext) -> None:
    """List the organisation's buckets by name."""
    listed(command)


def listed(command: CommandContext) -> None:
    """Write the buckets."""
    rows = command.request("GET", "/storage/v1/buckets", access=Access.USER)["buckets"]
    command.emit(
        rows,
        lambda: command.table(
            ("name", "public", "limit", "types", "versioning"),
            [
                (row["name"], row["public"], row["file_size_limit"], ", ".join(row["allowed_mime_types"] or ()), row["versioning"])
                for row in rows
            ],
            empty="No buckets.",
        ),
    )  # fmt: skip


@buckets.command("show")
@click.argument("bucket")
@click.pass_obj
def show(command: CommandContext, bucket: str) -> None:
    """Show a bucket."""
    row = command.request("GET", bucket_route(_name(bucket)), access=Access.USER)
    command.emit(row, lambda: _facts(command, row))


@buckets.command("create")
@click.argument("bucket")
@_settings
@click.pass_obj
def create(command: CommandContext, /, bucket: str, **settings: Any) -> None:
    """Make a bucket.

    \b
    reactor storage buckets create avatars --public --file-size-limit 5MB --allow 'image/*'
    """
    body = {"name": _name(bucket), **_fields(command, **settings)}
    row = command.request("POST", "/storage/v1/buckets", body=body, access=Access.USER)
    command.emit(row, lambda: command.success(f"{row['name']} is made"))


@buckets.command("update")
@click.argument("bucket")
@_settings
@click.pass_obj
def update(command: CommandContext, /, bucket: str, **settings: Any) -> None:
    """Change a bucket; what is not said stays."""
    body = _fields(command, **settings)
    if not body:
        command.stop("MISSING_ARGUMENT", "there is nothing to change", hint="see the options with --help")
    row = command.request("PATCH", bucket_route(_name(bucket)), body=body, access=Access.USER)
    command.emit(row, lambda: _facts(command, row))


@buckets.command("delete")
@click.argument("bucket")
@click.option("--cascade", is_flag=True, help="With all objects and versions in it.")
@click.pass_obj
def delete(command: CommandContext, bucket: str, cascade: bool) -> None:
    """Delete a bucket, which must be empty unless --cascade says otherwise."""
    name = _name(bucket)
    command.confirm(f"deleting the bucket {name}" + (" with all that is in it" if cascade else ""))
    params = {"cascade": "true"} if cascade else None
    command.request("DELETE", bucket_route(name), params=params, access=Access.USER)
    command.emit({"deleted": name}, lambda: command.success(f"{name} is deleted"))


@buckets.command("apply")
@click.option("--dir", "directory", type=click.Path(path_type=Path, file_okay=False), default=Path("storage"),
              show_default=True, help="Where the files are.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only tell what would be changed.")
@click.pass_obj
def apply(command: CommandContext, directory: Path, dry_run: bool) -> None:
    """Make and change buckets as the files storage/NAME.toml say, in your organisation. None is removed."""
    from reactor_storage.bucket_files import FileFault, read_bucket_files

    try:
        declared = read_bucket_files(directory, str(directory))
    except FileFault as fault:
        command.stop("INVALID_MANIFEST", str(fault))
    if not declared:
        command.stop("MANIFEST_NOT_FOUND", f"there is no file in {directory}", hint="make storage/NAME.toml")
    import msgspec

    body = {"buckets": [msgspec.to_builtins({"name": one.name, **one.fields}) for one in declared]}
    params = {"dry_run": "true"} if dry_run else None
    found = command.request("POST", "/storage/v1/_admin/bucket-files", params=params, body=body, access=Access.USER)
    command.emit(found, lambda: _applied(found))


def _applied(found: dict[str, Any]) -> str:
    marks = {"create": "+", "update": "~", "same": "="}
    lines = []
    for one in found["buckets"]:
        lines.append(f"{marks[one['action']]} {one['name']}")
        for name, (before, after) in one["changes"].items():
            was = "" if one["action"] == "create" else f"{json.dumps(before)} → "
            lines.append(f"    {name}: {was}{json.dumps(after)}")
    lines += [f"? {name} has no file; it stays" for name in found["unlisted"]]
    if found["dry_run"]:
        lines.append("Nothing was changed.")
    return "\n".join(lines)


def _name(text: str) -> str:
    """Return the bucket that `avatars` or `storage://avatars` names."""
    return text.removeprefix(SCHEME).rstrip("/")


def _facts(command: CommandContext, row: dict[str, Any]) -> str:
    facts = [(name, json.dumps(row[name]) if isinstance(row[name], list) else row[name]) for name in _SHOWN]
    return command.table(("key", "value"), facts, empty="")
