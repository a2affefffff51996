"""The manifest."""

from __future__ import annotations

import subprocess
import sys

import pytest

from reactor_data.config import DataConfig

HEAVY = ("falcon", "sqlalchemy", "alembic", "psycopg", "reactor_data.assembly", "reactor_data.service", "reactor_auth")


def test_the_manifest_imports_nothing_heavy() -> None:
    script = f"import sys, reactor_data.plugin; print([name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({}, []),
        ({"user_schema": "a, b"}, []),
        ({"user_schema": "a,,b"}, [("user_schema", "'' is not a plain identifier")]),
        ({"pre_request": "a.b.c"}, [("pre_request", "'a.b.c' is not a function such as public.check_request")]),
        ({"role_claim": "$.."}, [("role_claim", "'$..' is not a path such as $.role or $.app_metadata.roles[0]")]),
        (
            {"user_schema": "_reactor_auth"},
            [("user_schema", "_reactor_auth belongs to the platform and cannot be exposed")],
        ),
        ({"schema_channel": "a b"}, [("schema_channel", "'a b' is not a plain identifier")]),
    ],
)
def test_configuration_that_cannot_work_is_named(values: dict[str, str], problems: list[tuple[str, str]]) -> None:
    assert list(DataConfig(**values).problems()) == problems  # type: ignore[arg-type]
