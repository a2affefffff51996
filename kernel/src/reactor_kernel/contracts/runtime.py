"""The small services every plugin gets through its context."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    # Late on purpose: with several workers its storage is chosen by the environment at import time.
    from prometheus_client import Counter, Gauge, Histogram

    from reactor_kernel.contributions.security import Vote

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Project:
    """The project this kernel serves. `root` is the directory of `Reactor.toml`."""

    id: str
    ref: str
    name: str
    env: str  # "production", "preview" or "dev"
    root: Path


class Clock(Protocol):
    """Time, replaceable in tests."""

    def now(self) -> datetime:
        """The current instant, timezone-aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        ...


class StopSignal(Protocol):
    """Tells a background service to end."""

    def is_set(self) -> bool:
        """Tell whether the service should end now."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until the signal is set or `timeout` seconds passed; return whether it is set."""
        ...


class Services(Protocol):
    """Contract → provider. A provider is made at its first use and kept."""

    def require(self, contract: type[T]) -> T:
        """Return the provider of a contract. Raises if none is enabled or it lies outside `requires`/`after`."""
        ...

    def find(self, contract: type[T]) -> T | None:
        """Return the provider of a contract, or None where no enabled plugin provides it."""
        ...


class Hooks(Protocol):
    """Calls the hooks a plugin declared itself, plugin by plugin in boot order.

    Each method is for one kind of hook and raises ValueError for a hook of another kind or owner. Implementations get
    their own plugin's context as `ctx`.
    """

    def collect(self, hook: str, /, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """Yield each answer with the name of the plugin that gave it; what an implementation raises is raised."""
        ...

    def ask(self, hook: str, /, **arguments: Any) -> Any:
        """Return the first answer that is not None; None where nobody answers."""
        ...

    def vote(self, hook: str, /, **arguments: Any) -> Vote:
        """Combine all votes: one Deny or exception refuses, else one Allow grants; None where nobody decides."""
        ...

    def tell(self, hook: str, /, **arguments: Any) -> None:
        """Tell every plugin; exceptions are logged and stop nobody."""
        ...


class EventLog(Protocol):
    """In-process publishing outside of a transaction, for events that describe no stored change."""

    def emit(self, topic: str, payload: object) -> None:
        """Deliver to this process' LOCAL subscribers now."""
        ...


class Vault(Protocol):
    """Secrets and named encryption keys of one project (contract kernel.md §7.7)."""

    def get(self, name: str) -> bytes:
        """Return a secret's newest value. Raises NotFound."""
        ...

    def get_version(self, name: str) -> tuple[bytes, int]:
        """Return a secret's newest value and its version (from 1)."""
        ...

    def put(self, name: str, value: bytes) -> int:
        """Store a new version of a secret; return its number."""
        ...

    def delete(self, name: str) -> None:
        """Remove a secret with all versions. Raises NotFound."""
        ...

    def names(self) -> list[tuple[str, int]]:
        """Return every secret's name and newest version, sorted by name."""
        ...

    def encrypt(self, key: str, plaintext: bytes) -> str:
        """Encrypt under the newest version of a named key, made at its first use; `vault:v<n>:<base64>`."""
        ...

    def decrypt(self, key: str, ciphertext: str) -> bytes:
        """Decrypt what any version of the named key encrypted. Raises ValidationError when it was altered."""
        ...

    def rotate(self, key: str) -> int:
        """Add a version to a named key; older ciphertexts stay readable. Raises NotFound for an unknown key."""
        ...


class Leader(Protocol):
    """Who of several nodes runs the things that must run once."""

    def is_leader(self, task: str) -> bool:
        """Tell whether this process holds the leadership of `task` now."""
        ...


class MetricsRegistry(Protocol):
    """This plugin's metrics; every name belongs to one plugin. Label values must be bounded."""

    def counter(self, name: str, help: str, labels: Iterable[str] = ()) -> Counter:
        """Register a counter."""
        ...

    def gauge(self, name: str, help: str, labels: Iterable[str] = ()) -> Gauge:
        """Register a gauge."""
        ...

    def histogram(
        self, name: str, help: str, labels: Iterable[str] = (), buckets: Iterable[float] | None = None
    ) -> Histogram:
        """Register a histogram of seconds unless the name says otherwise."""
        ...

    def render(self) -> tuple[bytes, str]:
        """Return this plugin's own metrics and its share of the kernel's as Prometheus text, and the content type."""
        ...


JsonObject = Mapping[str, Any]
Action = Callable[[], None]
