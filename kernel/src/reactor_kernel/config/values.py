"""Values of the kernel's own sections that are parsed once, when they are bound."""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ENVIRONMENTS = {
    "production": "production",
    "prod": "production",
    "preview": "preview",
    "staging": "preview",
    "dev": "dev",
    "development": "dev",
    "local": "dev",
}

LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.CRITICAL + 10,
}

_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9])?\Z")
_TARGET = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. `host` carries no brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read `host:port`; an IPv6 host stands in brackets, port 0 lets the system choose. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not (colon and port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise ValueError("must be host:port, such as 127.0.0.1:8000 or [::1]:8000")
    if host.startswith("[") and host.endswith("]"):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise ValueError("must have an IPv6 address between its brackets, such as [::1]:8000") from None
        return Address(host[1:-1], int(port))
    if ":" in host:
        raise ValueError("must have its IPv6 address in brackets, such as [::1]:8000")
    if not _HOST_NAME.match(host):
        raise ValueError("must be host:port, such as 127.0.0.1:8000 or [::1]:8000")
    return Address(host, int(port))


def parse_network(text: str) -> Network:
    """Read a network in CIDR notation; a bare address is the network of that one host. Raises ValueError."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("must be a network in CIDR notation, such as 10.0.0.0/8 or fdaa::/16") from None
    raise ValueError(f"must not have bits set beyond its prefix; the network is {meant}")


def parse_environment(text: str) -> str:
    """Normalise the spellings of an environment to production, preview or dev. Raises ValueError."""
    try:
        return ENVIRONMENTS[text.lower()]
    except KeyError:
        raise ValueError('must be "production", "preview" or "dev"') from None


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which log lines are kept: a level for everything and levels for single targets.

    A target also covers what lies below it: `reactor_hello=debug` covers the logger `reactor_hello.greeter`.
    """

    level: str = "info"
    targets: Mapping[str, str] = field(default_factory=dict)

    def threshold(self, logger_name: str) -> int:
        """Return the least `logging` level that a logger of this name keeps; the longest matching target decides."""
        best, level = -1, self.level
        for target, wanted in self.targets.items():
            if (logger_name == target or logger_name.startswith(target + ".")) and len(target) > best:
                best, level = len(target), wanted
        return LEVELS[level]

    def __str__(self) -> str:
        return ",".join([self.level, *(f"{target}={level}" for target, level in self.targets.items())])


def parse_log_filter(text: str) -> LogFilter:
    """Read `level[,target=level…]`, e.g. `info,reactor_kernel=debug`. Raises ValueError."""
    level: str | None = None
    targets: dict[str, str] = {}
    for item in (part.strip() for part in text.split(",")):
        target, equals, wanted = (part.strip() for part in item.rpartition("="))
        if wanted.lower() not in LEVELS:
            raise ValueError(f"has no level in {item!r}; levels are trace, debug, info, warn, error and off")
        wanted = {"warning": "warn"}.get(wanted.lower(), wanted.lower())
        if not equals:
            if level is not None:
                raise ValueError("must name one level for everything, and target=level for single targets")
            level = wanted
        elif not _TARGET.match(target):
            raise ValueError(f"has no log target in {item!r}; write target=level, such as reactor_kernel=debug")
        elif target in targets:
            raise ValueError(f"names the target {target} twice")
        else:
            targets[target] = wanted
    return LogFilter(level or "info", targets)
