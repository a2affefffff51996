"""A WSGI application in a thread, on a port of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from waitress.server import create_server


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an application; yield its base URL."""
    server = create_server(app, host="127.0.0.1", port=0, threads=4)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:

        def end() -> None:
            server.close()
            # The loop goes on for as long as a client keeps its connection.
            for channel in list(server.active_channels.values()):
                channel.handle_close()

        server.trigger.pull_trigger(end)
        thread.join(10)
        assert not thread.is_alive()
