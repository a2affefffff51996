"""Every code block that claims to be a slice of a file is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"<!-- slice of (?P<path>\S+) -->\n```\w+\n(?P<code>.*?)```", re.DOTALL)
SLICES = [
    pytest.param(document, found["path"], found["code"], id=f"{document.name}:{index}")
    for document in sorted((ROOT / "docs").glob("*.md"))
    for index, found in enumerate(BLOCK.finditer(document.read_text()))
]


def test_the_plugin_guide_shows_code() -> None:
    assert len(SLICES) >= 10


@pytest.mark.parametrize(("document", "path", "code"), SLICES)
def test_a_block_is_a_slice_of_its_file(document: Path, path: str, code: str) -> None:
    assert code.rstrip() in (ROOT / path).read_text(), f"{document.name} shows code that {path} no longer has"


def test_every_link_between_documents_leads_somewhere() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"
