"""The configuration as it was written: file, environment and flags, each value with its origin."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from reactor_kernel.config import env
from reactor_kernel.config.nodes import (
    DEFAULT,
    Node,
    Origin,
    Scalar,
    Table,
    Text,
    find,
    from_plain,
    place,
    split_dotted,
)
from reactor_kernel.config.suggest import nearest
from reactor_kernel.errors import BootError, ExitCode, Fault

_LOG_FILTER = ("tracing", "filter")


class RawConfig:
    """One project's configuration before it is bound; nothing in it is shared between kernels.

    Attributes:
        root: the project's directory, which relative paths start from.
        path: the file that was read, or None for a deployment without one.
        environ: the environment it was loaded with, which `env:` references are followed in.
    """

    def __init__(
        self,
        *,
        root: Path,
        path: Path | None,
        file: Table,
        environ: Mapping[str, str],
        flags: Mapping[str, object],
    ) -> None:
        self.root = root
        self.path = path
        self._file = file
        self.environ: Mapping[str, str] = dict(environ)
        self._environ = {name: value for name, value in environ.items() if name.startswith(env.PREFIX)}
        self._nested = list(env.nested_keys(self._environ))
        self._flags = {tuple(map(str, split_dotted(name))): value for name, value in flags.items() if value is not None}
        self._aliases: dict[str, str] = {}
        self._known: dict[str, tuple[tuple[str, ...], ...]] = {}

    @property
    def section_names(self) -> tuple[str, ...]:
        """The sections that are present: those of the file in its order, then those the environment names."""
        names = [name for name, node in self._file.entries.items() if not isinstance(node, Scalar)]
        names += [self._aliases.get(path[0], path[0]) for _, path in self._nested]
        names += [path[0] for path in self._flags]
        return tuple(dict.fromkeys(names))

    def rename_sections(self, aliases: Mapping[str, str]) -> None:
        """Read each section named by a key of `aliases` as the section named by its value.

        Raises BootError where both spellings hold a value.
        """
        faults = []
        for spelling, name in aliases.items():
            if spelling == name:
                continue
            mine, other = self._file.entries.get(spelling), self._file.entries.get(name)
            if mine is not None and other is not None:
                faults.append(_both_spellings(spelling, name, mine.origin.where, other.origin.where))
            elif mine is not None:
                self._file.entries = {
                    name if key == spelling else key: node for key, node in self._file.entries.items()
                }
            variables = {path: variable for variable, path in self._nested}
            for path, variable in variables.items():
                twin = variables.get((name, *path[1:]))
                if path[0] == spelling and twin is not None:
                    faults.append(_both_spellings(spelling, name, f"environment {variable}", f"environment {twin}"))
            self._aliases[spelling] = name
        if faults:
            raise BootError(faults)

    def origin(self, key: str) -> Origin:
        """Tell where the value of a dotted key comes from; of a section alone, what makes it present.

        Variables with single underscores are counted once the section they belong to has been bound.
        """
        section, *rest = split_dotted(key)
        tree = self.section(str(section), self._known.get(str(section), ()))
        node = find(tree, rest) if tree is not None else None
        if not rest and isinstance(node, Table) and node.origin is DEFAULT:
            # A section without a header exists by the first key that something else sets in it.
            node = next(iter(node.entries.values()), node)
        return node.origin if node is not None else DEFAULT

    def is_optional(self, section: str) -> bool:
        """Tell whether a section says `optional = true`: its plugin may fail without stopping the boot."""
        tree = self.section(section, (("optional",),))
        node = tree.entries.get("optional") if isinstance(tree, Table) else None
        if not isinstance(node, Scalar):
            return False
        value = env.as_bool(node.value.raw) if isinstance(node.value, Text) else node.value
        return value is True

    def section(self, name: str, keys: Collection[tuple[str, ...]]) -> Node | None:
        """Merge the layers of one section: the file, then the environment, then flags; None where it is absent.

        `keys` are the keys the section knows, which is what makes the single-underscore variables readable.
        """
        self._known[name] = tuple(keys)
        written = self._file.entries.get(name)
        if written is not None and not isinstance(written, Table):
            return written
        tree = Table(written.origin, _copied(written)) if written is not None else Table(DEFAULT)
        present = written is not None
        for path, node in self._overlays(name, keys):
            place(tree, path, node)
            present = True
        return tree if present else None

    def unknown_keys(self) -> list[tuple[str, Origin]]:
        """Return the top-level keys of the file that stand outside of every section."""
        return [(key, node.origin) for key, node in self._file.entries.items() if isinstance(node, Scalar)]

    def misspelt_variables(self, sections: Mapping[str, Collection[tuple[str, ...]]]) -> Iterable[tuple[str, str]]:
        """Yield single-underscore variables that nearly name a key, with the right name of that key's variable."""
        for name, keys in sections.items():
            for spelling in (name, *(alias for alias, meant in self._aliases.items() if meant == name)):
                head = env.alias_name(spelling, ("",))
                spelt = {env.alias_name(spelling, key).removeprefix(head): key for key in keys}
                for variable in sorted(self._environ):
                    rest = variable.removeprefix(head)
                    if rest == variable or "__" in variable or rest in spelt or variable in env.UNRELATED:
                        continue
                    near = nearest(rest, spelt, cutoff=0.75)
                    if near is not None:
                        yield variable, env.variable_name(name, spelt[near])

    def _overlays(self, name: str, keys: Iterable[tuple[str, ...]]) -> Iterable[tuple[tuple[str, ...], Node]]:
        spellings = (name, *(spelling for spelling, meant in self._aliases.items() if meant == name))
        # The shallow keys last, so that `server.a_b` wins over `server.a.b` where both have one spelling.
        for key in sorted(keys, key=len, reverse=True):
            for spelling in spellings:
                variable = env.alias_name(spelling, key)
                if variable in self._environ and variable not in env.UNRELATED:
                    yield key, self._variable(variable)
        for variable, path in self._nested:
            if path[0] in spellings:
                yield path[1:], self._variable(variable)
        if name == _LOG_FILTER[0] and self._environ.get(env.LOG_VARIABLE):
            yield _LOG_FILTER[1:], self._variable(env.LOG_VARIABLE)
        for path, value in self._flags.items():
            if path[0] == name and len(path) > 1:
                yield path[1:], from_plain(value, Origin("flag", "command line"))

    def _variable(self, variable: str) -> Scalar:
        return Scalar(Text(self._environ[variable]), Origin("env", f"environment {variable}"))


def _copied(table: Table) -> dict[str, Node]:
    return {
        key: Table(node.origin, _copied(node)) if isinstance(node, Table) else node
        for key, node in table.entries.items()
    }


def _both_spellings(spelling: str, name: str, mine: str | None, other: str | None) -> Fault:
    return Fault(
        category="config",
        subject=spelling,
        message=f"is another spelling of {name}, which is set too ({other}); keep one of the two",
        where=mine,
        exit_code=ExitCode.CONFIG,
    )
