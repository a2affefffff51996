"""Where a sign-in is kept: an existing context, or one that it makes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from reactor_kernel.cli.contexts import Context, checked_endpoint, checked_name
from reactor_kernel.cli.errors import CliError
from reactor_kernel.cli.target import missing_context, resolve

if TYPE_CHECKING:
    from reactor_kernel.cli.invocation import Invocation

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def context_to_sign_in(invocation: Invocation) -> Context:
    """Return the context that a sign-in belongs to; it need not be stored yet.

    A name together with a URL makes a new context; a URL alone is that of a known context, or a new one is named after it.

    Raises:
        CliError, BootError: as `target.resolve` does.
    """
    flags, environ = invocation.flags, invocation.environ
    name = flags.context or (environ.get("REACTOR_CONTEXT") if flags.endpoint is None else None) or None
    if name is None:
        target = resolve(invocation)
        if target.context is not None:
            return target.context
        return Context(_fresh_name(invocation, target.endpoint, own=target.own), target.endpoint)
    source = "--context" if flags.context else "REACTOR_CONTEXT"
    endpoint = flags.endpoint or environ.get("REACTOR_URL") or None
    known = invocation.contexts.read().get(name)
    if endpoint is None:
        if known is None:
            raise missing_context(invocation, name, source)
        return known
    said_by = "--endpoint" if flags.endpoint else "REACTOR_URL"
    endpoint = checked_endpoint(endpoint, said_by)
    if known is None:
        return Context(checked_name(name), endpoint)
    if known.endpoint != endpoint:
        raise CliError(
            "INVALID_ARGUMENT",
            f"{said_by} says {endpoint}, but context {name} is {known.endpoint}",
            hint=f"name another context, or remove it first: reactor context remove {name}",
        )
    return known


def _fresh_name(invocation: Invocation, endpoint: str, *, own: bool) -> str:
    """Name a context after the project or the host, so that two servers on one machine do not share it."""
    host = urlsplit(endpoint).hostname or "server"
    wanted = invocation.project_name() if own else ""
    base = re.sub(r"[^A-Za-z0-9._-]+", "-", wanted).strip("-._")[:56] or ("local" if host in _LOOPBACK else host[:56])
    taken = set(invocation.contexts.read().names)
    names = (base if number == 1 else f"{base}-{number}" for number in range(1, len(taken) + 2))
    return checked_name(next(name for name in names if name not in taken))
