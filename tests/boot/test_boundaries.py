"""Who may know whom: the kernel no capability, no plugin another."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KERNEL = ROOT / "kernel" / "src" / "reactor_kernel"
CAPABILITIES = {"auth", "data", "storage", "functions", "jobs", "sites", "llm", "connectors"}
# "data" is an English word that the kernel needs for other things; the others are capabilities wherever they are quoted.
NAMES = CAPABILITIES - {"data"}


def sources(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    for file in sorted(folder.rglob("*.py")):
        if "files" not in file.relative_to(folder).parts[:-1]:  # templates of the scaffold
            yield file, ast.parse(file.read_text(encoding="utf-8"), str(file))


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def test_the_kernel_imports_no_plugin() -> None:
    found = [
        f"{file.relative_to(ROOT)} imports {module}"
        for file, tree in sources(KERNEL)
        for module in imported(tree)
        if module.partition(".")[0].startswith("reactor_") and module.partition(".")[0] != "reactor_kernel"
    ]
    assert found == []


def test_the_kernel_quotes_no_capability_by_name() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.value!r}"
        for file, tree in sources(KERNEL)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in NAMES
    ]
    assert found == []


@pytest.mark.parametrize(
    "folder", sorted(p.parent for p in ROOT.glob("plugins/*/pyproject.toml")), ids=lambda p: p.name
)
def test_a_plugin_imports_of_reactor_only_the_facade(folder: Path) -> None:
    own = folder.name.replace("-", "_")
    allowed = ("reactor_kernel.api", "reactor_kernel.contracts", "reactor_kernel.testing")
    if own == "reactor_plugin_conformance":
        pytest.skip("a kit for tests, not a plugin: it boots kernels")
    found = [
        f"{file.relative_to(ROOT)} imports {module}"
        for file, tree in sources(folder / "src")
        for module in imported(tree)
        if module.startswith("reactor_")
        and module.partition(".")[0] != own
        and not any(module == part or module.startswith(f"{part}.") for part in allowed)
    ]
    assert found == []
