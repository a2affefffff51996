"""Runs probes side by side, each with a time limit, and sums them up."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reactor_kernel.contributions import Probe, ProbeResult, Readiness
from reactor_kernel.observe.redact import redact_text

NOT_LOOKED_AT = "brings no probe, so nothing was looked at"
"""Why a capability's verdict is a warning: an ok has to be earned by looking."""

_WORST = (Readiness.OK, Readiness.WARN, Readiness.FAIL)


@dataclass(frozen=True, slots=True)
class Check:
    """One probe's verdict and how long it took."""

    plugin: str
    name: str
    result: ProbeResult
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """Every check of a doctor run."""

    checks: Sequence[Check]

    @property
    def status(self) -> Readiness:
        """The worst verdict; ok when there was nothing to check."""
        return max((check.result.status for check in self.checks), key=_WORST.index, default=Readiness.OK)

    def capabilities(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the worst verdict for each name, with each probe's message and details."""
        summary: dict[str, dict[str, Any]] = {}
        for name in dict.fromkeys([*names, *(check.plugin for check in self.checks)]):
            own = [check for check in self.checks if check.plugin == name]
            found = {check.name: check.result for check in own} or {"none": ProbeResult(Readiness.WARN, NOT_LOOKED_AT)}
            worst = max((result.status for result in found.values()), key=_WORST.index)
            summary[name] = {
                "status": worst.value,
                "details": {
                    probe: {"status": result.status.value, "message": result.message, **result.details}
                    for probe, result in found.items()
                },
            }
        return summary

    def lines(self) -> list[dict[str, Any]]:
        """Return each check as a flat object."""
        return [
            {
                "name": f"{check.plugin}: {check.name}",
                "status": check.result.status.value,
                "message": check.result.message,
                "latency_ms": round(check.latency_ms, 1),
            }
            for check in self.checks
        ]


def run_probes(probes: Sequence[tuple[str, Probe]], *, timeout: float = 10) -> Report:
    """Run every probe at once; an exception or no answer within `timeout` seconds is a failure."""
    if not probes:
        return Report(())
    verdicts: list[tuple[ProbeResult, float] | None] = [None] * len(probes)

    def run(number: int, probe: Probe) -> None:
        verdicts[number] = _timed(probe)

    # Daemons: a probe that hangs must not keep a process from ending, as an executor's thread would.
    threads = [
        threading.Thread(target=run, args=(number, probe), name=f"doctor-{plugin}", daemon=True)
        for number, (plugin, probe) in enumerate(probes)
    ]
    for thread in threads:
        thread.start()
    until = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    late = ProbeResult(Readiness.FAIL, f"no answer within {timeout:g} s"), timeout * 1000
    return Report(
        [Check(plugin, probe.name, *(verdict or late)) for (plugin, probe), verdict in zip(probes, list(verdicts))]
    )


def _timed(probe: Probe) -> tuple[ProbeResult, float]:
    started = time.monotonic()
    try:
        result = probe.check()
    except Exception as exc:  # noqa: BLE001 - a probe that raises has found a fault; it becomes the verdict
        result = ProbeResult(Readiness.FAIL, redact_text(f"{type(exc).__name__}: {exc}"))
    return result, (time.monotonic() - started) * 1000
