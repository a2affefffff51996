"""The manifest and what the distribution says of itself."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from reactor_kernel.api import KERNEL_API
from reactor_kernel.hookspecs import ALL_SPECS
from reactor_plugin_conformance.subject import Subject, is_standard

_FACADE = ("reactor_kernel.api", "reactor_kernel.contracts", "reactor_kernel.testing")
_IMPORTS = """
import importlib, json, sys
import reactor_kernel.api
known = set(sys.modules)
module = importlib.import_module(sys.argv[1])
getattr(module, sys.argv[2])()
print(json.dumps(sorted(set(sys.modules) - known)))
"""


class ManifestChecks(Subject):
    """What can be known without booting."""

    def test_the_entry_point_names_this_class_and_its_distribution(self) -> None:
        found = list(importlib.metadata.entry_points(group="reactor.plugins", name=self.info.name))
        unique = {(point.value, point.dist.name if point.dist else "") for point in found}
        assert len(unique) == 1, f"one entry point of group reactor.plugins must be named {self.info.name!r}: {unique}"
        [point] = found[:1]
        assert point.load() is self.plugin, f"the entry point loads {point.value}, not {self.plugin!r}"
        assert point.dist is not None
        assert point.dist.version == self.info.version, (
            f"PluginInfo.version is {self.info.version}, the distribution's is {point.dist.version}"
        )
        expected = f"reactor-{self.info.name}".replace("_", "-")
        assert canonicalize_name(point.dist.name) == expected, f"the distribution must be named {expected}"
        assert self.package == f"reactor_{self.info.name}", f"the package must be named reactor_{self.info.name}"

    def test_it_bounds_the_kernel_and_no_sibling(self) -> None:
        own = importlib.metadata.distribution(f"reactor-{self.info.name}".replace("_", "-"))
        required = [Requirement(text) for text in own.requires or ()]
        plain = [need for need in required if need.marker is None or need.marker.evaluate({"extra": ""})]
        kernel = [need for need in plain if canonicalize_name(need.name) == "reactor-kernel"]
        assert kernel, "the distribution must depend on reactor-kernel"
        operators = {specifier.operator for need in kernel for specifier in need.specifier}
        assert operators & {"<", "<=", "~=", "=="}, "its range on reactor-kernel needs an upper bound, e.g. >=0.1,<0.2"
        plugins = {
            canonicalize_name(point.dist.name)
            for point in importlib.metadata.entry_points(group="reactor.plugins")
            if point.dist is not None
        }
        siblings = sorted(need.name for need in plain if canonicalize_name(need.name) in plugins)
        assert siblings == [], f"name other plugins in PluginInfo.requires, not as dependencies: {siblings}"

    def test_it_was_written_for_this_kernel_api(self) -> None:
        major, minor = self.info.api
        assert major == KERNEL_API[0], f"PluginInfo.api is {self.info.api}, the kernel offers {KERNEL_API}"
        assert minor <= KERNEL_API[1], f"PluginInfo.api is {self.info.api}, the kernel offers {KERNEL_API}"
        needed = sorted(plugin.info.name for plugin in self.requires)  # type: ignore[attr-defined]
        missing = sorted(set(self.info.requires) - set(needed))
        assert missing == [], f"`requires` of the test class lacks the plugins {missing}"

    def test_the_manifest_imports_nothing_heavy(self) -> None:
        command = [sys.executable, "-c", _IMPORTS, self.plugin.__module__, self.plugin.__qualname__]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        heavy = sorted(
            name
            for name in json.loads(done.stdout)
            if not is_standard(name) and name.partition(".")[0] not in (self.package, "reactor_kernel")
        )
        assert heavy == [], f"{self.plugin.__module__} imports {heavy}; import them in the function that needs them"

    def test_no_module_imports_another_plugin_or_the_kernels_inside(self) -> None:
        wrong = []
        for file in sorted(self.source.rglob("*.py")):
            for line, module in imports_of(file):
                top = module.partition(".")[0]
                foreign = top.startswith("reactor_") and top not in (self.package, "reactor_kernel")
                inside = top == "reactor_kernel" and not any(
                    module == part or module.startswith(f"{part}.") for part in _FACADE
                )
                if foreign or inside:
                    wrong.append(f"{file.relative_to(self.source)}:{line} imports {module}")
        assert wrong == [], "plugins import reactor_kernel.api, .contracts and .testing only:\n" + "\n".join(wrong)

    def test_every_hook_exists_and_is_marked(self) -> None:
        specs = [*ALL_SPECS, *self.declared("reactor_hookspecs")]
        for required in self.requires:
            declare = getattr(required(), "reactor_hookspecs", None)
            specs.extend([] if declare is None else declare())
        known = {name for spec in specs for name, _ in inspect.getmembers(spec, inspect.isfunction)}
        marked = {
            name
            for name, method in inspect.getmembers(self.plugin, callable)
            if getattr(method, "reactor_impl", None) is not None
        }
        assert sorted(marked - known) == [], "these hooks do not exist"
        forgotten = sorted(
            name for name, _ in inspect.getmembers(self.plugin, callable) if name in known and name not in marked
        )
        assert forgotten == [], "these methods are named like hooks but are not marked @hookimpl, so nobody calls them"

    def test_permissions_belong_to_it_and_are_explained(self) -> None:
        for permission in self.declared("reactor_permissions"):
            assert permission.name.startswith(f"{self.info.name}:"), (
                f"{permission.name} must start with {self.info.name}:, so that two plugins never share a permission"
            )
            assert permission.meaning.strip(), f"{permission.name} has no meaning"


def imports_of(file: Path) -> Iterator[tuple[int, str]]:
    """Yield every module a source file imports, with its line."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            # `from reactor_kernel import api` imports reactor_kernel.api.
            if node.module == "reactor_kernel":
                for alias in node.names:
                    yield node.lineno, f"reactor_kernel.{alias.name}"
            else:
                yield node.lineno, node.module
