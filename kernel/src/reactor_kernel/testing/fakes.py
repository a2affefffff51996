"""Plugin classes that stand in for real ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from reactor_kernel.contracts.identity import Identity
from reactor_kernel.contributions import Allow, ServiceProvider, Vote
from reactor_kernel.errors import InvalidCredential
from reactor_kernel.hookspecs.marker import hookimpl
from reactor_kernel.plugins.info import PluginInfo

if TYPE_CHECKING:
    import falcon


def fake_service(contract: type, implementation: Any, *, plugin: str = "fakes") -> type:
    """Make a plugin class named `plugin` that provides `implementation` of a contract.

    Give it the name of the plugin it stands for, because services are limited to `requires` and `after`.
    """
    missing = [name for name in _methods(contract) if not hasattr(implementation, name)]
    if missing:
        raise TypeError(f"{type(implementation).__name__} lacks {', '.join(missing)} of {contract.__name__}")

    class Fake:
        info = PluginInfo(name=plugin, version="0", api=(1, 0), summary=f"Fake {contract.__name__}")

        @hookimpl
        def reactor_services(self) -> Iterable[ServiceProvider]:
            yield ServiceProvider(contract, lambda: implementation)

    return Fake


def fake_identities(identities: Mapping[str, Identity], *, plugin: str = "fake_identities") -> type:
    """Make a plugin class that knows callers by bearer token and lets each do what its permissions grant.

    An unknown bearer token is an `InvalidCredential`, as with a real provider.
    """

    class Identities:
        info = PluginInfo(name=plugin, version="0", api=(1, 0), summary="Identities given by a test")

        @hookimpl
        def reactor_identify(self, request: falcon.Request) -> Identity | None:
            scheme, _, token = (request.get_header("Authorization") or "").partition(" ")
            if scheme.lower() != "bearer":
                return None
            if token not in identities:
                raise InvalidCredential("the bearer token is not known")
            return identities[token]

        @hookimpl
        def reactor_authorize(self, identity: Identity, action: str) -> Vote:
            return Allow() if identity.may(action) else None

    return Identities


def _methods(contract: type) -> Iterable[str]:
    return (name for name, value in vars(contract).items() if callable(value) and not name.startswith("_"))
