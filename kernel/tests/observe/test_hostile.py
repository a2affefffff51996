"""Logs, metrics and probes under hostile input."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import threading
from typing import Any

import pytest

from reactor_kernel.config.model import TracingConfig
from reactor_kernel.config.values import parse_log_filter
from reactor_kernel.contributions import Probe, ProbeResult, Readiness
from reactor_kernel.doctor import run_probes
from reactor_kernel.observe.logs import LogRing, configure_logging
from reactor_kernel.observe.metrics import Metrics


@pytest.fixture
def output() -> Any:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logging(TracingConfig(fmt="json"), ring=LogRing(size=1 << 20), stream=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


def test_a_logger_made_after_configuring_is_heard(output: io.StringIO) -> None:
    """Plugins' loggers are made while their contexts are, which may be later."""
    logging.getLogger("reactor_latecomer").info("hello")
    assert "hello" in output.getvalue()


def test_the_filter_speaks_per_target(output: io.StringIO) -> None:
    only = TracingConfig(fmt="json", filter=parse_log_filter("warn,reactor_kernel.chatty=debug"))
    configure_logging(only, ring=LogRing(size=1 << 20), stream=output)
    logging.getLogger("reactor_kernel.chatty").debug("kept")
    assert "kept" in output.getvalue()


def test_a_message_that_cannot_be_formatted_harms_nobody(output: io.StringIO) -> None:
    # pytest's own handlers raise for such a record, and would stand in for ours.
    logging.root.handlers[:] = [handler for handler in logging.root.handlers if type(handler).__name__ == "_Output"]
    logging.getLogger("reactor_kernel").info("%d tills", "three")
    assert "%d tills" in output.getvalue()


def test_a_lone_surrogate_is_logged_all_the_same(output: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("reactor_kernel").info("file \udcff", extra={"token": "hunter2"})
    assert json.loads(output.getvalue())["message"].startswith("file ")
    assert "hunter2" not in capsys.readouterr().err


def test_a_line_too_long_for_the_ring_stays_readable(output: io.StringIO) -> None:
    ring = LogRing(size=40_000)
    configure_logging(TracingConfig(fmt="json"), ring=ring, stream=output)
    logging.getLogger("reactor_kernel").info("x" * 50_000, extra={"more": "y" * 50_000})
    _, [(_, stored)], _ = ring.read(ring.start())
    line = json.loads(stored)
    assert line["message"] == "x" * 1250
    assert line["fields"]["cut"].startswith("the line had 100")


def test_a_librarys_chatter_is_kept_to_warnings(output: io.StringIO) -> None:
    logging.getLogger("somebodys_library").info("chatter")
    logging.getLogger("somebodys_library").warning("trouble")
    assert [json.loads(text)["message"] for text in output.getvalue().splitlines()] == ["trouble"]


def test_a_value_that_holds_itself_harms_nobody(output: io.StringIO) -> None:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    logging.getLogger("reactor_kernel").info("loop", extra={"loop": loop})
    assert "loop" in output.getvalue()


def test_a_plugin_that_asks_for_its_registry_twice_gets_its_metric() -> None:
    metrics = Metrics(version="1")
    first = metrics.for_plugin("shop").counter("reactor_sales_total", "Sales")
    assert metrics.for_plugin("shop").counter("reactor_sales_total", "Sales") is first


def test_a_probe_that_hangs_does_not_keep_the_process_alive() -> None:
    release = threading.Event()

    def hangs() -> ProbeResult:
        release.wait(30)
        return ProbeResult(Readiness.OK, "late")

    try:
        run_probes([("shop", Probe("till", hangs))], timeout=0.1)
        assert all(t.daemon for t in threading.enumerate() if t.name.startswith("doctor"))
    finally:
        release.set()


def test_a_worker_killed_in_the_middle_of_a_line_harms_nobody() -> None:
    """The line is written over the oldest ones before the header says that these are gone."""
    ring = LogRing(size=4000)
    for _ in range(12):
        ring.append(b"x" * 300)
    pid = os.fork()
    if pid == 0:
        try:
            write = ring._put

            def write_and_die(position: int, data: bytes) -> None:
                write(position, data)
                os.kill(os.getpid(), signal.SIGKILL)

            ring._put = write_and_die  # type: ignore[method-assign]
            ring.append(b"y" * 900)
        finally:
            os._exit(1)
    os.waitpid(pid, 0)
    _, lines, _ = ring.read(ring.start())
    assert all(line == b"x" * 300 for _, line in lines)
