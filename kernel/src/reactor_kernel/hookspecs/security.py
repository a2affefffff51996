"""Hooks about who is calling and what they may do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reactor_kernel.contracts.identity import Identity
from reactor_kernel.contributions import PermissionDoc, Vote
from reactor_kernel.hookspecs.marker import HookKind, hookspec
from reactor_kernel.plugins.context import PluginContext

if TYPE_CHECKING:
    import falcon


class SecuritySpecs:
    """Identity, authorisation votes, permission names."""

    @hookspec(HookKind.ASK)
    def reactor_identify(self, ctx: PluginContext, request: falcon.Request) -> Identity | None:
        """Turn the request's credential into an identity; the first answer wins.

        Called when a route needs the caller, at most once a request. Return None when the credential is not of your kind;
        raise `InvalidCredential` when it is and is bad, or another `ReactorError` such as `Forbidden(code="not_org_member")`.
        The order of plugins is boot order unless `[server] identify_order` names them.

        Example:
            ```python
            @hookimpl
            def reactor_identify(self, ctx, request):
                key = request.get_header("X-Hello-Key")
                return None if key is None else self.keys.identity_of(key)
            ```
        """
        raise AssertionError("a spec is not called")

    @hookspec(HookKind.VOTE)
    def reactor_authorize(self, ctx: PluginContext, identity: Identity, action: str, target: object) -> Vote:
        """Vote on whether `identity` may do `action` (a permission) on `target` (None, or what the route is about).

        Allowed when at least one plugin allows and none denies. An exception is a refusal.

        Example:
            ```python
            @hookimpl
            def reactor_authorize(self, ctx, identity, action, target):
                return Deny("the office is closed") if action == "hello:greet" and self.closed() else None
            ```
        """
        raise AssertionError("a spec is not called")

    @hookspec(HookKind.COLLECT)
    def reactor_permissions(self) -> Iterable[PermissionDoc]:
        """Yield the permissions the plugin asks for.

        Example:
            ```python
            @hookimpl
            def reactor_permissions(self):
                yield PermissionDoc("hello:greet", "Send a greeting")
            ```
        """
        raise AssertionError("a spec is not called")
