"""Asks the plugins who is calling and whether they may."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from reactor_kernel.contracts.identity import ANONYMOUS, Identity
from reactor_kernel.errors import InternalError, InvalidCredential, PermissionDenied, ReactorError
from reactor_kernel.plugins.discovery import LoadedPlugin
from reactor_kernel.plugins.manager import HookCaller

if TYPE_CHECKING:
    import falcon


class Gatekeeper:
    """The identify and authorize hooks of one kernel, with their order settled once."""

    def __init__(self, caller: HookCaller, order: Sequence[str], log: logging.Logger) -> None:
        names = [plugin.name for plugin in caller.plugins]
        settled = [*order, *(name for name in names if name not in order)]
        self._identifiers: list[tuple[LoadedPlugin, Callable[..., Any]]] = caller.prepared("reactor_identify", settled)
        self._caller = caller
        self._log = log

    def identify(self, request: falcon.Request) -> Identity:
        """Return the caller; the anonymous identity when nobody recognises a credential.

        Raises:
            InvalidCredential: a plugin recognised the credential and it is bad.
        """
        for plugin, ask in self._identifiers:
            try:
                answer = ask(request=request)
            except ReactorError:
                raise
            except Exception as exc:
                self._log.exception("plugin %s raised in reactor_identify", plugin.name)
                raise InternalError from exc
            if isinstance(answer, InvalidCredential):
                raise answer
            if answer is not None:
                return answer  # type: ignore[no-any-return]
        return ANONYMOUS

    def authorize(self, identity: Identity, permission: str, target: object = None) -> None:
        """Let the plugins vote; raise PermissionDenied unless one allows and none denies."""
        verdict = self._caller.vote(
            "reactor_authorize", self._vote_failed, identity=identity, action=permission, target=target
        )
        if verdict is None:
            raise PermissionDenied(f"this needs the permission {permission}", details={"permission": permission})
        reason = getattr(verdict, "reason", None)
        if reason is not None:
            raise PermissionDenied(reason, code=getattr(verdict, "code", None), details={"permission": permission})

    def _vote_failed(self, plugin: LoadedPlugin, exc: Exception) -> None:
        self._log.error("plugin %s raised in reactor_authorize", plugin.name, exc_info=exc)
