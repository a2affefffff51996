"""What reading the configuration does not import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
from pathlib import Path
from reactor_kernel.config.binder import bind
from reactor_kernel.config.early import vault_opener
from reactor_kernel.config.loader import load
from reactor_kernel.config.model import KERNEL_SECTIONS
from reactor_kernel.config.secrets import Resolver
raw = load(None, environ={}, flags={}, cwd=Path(sys.argv[1]))
bound = bind(raw, KERNEL_SECTIONS, Resolver(raw.environ, raw.root, vault_opener(raw)))
assert not bound.faults, bound.faults
heavy = ("falcon", "sqlalchemy", "cryptography", "alembic", "httpx", "rich", "click", "blake3", "difflib", "psycopg")
print([name for name in heavy if name in sys.modules])
"""


def test_reading_and_binding_imports_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "Reactor.toml").write_text(
        "[project]\nenv = 'dev'\n[admin]\ntoken = '0123456789abcdef0123456789abcdef'\n"
    )
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("[]\n", "", 0)
