"""Reads a plugin's revision files without importing them or Alembic."""

from __future__ import annotations

import ast
import importlib.util
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reactor_kernel.errors import MigrationFailed

# Python 3.11 counts the depth of trees in one place for all threads and fails where two are made at once.
_PARSING = threading.Lock()


@dataclass(frozen=True, slots=True)
class History:
    """The revisions of one branch, oldest first."""

    directory: Path
    order: tuple[str, ...]
    parents: Mapping[str, tuple[str, ...]]
    heads: tuple[str, ...]

    def after(self, recorded: Collection[str]) -> list[str]:
        """Return the revisions that come after what the version table records."""
        done: set[str] = set()
        queue = list(recorded)
        while queue:
            revision = queue.pop()
            if revision not in done:
                done.add(revision)
                queue.extend(self.parents[revision])
        return [revision for revision in self.order if revision not in done]


def read_history(plugin: str, package: str) -> History:
    """Read the revisions in a package.

    Raises:
        MigrationFailed: a file is not a revision, a predecessor is missing, or there is not exactly one newest revision.
    """
    directory = _directory(plugin, package)
    parents: dict[str, tuple[str, ...]] = {}
    files: dict[str, str] = {}
    for file in sorted(directory.glob("*.py")):
        if file.name == "__init__.py":
            continue
        revision, down = _read(plugin, file)
        if revision in parents:
            raise _bad(plugin, f"{files[revision]} and {file.name} are both revision {revision}")
        parents[revision], files[revision] = down, file.name
    for revision, down in parents.items():
        for parent in down:
            if parent not in parents:
                raise _bad(plugin, f"{files[revision]} comes after revision {parent}, which does not exist")
    order = _ordered(plugin, parents)
    heads = tuple(sorted(set(parents) - {parent for down in parents.values() for parent in down}))
    if len(heads) > 1:
        named = " and ".join(f"{head} ({files[head]})" for head in heads)
        raise _bad(plugin, f"there are {len(heads)} newest revisions, {named}; let one come after the other")
    return History(directory, order, parents, heads)


def _directory(plugin: str, package: str) -> Path:
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise _bad(plugin, f"its migrations package {package} does not exist")
    return Path(spec.submodule_search_locations[0])


def _read(plugin: str, file: Path) -> tuple[str, tuple[str, ...]]:
    found: dict[str, object] = {}
    try:
        with _PARSING:
            tree = ast.parse(file.read_bytes(), filename=str(file))
    except SyntaxError as problem:
        raise _bad(plugin, f"{file.name} line {problem.lineno} is not Python: {problem.msg}") from problem
    for node in tree.body:
        targets: Sequence[ast.expr] = ()
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = (node.target,)
        for target in targets:
            if isinstance(target, ast.Name) and target.id in ("revision", "down_revision"):
                try:
                    found[target.id] = ast.literal_eval(node.value)  # type: ignore[attr-defined]
                except ValueError:
                    raise _bad(plugin, f"{target.id} in {file.name} must be written out as a literal") from None
    revision, down = found.get("revision"), found.get("down_revision")
    if not isinstance(revision, str) or not revision:
        raise _bad(plugin, f'{file.name} has no line revision = "…"')
    if "down_revision" not in found:
        raise _bad(plugin, f'{file.name} has no line down_revision = "…" (None for the first)')
    listed = (down,) if isinstance(down, str) else tuple(down) if isinstance(down, list | tuple) else ()
    if (down is not None and not listed) or not all(isinstance(parent, str) for parent in listed):
        raise _bad(plugin, f"down_revision in {file.name} must be a revision, a tuple of revisions or None")
    return revision, listed


def _ordered(plugin: str, parents: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    order: list[str] = []
    left = dict(parents)
    while left:
        ready = sorted(revision for revision, down in left.items() if not any(parent in left for parent in down))
        if not ready:
            raise _bad(plugin, f"revisions {', '.join(sorted(left))} come after each other in a circle")
        order.append(ready[0])
        del left[ready[0]]
    return tuple(order)


def _bad(plugin: str, reason: str) -> MigrationFailed:
    return MigrationFailed(
        f"plugin {plugin}: {reason}", details={"capability": plugin, "revision": None, "sql_error": None, "applied": []}
    )
