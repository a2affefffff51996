"""Puts identity together for one kernel; what needs SQLAlchemy is made when it is first used."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from reactor_auth.api_keys import PREFIX as KEY_PREFIX
from reactor_auth.api_keys import KeyResolver
from reactor_auth.changes import Changes
from reactor_auth.config import AuthConfig
from reactor_auth.macs import Macs
from reactor_auth.metrics import AuthMetrics
from reactor_auth.passwords import Passwords
from reactor_auth.resolver import Resolver
from reactor_auth.sealing import Sealer
from reactor_auth.signing import SigningKeys
from reactor_auth.tokens import AccessTokens
from reactor_kernel.api import Identity, PluginContext

if TYPE_CHECKING:
    from reactor_auth.audit import AuditLog
    from reactor_auth.limits import RateLimiter
    from reactor_auth.mail.mailer import Mailer
    from reactor_auth.mail.outbox import Outbox
    from reactor_auth.pages.layout import Layout
    from reactor_auth.provider import Provider
    from reactor_auth.service.accounts import Accounts
    from reactor_auth.service.api_keys import ApiKeys
    from reactor_auth.service.audit_reading import AuditReader
    from reactor_auth.service.delegation import Delegation
    from reactor_auth.service.invitations import Invitations
    from reactor_auth.service.members import Members
    from reactor_auth.service.orgs import Orgs
    from reactor_auth.service.profiles import Profiles
    from reactor_auth.service.roles import Roles
    from reactor_auth.service.sessions import Sessions


class Auth:
    """Identity of one project. Boot and the path of a request with a known token touch no SQLAlchemy."""

    def __init__(self, ctx: PluginContext) -> None:
        config: AuthConfig = ctx.config
        self.config = config
        self.db = ctx.db
        self.clock = ctx.clock
        self.log = ctx.log
        self.name = ctx.info.name
        self.prefix = ctx.info.url_prefix
        self.is_dev = ctx.project.env == "dev"
        self.sealer = Sealer(config.data_key_bytes)
        self.macs = Macs(config.data_key_bytes)
        self.keys = SigningKeys(ctx.db, self.sealer, ctx.clock, ctx.log)
        self.tokens = AccessTokens(config, self.keys, ctx.clock)
        self.resolver = Resolver(ctx.db, self.tokens, ctx.clock)
        self.key_resolver = KeyResolver(ctx.db, self.resolver.identities, ctx.clock)
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
    def mailer(self) -> Mailer:
        """The way to send a mail."""
        from reactor_auth.mail.mailer import Mailer

        return Mailer(self.sealer, self.clock, delivers=self.config.smtp is not None or self.is_dev)

    @cached_property
    def outbox(self) -> Outbox:
        """What was queued."""
        from reactor_auth.mail.outbox import Outbox

        readable = self.is_dev and self.config.smtp is None
        return Outbox(self.config, self.db, self.sealer, readable=readable)

    @cached_property
    def pages(self) -> Layout:
        """The frame of the HTML pages."""
        from reactor_auth.pages.layout import Layout

        return Layout(self.config.pages)

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
        )

    @cached_property
    def accounts(self) -> Accounts:
        """Sign-up and sign-in."""
        from reactor_auth.service.accounts import Accounts

        return Accounts(
            self.config, self.db, self.clock, self.passwords, self.sessions, self.limiter, self.audit, self.invitations
        )

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
    def provider(self) -> Provider:
        """Reactor as an OAuth 2.1 and OpenID provider."""
        from reactor_auth.provider import Provider

        return Provider(self)

    @cached_property
    def roles(self) -> Roles:
        """Custom roles."""
        from reactor_auth.service.roles import Roles

        return Roles(self.db, self.clock, self.audit, self.changes)

    @cached_property
    def invitations(self) -> Invitations:
        """Invitations into organisations."""
        from reactor_auth.service.invitations import Invitations

        return Invitations(self.config, self.db, self.clock, self.limiter, self.audit, self.changes, self.mailer)

    @cached_property
    def api_keys(self) -> ApiKeys:
        """API keys, as their owners see them."""
        from reactor_auth.service.api_keys import ApiKeys

        return ApiKeys(self.db, self.clock, self.audit, self.changes)

    @cached_property
    def delegation(self) -> Delegation:
        """Delegated tokens and service identities."""
        from reactor_auth.service.delegation import Delegation

        return Delegation(self.db, self.keys, self.tokens, self.audit)

    @cached_property
    def audit_reader(self) -> AuditReader:
        """The audit log, for those who may read it."""
        from reactor_auth.service.audit_reading import AuditReader

        return AuditReader(self.db)

    def resolve(self, credential: str, org: str | None) -> Identity:
        """Turn an access token or an API key into an identity; see `AuthClient.resolve`."""
        if credential.startswith(KEY_PREFIX):
            return self.key_resolver.resolve(credential, org)
        return self.resolver.resolve(credential, org)

    def warm_up(self) -> None:
        """Load what the first sign-in needs, so that it does not pay for the imports."""
        from joserfc import jws

        self.log.debug("%s is loaded for %s", jws.__name__, type(self.accounts).__name__)
