"""A TCP proxy between the backend and its S3 that fails as a network does."""

from __future__ import annotations

import contextlib
import socket
import threading


class FaultProxy:
    """Passes everything on until told otherwise; `url` stands for the server behind it.

    Attributes:
        down: connections are closed as soon as they are made.
        silent: requests are taken and never answered.
    """

    def __init__(self, port: int) -> None:
        self._behind = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._cuts: list[tuple[str, int]] = []
        self._lost: list[bytes] = []
        self._spoiled: int | None = None
        self.down = self.silent = self._then_down = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, direction: str, after: int, times: int = 1, *, then_down: bool = False) -> None:
        """Break the next connections that carry more than some bytes "up" to the server or "down" from it."""
        with self._lock:
            self._cuts = [(direction, after)] * times
            self._then_down = then_down
        self._break_all()

    def spoil(self, after: int) -> None:
        """Change one byte behind the first ones that the next connection carries up."""
        with self._lock:
            self._spoiled = after
        self._break_all()

    def lose_answer_to(self, beginning: bytes) -> None:
        """Carry out the next request that begins so, and break the connection instead of passing the answer on."""
        with self._lock:
            self._lost.append(beginning)

    def mend(self) -> None:
        """Pass everything on again."""
        with self._lock:
            self._cuts, self._lost, self.down, self.silent, self._then_down = [], [], False, False, False
        self._break_all()

    def fail(self, how: str) -> None:
        """Be `down` or `silent`, for open connections as well."""
        setattr(self, how, True)
        self._break_all()

    def stop(self) -> None:
        self._listener.close()
        self._break_all()

    def _break_all(self) -> None:
        with self._lock:
            found = list(self._open)
        for one in found:
            _end(one)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(client)
            if self.down:
                _end(client)
                continue
            server = socket.create_connection(self._behind)
            with self._lock:
                self._open.add(server)
            losing = threading.Event()
            for direction, source, target in (("up", client, server), ("down", server, client)):
                pump = (direction, source, target, losing)
                threading.Thread(target=self._pump, args=pump, daemon=True).start()

    def _pump(self, direction: str, source: socket.socket, target: socket.socket, losing: threading.Event) -> None:
        carried = 0
        with contextlib.suppress(OSError):
            while piece := source.recv(64 * 1024):
                if self.silent:
                    continue
                if direction == "up" and self._loses(piece):
                    losing.set()
                if direction == "down" and losing.is_set():
                    break
                carried += len(piece)
                if self._cuts_now(direction, carried):
                    break
                target.sendall(self._spoil(piece, carried) if direction == "up" else piece)
        _end(source)
        _end(target)
        with self._lock:
            self._open -= {source, target}

    def _loses(self, piece: bytes) -> bool:
        with self._lock:
            found = next((one for one in self._lost if piece.startswith(one)), None)
            if found is not None:
                self._lost.remove(found)
            return found is not None

    def _spoil(self, piece: bytes, carried: int) -> bytes:
        with self._lock:
            if self._spoiled is None or carried <= self._spoiled:
                return piece
            self._spoiled = None
            return piece[:-1] + bytes([piece[-1] ^ 1])

    def _cuts_now(self, direction: str, carried: int) -> bool:
        with self._lock:
            if self._cuts and self._cuts[0][0] == direction and carried > self._cuts[0][1]:
                self._cuts.pop()
                self.down = self._then_down and not self._cuts
                return True
            return False


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
