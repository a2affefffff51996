"""Other servers of objects or files: nginx on files (what reading can cost at best), and living S3 servers of other makers."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import free_port, serving
from storage_client import Target

NGINX = """
daemon off; pid {root}/nginx.pid; error_log {root}/error.log; worker_processes {workers};
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type application/octet-stream;
  client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}/files; }}
}}
"""
# What its users start in their own tests.
S3RVER = """
const S3rver = require(process.argv[2]);
new S3rver({
  address: "127.0.0.1", port: Number(process.argv[3]), silent: true, directory: process.argv[4], resetOnClose: false,
  configureBuckets: [{ name: "bench", configs: [] }],
}).run();
"""


@contextmanager
def nginx(root: Path, sizes: list[int], workers: int) -> Iterator[tuple[Target, int]]:
    """Serve files of the sizes. It takes no uploads here."""
    files = root / "files" / "bench"
    files.mkdir(parents=True)
    for size in sizes:
        with (files / str(size)).open("wb") as file:
            for start in range(0, size, 1 << 20):
                file.write(os.urandom(min(1 << 20, size - start)))
    if os.geteuid() == 0:
        # Its workers are another account.
        for folder in (*root.parents, root):
            folder.chmod(folder.stat().st_mode | 0o055)
    port = free_port()
    config = root / "nginx.conf"
    config.write_text(NGINX.format(root=root, port=port, workers=workers))
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with serving([program, "-c", str(config), "-p", str(root)], port, f"/bench/{sizes[0]}", cwd=root) as (process, _):
        yield Target("nginx", f"http://127.0.0.1:{port}/bench"), process.pid


@contextmanager
def s3rver(root: Path, module: str) -> Iterator[tuple[Target, int]]:
    """Serve with s3rver (npm), from a directory that holds it."""
    port = free_port()
    script = root / "s3rver.cjs"
    script.write_text(S3RVER)
    (root / "contents").mkdir()
    command = ["node", str(script), str(Path(module) / "node_modules" / "s3rver"), str(port), str(root / "contents")]
    with serving(command, port, "/bench", cwd=root) as (process, _):
        endpoint = f"http://127.0.0.1:{port}"
        yield Target("s3rver", f"{endpoint}/bench", endpoint, keys=("S3RVER", "S3RVER")), process.pid


@contextmanager
def moto(root: Path) -> Iterator[tuple[Target, int]]:
    """Serve with moto's server, which keeps contents in memory."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with serving(command, port, "/moto-api/data.json", cwd=root) as (process, _):
        endpoint = f"http://127.0.0.1:{port}"
        yield Target("moto", f"{endpoint}/bench", endpoint), process.pid
