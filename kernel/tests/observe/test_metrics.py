"""§6.7: metrics of one kernel, each with one owner."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reactor_kernel.observe.metrics import Metrics, forget_dead_workers


def test_two_owners_of_a_metric_are_both_named() -> None:
    metrics = Metrics(version="1")
    metrics.for_plugin("shop").counter("reactor_tills", "Tills")
    metrics.for_plugin("rival").gauge("reactor_tills", "Tills")
    assert [str(fault) for fault in metrics.conflicts()] == [
        "conflict error: reactor_tills: metric 'reactor_tills' is contributed by both shop and rival\n"
        "  fix: rename it in one of the two, for instance reactor_rival_…"
    ]


def test_a_plugin_cannot_take_a_metric_of_the_kernel() -> None:
    metrics = Metrics(version="1")
    metrics.for_plugin("shop").gauge("reactor_db_pool_size", "Mine")
    [fault] = metrics.conflicts()
    assert "contributed by both kernel and shop" in fault.message


def test_asking_twice_returns_the_same_metric() -> None:
    own = Metrics(version="1").for_plugin("shop")
    assert own.counter("reactor_sales_total", "Sales") is own.counter("reactor_sales_total", "Sales")


def test_two_kernels_in_one_process_count_apart() -> None:
    one, two = Metrics(version="1"), Metrics(version="2")
    one.kernel.observe("shop", "GET", "200", 0.01)
    assert b'capability="shop"' in one.render()[0]
    assert b'capability="shop"' not in two.render()[0]


def test_gauges_are_set_just_before_a_scrape() -> None:
    metrics = Metrics(version="1")
    gauge = metrics.for_plugin("shop").gauge("reactor_shop_queue", "Waiting")
    metrics.before_scrape(lambda: gauge.set(7))
    assert b"reactor_shop_queue 7.0" in metrics.render()[0]


def test_the_99th_percentile_is_that_of_recent_requests() -> None:
    metrics = Metrics(version="1")
    for number in range(1, 101):
        metrics.kernel.observe("shop", "GET", "200", number / 1000)
    assert b"reactor_request_latency_p99 0.1\n" in metrics.render()[0]


def test_a_scrape_sums_all_workers(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import os
        from reactor_kernel.observe.metrics import Metrics

        metrics = Metrics(version="1")
        counter = metrics.for_plugin("shop").counter("reactor_sales_total", "Sales")
        for _ in range(3):
            pid = os.fork()
            if pid == 0:
                counter.inc(2)
                metrics.kernel.observe("shop", "GET", "200", 0.01)
                metrics.kernel.settle()  # as a worker does before it ends
                os._exit(0)
            os.waitpid(pid, 0)
        print(metrics.render()[0].decode())
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert "reactor_sales_total 6.0" in lines
    assert 'reactor_http_requests_total{capability="shop",method="GET",status="200"} 3.0' in lines


def test_a_dead_workers_number_that_somebody_elses_process_has_now_fails_no_scrape(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import os, shutil
        from reactor_kernel.observe.metrics import Metrics

        metrics = Metrics(version="1")
        metrics.render()
        shutil.copy(f"gauge_livesum_{os.getpid()}.db", "gauge_livesum_1.db")
        if os.geteuid() == 0:
            os.setuid(65534)  # from now on it may not signal process 1
        print(metrics.render()[0].decode())
        """
    )
    tmp_path.chmod(0o777)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": "."},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert 'reactor_server_info{version="1"} 1.0' in done.stdout


def test_two_scrapes_at_once_may_both_find_dead_workers(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(20)
    start = threading.Barrier(8)

    def scrape() -> None:
        start.wait(20)
        forget_dead_workers(str(tmp_path))

    for _ in range(20):
        for mode in ("livesum", "livemax", "liveall", "livemin", "livemostrecent"):
            (tmp_path / f"gauge_{mode}_{gone.pid}.db").touch()
        with ThreadPoolExecutor(8) as pool:
            scrapes = [pool.submit(scrape) for _ in range(8)]
        assert [done.exception() for done in scrapes] == [None] * 8
