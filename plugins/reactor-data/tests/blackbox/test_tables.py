"""Every case of `tables/*.http` over HTTP, as a test of its own; table.py says how they are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .table import Case, differences, read_tables

CASES = read_tables(Path(__file__).parent / "tables")


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_the_answer_is_the_one_in_the_table(case: Case, archive: Callable[[dict[str, Any]], Any]) -> None:
    served = archive(case.settings)
    try:
        for one in case.exchanges:
            headers = {name: value for name, value in one.headers.items() if name != "As"}
            answer = served.ask(one.caller, one.method, one.path, one.content, headers)
            wrong = differences(one, answer.status_code, answer.headers, answer.text)
            assert not wrong, "\n".join([f"line {one.line}: {one.method} {one.path}", *wrong])
    finally:
        if case.writes:
            served.refill()
