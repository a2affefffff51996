"""Puts identity together for one kernel; what needs SQLAlchemy is made when it is first used."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from reactor_auth.changes import Changes
from reactor_auth.config import AuthConfig
from reactor_auth.metrics import AuthMetrics
from reactor_auth.passwords import Passwords
from reactor_auth.resolver import Resolver
from reactor_auth.sealing import Sealer
from reactor_auth.signing import SigningKeys
from reactor_auth.tokens import AccessTokens
from reactor_kernel.api import PluginContext

if TYPE_CHECKING:
    from reactor_auth.audit import AuditLog
    from reactor_auth.limits import RateLimiter
    from reactor_auth.service.accounts import Accounts
    from reactor_auth.service.identities import Identities
    from reactor_auth.service.members import Members
    from reactor_auth.service.operators import Operators
    from reactor_auth.service.orgs import Orgs
    from reactor_auth.service.profiles import Profiles
    from reactor_auth.service.sessions import Sessions
    from reactor_auth.service.social import Social


class Auth:
    """Identity of one project. Boot and the path of a request with a known token touch no SQLAlchemy."""

    def __init__(self, ctx: PluginContext) -> None:
        config: AuthConfig = ctx.config
        self.config = config
        self.db = ctx.db
        self.clock = ctx.clock
        self.log = ctx.log
        self.prefix = ctx.info.url_prefix
        self.operator_rules = ctx.operators
        self.sealer = Sealer(config.data_key_bytes)
        self.keys = SigningKeys(ctx.db, self.sealer, ctx.clock, ctx.log)
        self.tokens = AccessTokens(config, self.keys, ctx.clock)
        self.resolver = Resolver(ctx.db, self.tokens, ctx.clock)
        self.changes = Changes(self.resolver, self.keys)
        self.changes.listen(ctx.db)
        self.passwords = Passwords(config.password)
        self.metrics = AuthMetrics(ctx.metrics)

    @cached_property
    def audit(self) -> AuditLog:
        """The audit log."""
        from reactor_auth.audit import AuditLog

        return AuditLog(self.clock)

    @cached_property
    def limiter(self) -> RateLimiter:
        """Limits shared by all nodes."""
        from reactor_auth.limits import RateLimiter

        return RateLimiter(self.db, self.clock)

    @cached_property
    def sessions(self) -> Sessions:
        """Sessions and refresh tokens."""
        from reactor_auth.service.sessions import Sessions

        return Sessions(
            self.config,
            self.db,
            self.clock,
            self.keys,
            self.tokens,
            self.sealer,
            self.limiter,
            self.audit,
            self.changes,
            operator_secs=self.operator_rules.session_ttl_secs if self.operator_rules.enabled else 0,
        )

    @cached_property
    def operators(self) -> Operators:
        """Platform operators."""
        from reactor_auth.service.operators import Operators

        return Operators(self.db, self.clock, self.audit, self.sessions)

    @cached_property
    def accounts(self) -> Accounts:
        """Sign-up and sign-in."""
        from reactor_auth.service.accounts import Accounts

        return Accounts(self.config, self.db, self.clock, self.passwords, self.sessions, self.limiter, self.audit)

    @cached_property
    def profiles(self) -> Profiles:
        """The caller's own account."""
        from reactor_auth.service.profiles import Profiles

        return Profiles(
            self.config,
            self.db,
            self.clock,
            self.passwords,
            self.sessions,
            self.limiter,
            self.audit,
            self.changes,
        )

    @cached_property
    def orgs(self) -> Orgs:
        """Organisations and roles."""
        from reactor_auth.service.orgs import Orgs

        return Orgs(self.db, self.clock, self.audit, self.changes)

    @cached_property
    def members(self) -> Members:
        """Members of organisations."""
        from reactor_auth.service.members import Members

        return Members(self.db, self.clock, self.audit, self.changes)

    @cached_property
    def identities(self) -> Identities:
        """Accounts at other providers."""
        from reactor_auth.service.identities import Identities

        return Identities(self.config, self.db, self.clock, self.audit)

    @cached_property
    def social(self) -> Social:
        """Sign-ins with other providers."""
        from reactor_auth.service.social import Social

        return Social(
            self.config,
            self.prefix,
            self.db,
            self.clock,
            self.sealer,
            self.sessions,
            self.identities,
            self.limiter,
            self.audit,
            self.log,
        )

    def warm_up(self) -> None:
        """Load what the first sign-in needs, so that it does not pay for the imports."""
        from joserfc import jws

        self.log.debug("%s is loaded for %s", jws.__name__, type(self.accounts).__name__)
