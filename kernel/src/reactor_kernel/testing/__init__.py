"""What the tests of a plugin use: fixtures (loaded by pytest itself) and the few names below.

Fixtures: `reactor_postgres`, `reactor_database_url`, `reactor_plugins`, `reactor_config`, `kernel`, `kernel_factory`, `client`,
`live_server`, `frozen_clock`, `captured_events`, `fake_service`, `npm`. Nothing of them is imported before a test asks for it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reactor_kernel.testing.clock import FrozenClock
    from reactor_kernel.testing.events import CapturedEvents
    from reactor_kernel.testing.fakes import Member, TrustingAuth, fake_identities, fake_service
    from reactor_kernel.testing.ports import free_port
    from reactor_kernel.testing.postgres import TestPostgres
    from reactor_kernel.testing.project import ADMIN_TOKEN, KernelFactory, raw_config, toml_text
    from reactor_kernel.testing.server import LiveServer, live

_HOMES = {
    "ADMIN_TOKEN": "project",
    "CapturedEvents": "events",
    "FrozenClock": "clock",
    "KernelFactory": "project",
    "LiveServer": "server",
    "Member": "fakes",
    "TestPostgres": "postgres",
    "TrustingAuth": "fakes",
    "fake_identities": "fakes",
    "fake_service": "fakes",
    "free_port": "ports",
    "live": "server",
    "raw_config": "project",
    "toml_text": "project",
}

__all__ = [
    "ADMIN_TOKEN",
    "CapturedEvents",
    "FrozenClock",
    "KernelFactory",
    "LiveServer",
    "Member",
    "TestPostgres",
    "TrustingAuth",
    "fake_identities",
    "fake_service",
    "free_port",
    "live",
    "raw_config",
    "toml_text",
]


def __getattr__(name: str) -> Any:
    # Late on purpose: pytest imports this package in every run, also in those that use none of it.
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
