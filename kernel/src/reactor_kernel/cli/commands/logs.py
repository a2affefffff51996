"""`reactor logs`: the server's recent log lines, or the log as it is written."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from reactor_kernel.cli.errors import INTERRUPTED
from reactor_kernel.cli.invocation import Invocation
from reactor_kernel.cli.output import printable

if TYPE_CHECKING:
    from reactor_kernel.cli.client import AdminClient
    from reactor_kernel.cli.output import Output

_PATH = "/_admin/logs"
_EVERYTHING = ("all", "server", "system")
_COLORS = {"error": "red", "critical": "red", "warning": "yellow", "warn": "yellow"}
_RECONNECTS = 5


@click.command("logs")
@click.argument("capability", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on with new lines; resumes where a connection broke.")
@click.option("--since", metavar="WHEN", help="A duration such as 30m, 1h, 2d, or an RFC 3339 time.")
@click.option("--level", metavar="LEVEL", help="Only lines of this level and above.")
@click.option(
    "--capability", "capabilities", metavar="NAME", multiple=True, help="Only this plugin's lines; repeatable."
)
@click.option("--limit", type=click.IntRange(1, 1000), help="How many lines; the server's default is 100.")
@click.pass_obj
def command(
    invocation: Invocation,
    capability: str | None,
    follow: bool,
    since: str | None,
    level: str | None,
    capabilities: tuple[str, ...],
    limit: int | None,
) -> int:
    """Show or follow the server's log.

    CAPABILITY is a plugin's name, or all, server or system for everything.
    """
    names = [*capabilities, *([capability] if capability is not None and capability not in _EVERYTHING else [])]
    given = {"capability": ",".join(names), "since": since, "level": level, "limit": str(limit) if limit else None}
    params = {key: value for key, value in given.items() if value}
    client = invocation.client()
    if follow:
        return _follow(invocation, client, params)
    lines: list[dict[str, Any]] = client.request("GET", _PATH, params=params)
    invocation.emit(
        lines, lambda: "\n".join(_human(invocation.out, line) for line in lines) if lines else "No log lines found."
    )
    return 0


def _follow(invocation: Invocation, client: AdminClient, params: dict[str, str]) -> int:
    """Write lines until Ctrl-C; reconnect with the id of the last line, and give up when the server stays away."""
    import httpx

    invocation.streaming = True
    last_id: str | None = None
    shown, failures = 0, 0
    interrupted = threading.Event()

    def interrupt(*_: object) -> None:
        # Raised inside a destructor the exception is swallowed; the event is what cannot get lost.
        interrupted.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        while not interrupted.is_set():
            headers = {"Last-Event-ID": last_id} if last_id is not None else {}
            try:
                with client.stream(_PATH, {**params, "follow": "1"}, headers) as lines:
                    for event in events(lines):
                        failures = 0
                        last_id = event.id if event.id is not None else last_id
                        shown += _show(invocation.out, event)
                        if interrupted.is_set():
                            raise KeyboardInterrupt
                broken: httpx.TransportError = httpx.RemoteProtocolError("the server closed the stream")
            except httpx.TransportError as error:
                broken = error
            failures += 1
            if failures > _RECONNECTS:
                raise client.unreachable(broken)
            invocation.out.debug(f"the stream broke ({broken}); connecting again")
            interrupted.wait(min(0.2 * 2**failures, 5.0))
    except KeyboardInterrupt:
        pass  # what follows is the answer to it
    finally:
        signal.signal(signal.SIGINT, before)
    invocation.out.end_stream({"lines": shown})
    return INTERRUPTED


def _show(out: Output, event: Event) -> int:
    if event.name == "lagged" and json.loads(event.data).get("restarted"):
        out.warn("the server was started again; what it logged before it ended may be missing here")
        return 0
    if event.name == "lagged":
        out.warn(f"{json.loads(event.data).get('dropped')} lines were lost because they were read too slowly")
        return 0
    if event.name != "log":
        return 0
    line = json.loads(event.data)
    out.line(line, _human(out, line))
    return 1


def _human(out: Output, line: dict[str, Any]) -> str:
    level = str(line.get("level", "")).lower()
    shown = printable(f"{level.upper():<5}")
    fields = " ".join(f"{key}={_short(value)}" for key, value in (line.get("fields") or {}).items())
    moment = str(line.get("timestamp", ""))[:19].replace("T", " ")
    rest = f"{line.get('capability') or '-'}: {line.get('message', '')}" + (f"  {fields}" if fields else "")
    return f"{printable(moment)} {out.style(shown, _COLORS[level]) if level in _COLORS else shown} {printable(rest)}"


def _short(value: object) -> str:
    return value if isinstance(value, str) and value and " " not in value else json.dumps(value, ensure_ascii=False)


@dataclass
class Event:
    """One server-sent event."""

    name: str = "message"
    data: str = ""
    id: str | None = None
    lines: list[str] = field(default_factory=list)


def events(lines: Iterator[str]) -> Iterator[Event]:
    """Read server-sent events (HTML Living Standard §9.2.6); comments and `retry` are skipped, half an event is dropped."""
    event = Event()
    for line in lines:
        if not line:
            if event.lines:
                event.data = "\n".join(event.lines)
                yield event
            event = Event()
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            event.name = value
        elif name == "data":
            event.lines.append(value)
        elif name == "id" and "\0" not in value:
            event.id = value
