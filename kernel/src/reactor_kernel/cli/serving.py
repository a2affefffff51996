"""What `reactor up` and `reactor serve` share: boot in the foreground, say when it serves, end with the server's exit code."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reactor_kernel.cli.errors import CliError, from_boot_error
from reactor_kernel.cli.invocation import Invocation
from reactor_kernel.cli.output import table
from reactor_kernel.cli.project import base_url, token_place
from reactor_kernel.errors import BootError, ExitCode, MigrationFailed

if TYPE_CHECKING:
    from reactor_kernel.config.loader import RawConfig
    from reactor_kernel.kernel import Kernel

_EXAMPLES = 3


def serve_project(invocation: Invocation, raw: RawConfig, *, screen: bool) -> int:
    """Serve until told to stop; return the server's exit code (contract kernel.md §2.5).

    With `screen` the start ends with what a person needs next, in JSON mode with one document on stdout.

    Raises:
        CliError: the server could not start; carries the server's exit code.
    """
    from reactor_kernel.kernel import Kernel
    from reactor_kernel.runtime.serve import bind
    from reactor_kernel.runtime.signals import interruptible
    from reactor_kernel.serving import prepare

    kernel = Kernel(raw)
    invocation.on_close(kernel.close)
    try:
        # Until the server's own handlers stand, being asked to stop must not leave an embedded Postgres behind.
        with interruptible():
            prepare(kernel)
            for warning in kernel.warnings:
                invocation.out.warn(warning)
            address = kernel.config.server.bind
            listener = bind(address.host, address.port)
            invocation.on_close(listener.close)
            # The system may have chosen the port, so the screen asks the socket.
            port: int = listener.getsockname()[1]
            url = base_url(address.host, port)
            return kernel.serve(
                listener=listener, on_ready=(lambda ready: _show(invocation, ready, url)) if screen else None
            )
    except KeyboardInterrupt:
        # Stopped while starting: Ctrl+C and SIGTERM are clean ends of a server (contract kernel.md §2.5).
        return ExitCode.OK
    except BootError as error:
        failure = from_boot_error(error, server=True)
        if not invocation.out.is_human:
            # Programs find the same in the document on stdout; whoever reads the journal finds it here.
            for line in failure.faults:
                invocation.out.note(line)
        raise failure from None
    except MigrationFailed as error:
        where = f"{error.details.get('capability', '?')}:{error.details.get('revision', '?')}"
        line = f"migration error: {where}: {error.message}"
        invocation.out.note(line)
        sql = error.details.get("sql_error")
        if sql and str(sql) not in error.message:
            invocation.out.note(f"  {sql}")
        raise CliError(
            "SERVER_ERROR",
            f"migration {where} failed: {error.message}",
            hint=error.error_hint,
            details={"server_code": error.error_code, **error.details},
            exit_code=error.exit_code,
        ) from None


def _show(invocation: Invocation, kernel: Kernel, url: str) -> None:
    """Write the start screen: where it serves, what is enabled, where the token is, what to try."""
    place, words = token_place(invocation, kernel.raw)
    examples = _examples(kernel, url, words)
    plugins = [
        {
            "name": plugin.name,
            "version": plugin.version,
            "state": plugin.state.value,
            "prefix": plugin.info.url_prefix if plugin.info else None,
            "boot_ms": round(plugin.boot_ms, 1),
            "error": plugin.error,
        }
        for plugin in kernel.plugins
    ]
    data = {"url": url, "project": kernel.project.name, "plugins": plugins, "admin_token": place, "examples": examples}
    invocation.emit(data, lambda: _screen(invocation, data))


def _screen(invocation: Invocation, data: Mapping[str, Any]) -> str:
    out = invocation.out
    rows = [(p["name"], p["version"], p["state"], p["prefix"], p["boot_ms"], p["error"]) for p in data["plugins"]]
    listed = table(
        ("plugin", "version", "state", "prefix", "boot ms", "error"),
        rows,
        empty="No plugins are enabled: install one (pip install reactor-…) and add its section to Reactor.toml.",
    )
    if not any(row[-1] for row in rows) and rows:
        listed = table(("plugin", "version", "state", "prefix", "boot ms"), [row[:-1] for row in rows], empty="")
    lines = [
        f"{data['project']} serves at {out.style(data['url'], 'green')}",
        "",
        listed,
        "",
        f"Admin token: {data['admin_token']}",
        "Try:",
        *(f"  {example}" for example in data["examples"]),
        "",
        "Press Ctrl+C to stop.",
    ]
    return "\n".join(lines)


def _examples(kernel: Kernel, url: str, token: str) -> list[str]:
    """Return three commands to paste: what the enabled plugins offer, in boot order, then the kernel's own."""
    from reactor_kernel.contributions import ConfigSection

    sections = kernel.hooks.collect("reactor_config_section", (ConfigSection,), lambda *_: None)
    offered = [example.replace("{url}", url) for _, section in sections for example in section.examples]
    own = [
        f"curl {shlex.quote(url + '/health')}",
        f'curl -H "Authorization: Bearer {token}" {shlex.quote(url + "/_admin/version")}',
        f"curl {shlex.quote(url + '/_api/openapi.json')}",
    ]
    return [*offered, *own][:_EXAMPLES]
