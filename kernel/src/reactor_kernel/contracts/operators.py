"""Platform operators: people who run the installation, whatever organisation they are in (contract kernel.md §4.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from reactor_kernel.contracts.identity import Identity

if TYPE_CHECKING:
    from reactor_kernel.contributions.http import RequestContext


class Operators(Protocol):
    """What `[ops]` and `[admin]` say of operators.

    A route that only operators may call is mounted with `Access.OPERATOR`, which asks the same questions; this is for
    routes that admit others too, and for whoever issues the operators' tokens.
    """

    @property
    def enabled(self) -> bool:
        """Whether the operator surface is there at all."""
        ...

    @property
    def session_ttl_secs(self) -> int:
        """How long after signing in an operator keeps its platform scopes."""
        ...

    @property
    def audit_retention_days(self) -> int:
        """How long the operators' audit log is kept."""
        ...

    def needs_step_up(self, scope: str) -> bool:
        """Tell whether a scope may only be used with a fresh second factor."""
        ...

    def admit(self, request: RequestContext, scope: str) -> Identity:
        """Return the operator who sent a request.

        Raises:
            Forbidden: `untrusted_network`, `missing_scope` or `step_up_required`.
            Unauthenticated: `authentication_required`, or what is wrong with the token.
        """
        ...

    def is_admin_token(self, text: str) -> bool:
        """Tell in constant time whether a text is the admin token."""
        ...
