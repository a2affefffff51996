"""Turns mounts into routes with rules, and finds what is wrong with them before anything is served."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from falcon.constants import COMBINED_METHODS

from reactor_kernel.contributions import Access, ErrorDialect, Mount
from reactor_kernel.errors import Fault
from reactor_kernel.http.parts import HttpParts

KERNEL_PREFIXES = ("/health", "/metrics", "/_api", "/_admin")
_PARAMETER = re.compile(r"\{([a-z_]+)(:[^}]*)?\}")
_SHAPE = re.compile(r"\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may call one method of a route, and within which limits."""

    access: Access
    permission: str | None
    body_limit: int
    timeout: float
    stream: bool


@dataclass(frozen=True, slots=True)
class Route:
    """One mounted path with a rule for each method it answers."""

    owner: str
    path: str
    rules: dict[str, Rule]
    prefix: str
    dialect: ErrorDialect | None = None
    exposes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteInfo:
    """A line of `reactor routes`."""

    method: str
    path: str
    access: Access
    permission: str | None
    plugin: str


def documented_path(path: str) -> str:
    """A URI template as OpenAPI writes it: without converters."""
    return _PARAMETER.sub(r"{\1}", path)


def methods_of(mount: Mount) -> list[str]:
    """The HTTP methods a mount's resource answers."""
    # All that Falcon routes, COPY and MOVE of WebDAV among them: a method without a rule would be answered unchecked.
    suffix = f"_{mount.suffix}" if mount.suffix else ""
    return [
        method for method in COMBINED_METHODS if callable(getattr(mount.resource, f"on_{method.lower()}{suffix}", None))
    ]


def make_routes(parts: HttpParts) -> tuple[list[tuple[Mount, Route]], list[Fault]]:
    """Return each mount with its route, and every fault: conflicts, foreign prefixes, nothing to answer."""
    faults = _overlapping_prefixes(parts)
    owners: dict[str, tuple[str, str]] = {}
    routes = []
    for owner, mount in parts.mounts:
        shape = _SHAPE.sub("{}", mount.path)
        if shape in owners:
            first, path = owners[shape]
            faults.append(
                _fault(owner, parts, mount.path, f"is mounted by both {first} ({path}) and {owner} ({mount.path})")
            )
            continue
        owners[shape] = (owner, mount.path)
        prefix = _prefix(owner, mount, parts, faults)
        answers = methods_of(mount)
        if not answers:
            suffix = f" with suffix {mount.suffix!r}" if mount.suffix else ""
            kind = type(mount.resource).__name__
            faults.append(
                _fault(owner, parts, mount.path, f"{kind} answers no method{suffix}: it has no on_get, on_post, …")
            )
        for method in mount.methods:
            if method not in answers:
                faults.append(
                    _fault(owner, parts, mount.path, f"has a rule for {method}, which its resource does not answer")
                )
        rules = {method: _rule(mount, method, parts) for method in answers}
        for method, rule in rules.items():
            if rule.access is Access.OPERATOR and rule.permission is None:
                faults.append(_fault(owner, parts, mount.path, f"{method} is for operators but names no permission"))
            if rule.permission is not None and rule.access in (Access.PUBLIC, Access.ADMIN, Access.ADMIN_OR_SERVICE):
                faults.append(
                    _fault(
                        owner,
                        parts,
                        mount.path,
                        f"{method} names a permission, which {rule.access.name} callers do not have",
                    )
                )
        routes.append((mount, Route(owner, mount.path, rules, prefix, mount.dialect, tuple(mount.exposes))))
    for owner, _ in parts.fallback[1:]:
        first = parts.fallback[0][0]
        faults.append(
            _fault(owner, parts, "fallback", f"both {first} and {owner} bring a fallback for unmatched requests")
        )
    return routes, faults


def _rule(mount: Mount, method: str, parts: HttpParts) -> Rule:
    own = mount.methods.get(method)

    def pick(name: str, default: object) -> object:
        special = getattr(own, name) if own is not None else None
        if special is not None:
            return special
        general = getattr(mount, name)
        return general if general is not None else default

    access = pick("access", None)
    assert isinstance(access, Access)
    if method == "OPTIONS" and (own is None or own.access is None):
        access = Access.PUBLIC
    permission = pick("permission", None) if access is not Access.PUBLIC else (own.permission if own else None)
    return Rule(
        access,
        permission if isinstance(permission, str) else None,
        int(str(pick("body_limit", parts.server.max_body_bytes))),
        float(str(pick("timeout", parts.server.request_timeout_secs))),
        bool(pick("stream", False)),
    )


def _prefix(owner: str, mount: Mount, parts: HttpParts, faults: list[Fault]) -> str:
    allowed: Sequence[str] = (
        KERNEL_PREFIXES if owner == "kernel" else [parts.prefixes[owner], *parts.extra_prefixes.get(owner, ())]
    )
    for prefix in allowed:
        if mount.path == prefix or mount.path.startswith(prefix + "/"):
            return prefix
    if owner != "kernel" and mount.path.startswith("/.well-known/"):
        return "/.well-known"
    faults.append(_fault(owner, parts, mount.path, f"lies outside of {owner}'s prefix {allowed[0]}"))
    return allowed[0]


def _overlapping_prefixes(parts: HttpParts) -> list[Fault]:
    """Find prefixes that lie within one another: whose a path is would depend on who happens to be installed."""
    held = [
        *(("kernel", prefix) for prefix in KERNEL_PREFIXES),
        *parts.prefixes.items(),
        *((owner, prefix) for owner, further in parts.extra_prefixes.items() for prefix in further),
    ]
    faults = []
    for (first, outer), (second, inner) in combinations(sorted(held, key=lambda pair: len(pair[1])), 2):
        if first != second and f"{inner}/".startswith(f"{outer}/"):
            message = (
                f"is the prefix of both {first} and {second}"
                if inner == outer
                else f"is the prefix of {second} and lies within {outer}, the prefix of {first}"
            )
            fix = "disable one of the two plugins, or change its prefix"
            faults.append(Fault("conflict", message, subject=inner, fix=fix))
    return faults


def _fault(owner: str, parts: HttpParts, path: str, message: str) -> Fault:
    return Fault(
        "conflict" if "both" in message else "plugin",
        message,
        subject=path,
        plugin=None if "both" in message else owner,
        version=None if "both" in message else parts.versions.get(owner),
        fix="disable one of the two plugins, or change its path" if "both" in message else f"mend the mount in {owner}",
    )


def unroutable(parts: HttpParts, route: Route, problem: Exception) -> Fault:
    """The fault of a template that the router cannot hold beside the others."""
    return _fault(route.owner, parts, route.path, f"cannot be routed: {problem}")


def describe(routes: Iterable[Route]) -> list[RouteInfo]:
    """List every method of every route, sorted by path."""
    lines = [
        RouteInfo(method, route.path, rule.access, rule.permission, route.owner)
        for route in routes
        for method, rule in route.rules.items()
    ]
    return sorted(lines, key=lambda line: (line.path, line.method))
