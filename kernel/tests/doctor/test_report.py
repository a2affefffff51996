"""Probes side by side, each with a time limit."""

from __future__ import annotations

import threading

from reactor_kernel.contributions import Probe, ProbeResult, Readiness
from reactor_kernel.doctor import run_probes


def probe(name: str, status: Readiness, message: str = "looked", **details: object) -> Probe:
    return Probe(name, lambda: ProbeResult(status, message, details))


def test_the_worst_verdict_is_the_verdict() -> None:
    ok, warn, fail = (probe(s.value, s) for s in (Readiness.OK, Readiness.WARN, Readiness.FAIL))
    assert run_probes([]).status is Readiness.OK
    assert run_probes([("a", ok)]).status is Readiness.OK
    assert run_probes([("a", ok), ("b", warn)]).status is Readiness.WARN
    assert run_probes([("a", fail), ("b", warn)]).status is Readiness.FAIL


def test_the_report_has_the_contracts_shape() -> None:
    report = run_probes(
        [
            ("database", probe("database", Readiness.OK, "Postgres 16.1 answers", connections=2)),
            ("shop", probe("till", Readiness.WARN, "is half full")),
            ("shop", probe("door", Readiness.OK, "is open")),
        ]
    )
    assert report.capabilities(["database", "shop", "quiet"]) == {
        "database": {
            "status": "ok",
            "details": {"database": {"status": "ok", "message": "Postgres 16.1 answers", "connections": 2}},
        },
        "shop": {
            "status": "warn",
            "details": {
                "till": {"status": "warn", "message": "is half full"},
                "door": {"status": "ok", "message": "is open"},
            },
        },
        "quiet": {
            "status": "warn",
            "details": {"none": {"status": "warn", "message": "brings no probe, so nothing was looked at"}},
        },
    }
    assert [{k: v for k, v in line.items() if k != "latency_ms"} for line in report.lines()] == [
        {"name": "database: database", "status": "ok", "message": "Postgres 16.1 answers"},
        {"name": "shop: till", "status": "warn", "message": "is half full"},
        {"name": "shop: door", "status": "ok", "message": "is open"},
    ]
    assert all(line["latency_ms"] >= 0 for line in report.lines())


def test_a_probe_that_raises_has_failed_and_says_why_without_secrets() -> None:
    def broken() -> ProbeResult:
        raise ConnectionError("no route to postgresql://shop:hunter2@db/shop")

    [check] = run_probes([("shop", Probe("till", broken))]).checks
    assert check.result.status is Readiness.FAIL
    assert check.result.message == "ConnectionError: no route to postgresql://shop:[redacted]@db/shop"


def test_probes_run_side_by_side_and_a_hanging_one_fails_alone() -> None:
    release, met = threading.Event(), threading.Barrier(2)

    def hangs() -> ProbeResult:
        release.wait(30)
        return ProbeResult(Readiness.OK, "late")

    def meets() -> ProbeResult:
        met.wait(5)
        return ProbeResult(Readiness.OK, "met")

    report = run_probes(
        [("a", Probe("hangs", hangs)), ("b", Probe("one", meets)), ("b", Probe("two", meets))], timeout=1.5
    )
    release.set()
    assert [(c.result.status, c.result.message) for c in report.checks] == [
        (Readiness.FAIL, "no answer within 1.5 s"),
        (Readiness.OK, "met"),
        (Readiness.OK, "met"),
    ]
