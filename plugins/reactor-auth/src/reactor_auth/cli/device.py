"""Signing in on another device: the device authorization grant (RFC 8628)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reactor_auth.cli.calls import PREFIX, call
from reactor_kernel.api import Access, CommandContext, CommandFailure

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_SLOWER_SECS = 5.0
_LONGEST_SECS = 3600.0
_UNREACHED = ("NETWORK_ERROR", "CONNECTION_REFUSED", "TIMEOUT")


def authorize(
    command: CommandContext,
    *,
    client_id: str,
    scopes: Sequence[str],
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> Any:
    """Show a code, wait until somebody has approved it, and return what the token endpoint said.

    Raises:
        CommandFailure: it was denied, it expired, or the server does not know this way.
    """
    started = call(
        command,
        "POST",
        f"{PREFIX}/device/code",
        form={"client_id": client_id, "scope": " ".join(scopes)},
        access=Access.PUBLIC,
    )
    device_code, user_code, url = (
        _text(command, started, key) for key in ("device_code", "user_code", "verification_uri")
    )
    command.note(f"Open {url} and enter the code {user_code}")
    complete = started.get("verification_uri_complete")
    if isinstance(complete, str):
        command.note(f"or open {complete}")
    interval = _seconds(started.get("interval"), 5.0)
    until = monotonic() + _seconds(started.get("expires_in"), 600.0)
    form = {"grant_type": GRANT, "client_id": client_id, "device_code": device_code}
    while True:
        if monotonic() >= until:
            command.stop("AUTH_FAILED", "the code has expired", hint="try again: reactor login --no-browser")
        sleep(interval)
        answer = _poll(command, form)
        if answer is None:  # the server could not be reached (RFC 8628 §3.5)
            interval = min(interval * 2 or 1.0, 60.0)
            continue
        error = answer.get("error")
        if error is None:
            return answer
        if error == "slow_down":
            interval += _SLOWER_SECS
        elif error != "authorization_pending":
            _refused(command, answer)


def _poll(command: CommandContext, form: Mapping[str, str]) -> dict[str, Any] | None:
    try:
        answer = command.request("POST", f"{PREFIX}/token", form=form, access=Access.PUBLIC, accept=(400,))
    except CommandFailure as failure:
        if failure.code in _UNREACHED:
            return None
        raise
    if not isinstance(answer, dict):
        command.stop("SERVER_ERROR", "the server's answer is no token answer", hint="is it a Reactor server?")
    return answer


def _refused(command: CommandContext, answer: Mapping[str, Any]) -> None:
    error = answer["error"]
    if isinstance(error, dict):  # the platform's envelope instead of RFC 6749's
        code, reason = str(error.get("code")), str(error.get("message"))
    else:
        code, reason = str(error), str(answer.get("error_description") or error)
    message = {"access_denied": "the sign-in was denied", "expired_token": "the code has expired"}.get(
        code, f"the server refused the sign-in: {reason}"
    )
    command.stop("AUTH_FAILED", message, hint="try again: reactor login --no-browser", details={"server_code": code})


def _text(command: CommandContext, answer: Any, key: str) -> str:
    value = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(value, str) or not value:
        command.stop("SERVER_ERROR", f"the server's answer has no {key}", hint="is it a Reactor server?")
    return value


def _seconds(value: object, default: float) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return min(max(0.0, float(value)), _LONGEST_SECS) if is_number else default  # type: ignore[arg-type]
