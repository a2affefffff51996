"""The rules for platform operators, as plugins may ask for them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

from reactor_kernel.config.model import OpsConfig
from reactor_kernel.contracts.identity import Identity
from reactor_kernel.contracts.runtime import Clock

if TYPE_CHECKING:
    from reactor_kernel.contributions.http import RequestContext
    from reactor_kernel.http.access import AdminGate
    from reactor_kernel.http.context import Context


class PlatformOperators:
    """Implements `contracts.Operators` with the gates that stand before the routes."""

    def __init__(self, ops: OpsConfig, admin_token: str, clock: Clock) -> None:
        self._ops = ops
        self._admin_token = admin_token
        self._clock = clock

    @property
    def enabled(self) -> bool:
        """Whether the operator surface is there at all."""
        return self._ops.enabled

    @property
    def session_ttl_secs(self) -> int:
        """How long after signing in an operator keeps its platform scopes."""
        return self._ops.session_ttl_secs

    @property
    def audit_retention_days(self) -> int:
        """How long the operators' audit log is kept."""
        return self._ops.audit_retention_days

    def needs_step_up(self, scope: str) -> bool:
        """Tell whether a scope may only be used with a fresh second factor."""
        return scope in self._ops.require_step_up_for

    def admit(self, request: RequestContext, scope: str) -> Identity:
        """Return the operator who sent a request, or raise as `Access.OPERATOR` does."""
        from reactor_kernel.contributions import Access
        from reactor_kernel.http.access import OperatorGate
        from reactor_kernel.http.mounting import Rule

        rule = Rule(Access.OPERATOR, scope, body_limit=0, timeout=0.0, stream=False)
        OperatorGate(self._ops, self._clock).check(cast("Context", request), rule)
        return request.identity

    def is_admin_token(self, text: str) -> bool:
        """Tell in constant time whether a text is the admin token."""
        return self._admin.knows(text)

    @cached_property
    def _admin(self) -> AdminGate:
        from reactor_kernel.http.access import AdminGate

        return AdminGate(self._admin_token, allow_remote=False)
