"""Serves a project with granian until it is killed: `node.py ROOT DATABASE_URL`; writes its port."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import SECRET, TrustingAuth

from reactor_kernel.kernel import Kernel
from reactor_kernel.runtime.engines import GRANIAN
from reactor_kernel.testing.project import raw_config
from reactor_kernel.testing.server import live
from reactor_storage.plugin import StoragePlugin


def main(root: str, database_url: str) -> None:
    plugins = [TrustingAuth, StoragePlugin]
    config = {"storage": {"signing_secret": SECRET, "fs_base_path": "files"}}
    kernel = Kernel(raw_config(Path(root), plugins, config, database_url=database_url), plugins=plugins)
    with live(kernel, engine=GRANIAN) as server:
        sys.stdout.write(f"{server.address[1]}\n")
        sys.stdout.flush()
        threading.Event().wait()


main(*sys.argv[1:])
