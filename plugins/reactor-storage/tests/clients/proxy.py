"""A TCP proxy that cuts connections amid what a client sends."""

from __future__ import annotations

import contextlib
import socket
import threading


class CuttingProxy:
    """Hands on to an address. Each number of `cuts` ends a connection once so many bytes more have passed."""

    def __init__(self, address: tuple[str, int], cuts: list[int]) -> None:
        self._address = address
        self._left = list(cuts)
        self._lock = threading.Lock()
        self._passed = 0
        self.done = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._address)
                for source, target, counted in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pump, args=(source, target, counted), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):  # the other direction was cut
            while block := source.recv(65536):
                target.sendall(block)
                if counted and self._is_cut(len(block)):
                    break
            for one in (source, target):
                one.shutdown(socket.SHUT_RDWR)

    def _is_cut(self, size: int) -> bool:
        with self._lock:
            self._passed += size
            if self._left and self._passed >= self._left[0]:
                self._left.pop(0)
                self._passed = 0
                self.done += 1
                return True
        return False
