"""A small serve target, run as a process of its own by the tests of this folder."""

from __future__ import annotations

import argparse
import errno
import fcntl
import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs

from reactor_kernel.clock import SystemClock
from reactor_kernel.contributions import BackgroundService
from reactor_kernel.errors import BootError, ExitCode, Fault
from reactor_kernel.runtime.engines import GRANIAN, WAITRESS
from reactor_kernel.runtime.serve import bind, request_shutdown, run
from reactor_kernel.runtime.signals import interruptible
from reactor_kernel.runtime.supervisor import Pace, Supervisor

LOG = logging.getLogger("fake")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


LIMITS = {"/upload": 2 * 1024 * 1024, "/big": 8 * 1024 * 1024, "/unread": 8 * 1024 * 1024}


class FileLeader:
    """Leadership as a lock on a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.held: dict[str, int] = {}

    def acquire(self, task: str) -> bool:
        if task in self.held:
            return True
        descriptor = os.open(self.folder / f"{task}.lock", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self.held[task] = descriptor
        return True

    def is_leader(self, task: str) -> bool:
        return task in self.held

    def release(self, task: str) -> None:
        if task in self.held:
            os.close(self.held.pop(task))


class App:
    def __init__(self, target: Target) -> None:
        self.target = target

    def body_limit_for(self, method: str, path: str) -> int:
        return LIMITS.get(path, 2 * 1024 * 1024)

    def cross_origin_headers(self, path, origin):
        return []

    def __call__(self, environ, start_response):
        path, query = environ["PATH_INFO"], parse_qs(environ["QUERY_STRING"])
        if path == "/slow":
            LOG.info("slow request begins")
            time.sleep(float(query["secs"][0]))
            return self.answer(start_response, {"slept": query["secs"][0], "pid": os.getpid()})
        if path == "/unread":
            return self.answer(start_response, {"pid": os.getpid()}, "401 Unauthorized")
        if path in LIMITS:
            body = environ["wsgi.input"].read()
            return self.answer(start_response, {"received": len(body), "declared": environ.get("CONTENT_LENGTH")})
        if path == "/lines":
            return self.answer(start_response, {"lines": [line.decode() for line in environ["wsgi.input"]]})
        if path == "/stream":
            start_response("200 OK", [("Content-Type", "text/event-stream")])
            return self.stream(query.get("mark", [""])[0])
        if path == "/boom":
            raise RuntimeError("the secret is hunter2")
        if path == "/shutdown":
            request_shutdown()
            return self.answer(start_response, {"status": "accepted"})
        if path == "/environ":
            return self.answer(start_response, {key: value for key, value in environ.items() if isinstance(value, str)})
        return self.answer(start_response, {"pid": os.getpid(), "path": path, "draining": self.target.draining})

    def answer(self, start_response, document, status="200 OK"):
        body = json.dumps(document).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def stream(self, mark):
        try:
            while not self.target.draining:
                yield b"data: tick\n\n"
                time.sleep(0.05)
            yield b"event: shutdown\ndata: {}\n\n"
        finally:
            if mark:
                Path(mark).write_text("closed")


class Dropped:
    """Gets a signal where the interpreter drops what is raised."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0)


class Target:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.listener = bind("127.0.0.1", args.port)
        self.engine = {"waitress": WAITRESS, "granian": GRANIAN}[args.engine]
        self.workers = args.workers
        self.threads = args.threads
        self.drain_timeout = args.drain
        self.body_limit = 2 * 1024 * 1024
        self.draining = False
        self.supervisor: Supervisor | None = None

    def before_fork(self) -> None:
        assert threading.active_count() == 1

    def start_worker(self, index: int) -> App:
        if self.args.fail == "boot":
            raise BootError([Fault("boot", "no signing key", exit_code=ExitCode.SIGNING_KEY)])
        if self.args.fail == "segfault":
            os.kill(os.getpid(), 11)
        if self.args.leaders:
            folder = Path(self.args.leaders)

            def lead(stop) -> None:
                marker = folder / f"leading.{os.getpid()}"
                marker.touch()
                stop.wait()
                marker.unlink()

            self.supervisor = Supervisor(
                [("fake", BackgroundService("clock", lead, leader_only=True))],
                FileLeader(folder),
                SystemClock(),
                LOG,
                pace=Pace(acquire_every=0.2, check_leadership_every=0.1),
            )
            self.supervisor.start()
        return App(self)

    def drain(self, deadline: float) -> None:
        self.draining = True
        if self.supervisor is not None:
            self.supervisor.drain(deadline)

    def stop_worker(self) -> None:
        say(f"stopped {os.getpid()}")


def lack_processes(after: int, times: int) -> None:
    """Let the system refuse `times` forks after the first `after`."""
    fork, asked = os.fork, 0

    def scarce() -> int:
        nonlocal asked
        asked += 1
        if after < asked <= after + times:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return fork()

    os.fork = scarce


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", default="waitress")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--drain", type=float, default=10.0)
    parser.add_argument("--fail", default="")
    parser.add_argument("--leaders", default="")
    parser.add_argument("--early", choices=["dropped", "seen"])
    args = parser.parse_args()
    if args.fail == "fork":
        lack_processes(after=args.workers, times=2)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    try:
        target = Target(args)
    except BootError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    say(f"listening {target.listener.getsockname()[1]}")
    try:
        with interruptible():
            if args.early == "dropped":
                Dropped()
            elif args.early == "seen":
                os.kill(os.getpid(), signal.SIGINT)
            return run(target)
    except KeyboardInterrupt:
        say("interrupted")
        return 0
    except BootError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
