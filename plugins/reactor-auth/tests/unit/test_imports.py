"""The manifest imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "sqlalchemy",
    "falcon",
    "joserfc",
    "argon2",
    "cryptography",
    "email_validator",
    "alembic",
    "psycopg",
    "pyotp",
    "webauthn",
)


def loaded_after(code):
    script = f"import sys\n{code}\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()


def test_the_manifest_is_light():
    assert loaded_after("import reactor_auth.plugin") == []


def test_what_boot_needs_leaves_the_heaviest_out():
    code = "import reactor_auth.assembly, reactor_auth.openapi, reactor_auth.probes, reactor_auth.http.mounts"
    assert loaded_after(code) == []
