"""Budgets of imports: what must not be loaded by when. Time is measured in bench/, never here."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from reactor_auth.plugin import AuthPlugin
from reactor_data.plugin import DataPlugin
from reactor_kernel.testing import KernelFactory, raw_config
from reactor_storage.plugin import StoragePlugin

STORAGE = {"signing_secret": "a secret that signs URLs"}
AUTH = {"data_key": "A" * 43 + "=", "public_url": "http://127.0.0.1:8000"}
TOOLS_ONLY = {
    "rich",
    "httpx",
    "pytest",
    "granian",
    "authlib",
    "email_validator",
    "alembic.autogenerate",
    "pyotp",
    "webauthn",
    "PIL",
    "boto3",
    "botocore",
}
HEAVY = {
    "falcon",
    "sqlalchemy",
    "alembic",
    "psycopg",
    "cryptography",
    "prometheus_client",
    "waitress",
    "argon2",
    "joserfc",
}
PLUGINS = {"reactor_auth", "reactor_data", "reactor_hello", "reactor_storage"}


def loaded(code: str, *arguments: str, cwd: Path | None = None) -> set[str]:
    """Run code in a fresh interpreter; return every module it has loaded at the end."""
    program = textwrap.dedent(code) + "\nimport json, sys\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


RUN_TOOL = """
    import sys
    from reactor_kernel.cli import main
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, ended.code
"""


def test_version_loads_next_to_nothing(tmp_path: Path) -> None:
    modules = loaded(RUN_TOOL, "--version", cwd=tmp_path)
    assert modules & (HEAVY | TOOLS_ONLY | PLUGINS) == set()
    assert modules & {"reactor_kernel.kernel", "reactor_kernel.api", "pluggy", "msgspec", "importlib_metadata"} == set()


@pytest.mark.parametrize("arguments", [["--help"], ["migrate", "--help"], ["up", "--help"]])
def test_help_loads_no_database_no_web_framework_and_no_plugin(tmp_path: Path, arguments: list[str]) -> None:
    modules = loaded(RUN_TOOL, *arguments, cwd=tmp_path)
    assert modules & (HEAVY | PLUGINS | {"httpx"}) == set()


def test_the_facade_costs_no_library(tmp_path: Path) -> None:
    modules = loaded("import reactor_kernel.api", cwd=tmp_path)
    assert modules & (HEAVY | TOOLS_ONLY) == set()


BOOT = """
    import sys
    from pathlib import Path
    from reactor_kernel.config.loader import load
    from reactor_kernel.kernel import Kernel, Stage
    root = Path(sys.argv[1])
    kernel = Kernel(load(None, environ={}, flags={}, cwd=root))
    kernel.boot(Stage[sys.argv[2]])
    kernel.close()
"""


def test_configuring_every_plugin_opens_nothing_and_loads_nothing_heavy(tmp_path: Path) -> None:
    raw_config(
        tmp_path, [AuthPlugin, DataPlugin, StoragePlugin], {"auth": AUTH, "storage": STORAGE}, database_url="embedded"
    )
    modules = loaded(BOOT, str(tmp_path), "CONFIGURED", cwd=tmp_path)
    assert modules & {"falcon", "sqlalchemy", "alembic", "psycopg", "waitress", "argon2", "joserfc"} == set()
    assert "reactor_auth.plugin" in modules


def test_a_boot_with_nothing_pending_does_not_even_import_alembic(
    tmp_path: Path, kernel_factory: KernelFactory
) -> None:
    first = kernel_factory(AuthPlugin, DataPlugin, StoragePlugin, config={"auth": AUTH, "storage": STORAGE})
    url = first.config.database.url
    first.close()
    raw_config(tmp_path, [AuthPlugin, DataPlugin, StoragePlugin], {"auth": AUTH, "storage": STORAGE}, database_url=url)
    modules = loaded(BOOT, str(tmp_path), "STARTED", cwd=tmp_path)
    assert {name for name in modules if name.partition(".")[0] == "alembic"} == set()
    assert modules & TOOLS_ONLY == set()
    assert "falcon" in modules, "the boot did build the application"


def test_a_plugin_without_a_section_is_not_imported(tmp_path: Path, kernel_factory: KernelFactory) -> None:
    raw_config(tmp_path, [AuthPlugin], {"auth": AUTH}, database_url=kernel_factory.empty_database_url())
    modules = loaded(BOOT, str(tmp_path), "STARTED", cwd=tmp_path)
    assert {
        name for name in modules if name.partition(".")[0] in {"reactor_data", "reactor_hello", "reactor_storage"}
    } == set()
