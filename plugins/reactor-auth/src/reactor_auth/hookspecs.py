"""Hooks that other plugins may implement to take part in identity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reactor_kernel.api import HookKind, PluginContext, UserRecord, Vote, hookspec


@dataclass(frozen=True, slots=True)
class SignUpAttempt:
    """Somebody about to become a user.

    `method` is `password`, `otp`, `anonymous` or `oauth:<provider>`; `email` is None for an anonymous user. The address is
    not confirmed yet unless `email_verified`.
    """

    email: str | None
    email_verified: bool
    metadata: Mapping[str, Any]
    method: str
    address: str | None
    user_agent: str | None


class AuthSpecs:
    """Who may sign up, which passwords are accepted, what access tokens say."""

    @hookspec(HookKind.VOTE)
    def reactor_auth_before_signup(self, ctx: PluginContext, signup: SignUpAttempt) -> Vote:
        """Vote on whether somebody may become a user; a Deny's reason is shown to them (403 `signup_refused`).

        Called before anything is written and before the address is looked up. An exception is a refusal.

        Example:
            ```python
            @hookimpl
            def reactor_auth_before_signup(self, ctx, signup):
                ours = signup.email is not None and signup.email.endswith("@example.com")
                return None if ours else Deny("only people of example.com may sign up")
            ```
        """
        raise AssertionError("a spec is not called")

    @hookspec(HookKind.VOTE)
    def reactor_auth_password_check(self, ctx: PluginContext, password: str) -> Vote:
        """Vote on a new password that satisfies the policy; a Deny's reason is shown (400 `weak_password`).

        Called at sign-up, for a changed password and for a reset. An exception is a refusal, so a check that asks a
        service elsewhere decides itself what an outage means.

        Example:
            ```python
            @hookimpl
            def reactor_auth_password_check(self, ctx, password):
                return Deny("appears in a list of stolen passwords") if self.breached(password) else None
            ```
        """
        raise AssertionError("a spec is not called")

    @hookspec(HookKind.COLLECT)
    def reactor_auth_claims(self, ctx: PluginContext, user: UserRecord, org: str | None) -> Iterable[Mapping[str, Any]]:
        """Yield claims to add to each access token of `user`; `org` is the id of the default organisation.

        Called at each sign-in and refresh, within its transaction. Values must be JSON. A claim that identity sets
        itself, or that two plugins set, fails the sign-in, and so does an exception.

        Example:
            ```python
            @hookimpl
            def reactor_auth_claims(self, ctx, user, org):
                yield {"plan": user.metadata.get("plan", "free")}
            ```
        """
        raise AssertionError("a spec is not called")
