"""Reactor with auth, data and the no-op plugin, on a project directory.

With BENCH_RECORD=FILE the statements of the first request for the table BENCH_RECORD_MARK, without it of the first read of
`bench_items`, are written there as they went to Postgres, for pgbench to repeat.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from noop_plugin import NoopPlugin

from reactor_auth.plugin import AuthPlugin
from reactor_data.plugin import DataPlugin
from reactor_kernel.config.loader import load
from reactor_kernel.kernel import Kernel


def record_read(file: Path) -> None:
    """Write what one read sends to the database into a file."""
    from reactor_kernel.db.link import Link

    send = Link.send

    def recording(self: Link, commands: Any, *more: Any) -> Any:
        mark = os.environ.get("BENCH_RECORD_MARK")
        # Without a mark the first read is meant, and writes fill the table before it.
        wanted = [c for c in commands if f'"{mark or "bench_items"}"' in c.sql and (mark or " limit " in c.sql.lower())]
        if not file.exists() and wanted:
            plain = [{"sql": c.sql, "params": [None if p is None else p.decode() for p in c.params]} for c in commands]
            file.write_text(json.dumps(plain, indent=1))
        return send(self, commands, *more)

    Link.send = recording  # type: ignore[method-assign]


def main() -> int:
    """Serve until a signal."""
    root, port, engine, workers, threads = sys.argv[1:]
    if record := os.environ.pop("BENCH_RECORD", None):
        record_read(Path(record))
    flags = {
        "server.bind": f"127.0.0.1:{port}",
        "server.engine": engine,
        "server.workers": int(workers),
        "server.threads": int(threads),
    }
    raw = load(Path(root) / "Reactor.toml", environ=dict(os.environ), flags=flags, cwd=Path(root))
    return Kernel(raw, plugins=[AuthPlugin, DataPlugin, NoopPlugin]).serve()


if __name__ == "__main__":
    raise SystemExit(main())
