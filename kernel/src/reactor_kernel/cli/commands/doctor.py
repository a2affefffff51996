"""`reactor doctor`: look at the project, the server and everything the plugins can look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from reactor_kernel import __version__
from reactor_kernel.cli.errors import NETWORK, CliError
from reactor_kernel.cli.invocation import Invocation
from reactor_kernel.cli.output import printable
from reactor_kernel.errors import BootError

if TYPE_CHECKING:
    from reactor_kernel.cli.client import AdminClient
    from reactor_kernel.kernel import Kernel

_WORDS = {"ok": "healthy", "warn": "degraded", "fail": "unhealthy"}
_MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    name: str
    status: str
    details: str


@click.command("doctor")
@click.pass_obj
def command(invocation: Invocation) -> None:
    """Look whether everything works; exit 5 when something does not.

    A running server runs its own probes. Where none runs, they are run in this process on the project's database, which is
    left as it is: what is not migrated shows up as a failure.
    """
    checks = [Check("client", "ok", f"reactor {__version__}")]
    kernel = None
    if invocation.flags.endpoint is None or invocation.has_project():
        kernel = _manifest(invocation, checks)
    if invocation.flags.endpoint is not None or kernel is not None:
        client = invocation.client()
        if _server(invocation, client, checks):
            _server_probes(client, checks)
        elif kernel is not None and invocation.flags.endpoint is None:
            _own_probes(kernel, checks)
    _report(invocation, checks)


def _manifest(invocation: Invocation, checks: list[Check]) -> Kernel | None:
    from reactor_kernel.kernel import Kernel, Stage

    invocation.need_project()
    raw = invocation.raw()
    place = str(raw.path) if raw.path else "the environment"
    kernel = Kernel(raw)
    invocation.on_close(kernel.close)
    try:
        kernel.boot(Stage.BUILT)
    except BootError as error:
        checks.append(Check("manifest", "fail", "; ".join(str(fault).replace("\n  ", ", ") for fault in error.faults)))
        return None
    if kernel.warnings:
        checks.append(Check("manifest", "warn", "; ".join(kernel.warnings)))
    else:
        checks.append(Check("manifest", "ok", f"{place}: {len(kernel.enabled)} plugins"))
    return kernel


def _server(invocation: Invocation, client: AdminClient, checks: list[Check]) -> bool:
    """Ask the server for its health; tell whether there is one to ask for more."""
    try:
        health = client.request("GET", "/health", accept=(503,), retries=0)
    except CliError as error:
        if error.exit_code != NETWORK:
            checks.append(Check("server", "fail", error.message))
            return False
        if invocation.flags.endpoint is None:
            checks.append(Check("server", "warn", f"{error.message}; the probes run in this process"))
        else:
            checks.append(Check("server", "fail", error.message))
        return False
    if not isinstance(health, dict) or "status" not in health or "capabilities" not in health:
        checks.append(Check("server", "fail", f"what answers at {client.endpoint} is not a Reactor server"))
        return False
    sick = [f"{c['name']}: {c.get('error', 'unhealthy')}" for c in health["capabilities"] if c["status"] != "healthy"]
    if health["status"] == "healthy" and sick:
        checks.append(
            Check("server", "warn", f"healthy at {client.endpoint} without what is optional: {'; '.join(sick)}")
        )
    elif health["status"] == "healthy":
        checks.append(Check("server", "ok", f"healthy at {client.endpoint}"))
    else:
        checks.append(Check("server", "fail", f"{health['status']} at {client.endpoint}: {'; '.join(sick)}"))
    return True


def _server_probes(client: AdminClient, checks: list[Check]) -> None:
    try:
        version = str(client.request("GET", "/_admin/version")["version"])
        report = client.request("GET", "/_admin/doctor", accept=(207,))
    except CliError as error:
        hint = f"; {error.hint}" if error.hint else ""
        checks.append(Check("server_doctor", "fail", f"{error.message}{hint}"))
        return
    if version.split(".")[0] != __version__.split(".")[0]:
        checks[0] = Check("client", "warn", f"this tool is {__version__} and the server {version}")
    _add_probes(report["status"], report["capabilities"], checks)


def _own_probes(kernel: Kernel, checks: list[Check]) -> None:
    from reactor_kernel.kernel import Stage

    try:
        kernel.boot(Stage.DATABASE)
    except BootError as error:
        checks.append(Check("server_doctor", "fail", "; ".join(str(fault) for fault in error.faults)))
        return
    report = kernel.doctor()
    names = [plugin.name for plugin in kernel.enabled]
    _add_probes(report.status.value, report.capabilities(names), checks)


def _add_probes(status: str, capabilities: dict[str, Any], checks: list[Check]) -> None:
    count = 0
    for name, found in capabilities.items():
        probes = found.get("details") or {}
        count += len(probes)
        said = "; ".join(f"{probe}: {result.get('message', result.get('status'))}" for probe, result in probes.items())
        checks.append(Check(f"capability:{name}", found["status"], said or "nothing was looked at"))
    checks.append(Check("server_doctor", status, f"{count} probes"))


def _report(invocation: Invocation, checks: list[Check]) -> None:
    counts = {status: sum(check.status == status for check in checks) for status in _WORDS}
    data = {
        "checks": [{"name": check.name, "status": check.status, "details": check.details} for check in checks],
        "summary": {"total": len(checks), **counts},
        "capabilities": {
            check.name.removeprefix("capability:"): {"status": _WORDS[check.status]}
            for check in checks
            if check.name.startswith("capability:")
        },
    }
    if not counts["fail"]:
        invocation.emit(data, lambda: _human(invocation, checks, counts))
        return
    failed = [check.name for check in checks if check.status == "fail"]
    if invocation.out.is_human:
        invocation.emit(data, _human(invocation, checks, counts))
    raise CliError(
        "SERVER_ERROR", f"{counts['fail']} of {len(checks)} checks failed: {', '.join(failed)}", details=data
    )


def _human(invocation: Invocation, checks: list[Check], counts: dict[str, int]) -> str:
    lines = []
    for check in checks:
        mark, color = _MARKS[check.status]
        lines.append(f"{invocation.out.style(mark, color)} {check.name}: {printable(check.details)}")
    lines.append(f"{counts['ok']} ok, {counts['warn']} with a warning, {counts['fail']} failed")
    return "\n".join(lines)
