"""Where several workers keep their metrics, so that a scrape of one shows all."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


class SharedMetrics:
    """A directory that lives as long as the master; made before prometheus_client is imported."""

    def __init__(self) -> None:
        if "prometheus_client" in sys.modules and VARIABLE not in os.environ:
            raise RuntimeError("prometheus_client was imported before several workers were asked for")
        self._own = None if VARIABLE in os.environ else tempfile.mkdtemp(prefix="reactor-metrics-")
        self._owner = os.getpid()
        if self._own is not None:
            os.environ[VARIABLE] = self._own

    def close(self) -> None:
        """Remove the directory, in the process that made it."""
        if self._own is not None and os.getpid() == self._owner:
            shutil.rmtree(self._own, ignore_errors=True)
            if os.environ.get(VARIABLE) == self._own:
                del os.environ[VARIABLE]
            self._own = None
