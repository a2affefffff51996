"""Puts identity together for one kernel; what needs SQLAlchemy is made when it is first used."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from reactor_auth.api_keys import PREFIX as KEY_PREFIX
from reactor_auth.api_keys import KeyResolver
from reactor_auth.changes import Changes
from reactor_auth.config import AuthConfig
from reactor_auth.extensions import Extensions
from reactor_auth.macs import Macs
from reactor_auth.metrics import AuthMetrics
from reactor_auth.passwords import Passwords
from reactor_auth.resolver import Resolver
from reactor_auth.sealing import Sealer
from reactor_auth.seen import LastSeen
from reactor_auth.signing import SigningKeys
from reactor_auth.tokens import AccessTokens
from reactor_kernel.api import Identity, PluginContext

if TYPE_CHECKING:
    from reactor_auth.audit import AuditLog
    from reactor_auth.ceremonies import Ceremonies
    from reactor_auth.limits import RateLimiter
    from reactor_auth.lockout import Lockout
    from reactor_auth.mail.mailer import Mailer
    from reactor_auth.mail.outbox import Outbox
    from reactor_auth.pages.layout import Layout
    from reactor_auth.provider import Provider
    from reactor_auth.rotation import KeyRotation
    from reactor_auth.service.accounts import Accounts
    from reactor_auth.service.administration import Administration
    from reactor_auth.service.anonymous import Anonymous
    from reactor_auth.service.api_keys import ApiKeys
    from reactor_auth.service.audit_reading import AuditReader
    from reactor_auth.service.challenges import Challenges
    from reactor_auth.service.delegation import Delegation
    from reactor_auth.service.erasure import Erasure
    from reactor_auth.service.export import Export
    from reactor_auth.service.factors import Factors
    from reactor_auth.service.identities import Identities
    from reactor_auth.service.invitations import Invitations
    from reactor_auth.service.letters import Letters
    from reactor_auth.service.mail_requests import MailRequests
    from reactor_auth.service.members import Members
    from reactor_auth.service.one_time import OneTimeTokens
    from reactor_auth.service.operators import Operators
    from reactor_auth.service.org_administration import OrgAdministration
    from reactor_auth.service.orgs import Orgs
    from reactor_auth.service.passkey_proofs import PasskeyProofs
    from reactor_auth.service.passkeys import Passkeys
    from reactor_auth.service.platform import PlatformScopes
    from reactor_auth.service.profiles import Profiles
    from reactor_auth.service.roles import Roles
    from reactor_auth.service.session_list import SessionList
    from reactor_auth.service.sessions import Sessions
    from reactor_auth.service.sign_in_guard import SignInGuard
    from reactor_auth.service.social import Social
    from reactor_auth.service.step_up import StepUp
    from reactor_auth.service.verification import Verification


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
        self.operator_rules = ctx.operators
        self.is_dev = ctx.project.env == "dev"
        self.sealer = Sealer(config.data_key_bytes)
        self.macs = Macs(config.data_key_bytes)
        self.keys = SigningKeys(ctx.db, self.sealer, ctx.clock, ctx.log)
        self.tokens = AccessTokens(config, self.keys, ctx.clock)
        self.seen = LastSeen(ctx.db, ctx.clock, ctx.log)
        self.resolver = Resolver(ctx.db, self.tokens, ctx.clock, self.seen.note)
        self.key_resolver = KeyResolver(ctx.db, self.resolver.identities, ctx.clock)
        self.changes = Changes(self.resolver, self.keys)
        self.changes.listen(ctx.db)
        self.passwords = Passwords(config.password)
        self.metrics = AuthMetrics(ctx.metrics)
        self.extensions = Extensions(ctx.hooks)

    @cached_property
    def audit(self) -> AuditLog:
        """The audit log."""
        from reactor_auth.audit import AuditLog

        return AuditLog(self.clock)

    @cached_property
    def limiter(self) -> RateLimiter:
        """Limits shared by all nodes."""
        from reactor_auth.limits import RateLimiter

        return RateLimiter(self.db, self.clock, self.metrics)

    @cached_property
    def lockout(self) -> Lockout:
        """Waits after failed sign-ins."""
        from reactor_auth.lockout import Lockout

        return Lockout(self.config.lockout, self.clock)

    @cached_property
    def guard(self) -> SignInGuard:
        """Limits and waits of everything that tries a password."""
        from reactor_auth.service.sign_in_guard import SignInGuard

        return SignInGuard(self.config.limits, self.db, self.limiter, self.lockout, self.metrics)

    @cached_property
    def rotation(self) -> KeyRotation:
        """The renewal of signing keys."""
        from reactor_auth.rotation import KeyRotation

        return KeyRotation(self.config, self.db, self.clock, self.keys, self.audit, self.changes, self.metrics)

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
        from reactor_auth.service.devices import Devices
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
            self.lockout,
            self.metrics,
            claims=self.extensions.claims,
            opened=Devices(self.clock, self.letters).note,
            platform=self.platform,
        )

    @cached_property
    def platform(self) -> PlatformScopes:
        """What operators hold outside of any organisation."""
        from reactor_auth.service.platform import PlatformScopes

        rules = self.operator_rules
        return PlatformScopes(rules.session_ttl_secs if rules.enabled else 0, self.clock)

    @cached_property
    def operators(self) -> Operators:
        """Platform operators."""
        from reactor_auth.service.operators import Operators

        return Operators(self.config.limits, self.db, self.clock, self.audit, self.sessions, self.letters, self.limiter)

    @cached_property
    def session_list(self) -> SessionList:
        """Sessions as their users see them."""
        from reactor_auth.service.session_list import SessionList

        return SessionList(self.config, self.db, self.clock, self.sessions)

    @cached_property
    def one_time_tokens(self) -> OneTimeTokens:
        """What mails carry to prove that somebody reads the address."""
        from reactor_auth.service.one_time import OneTimeTokens

        return OneTimeTokens(self.clock, self.config.data_key_bytes)

    @cached_property
    def letters(self) -> Letters:
        """The mails of identity."""
        from reactor_auth.service.letters import Letters

        return Letters(self.config, self.clock, self.mailer, self.one_time_tokens, self.limiter, self.prefix)

    @cached_property
    def mail_requests(self) -> MailRequests:
        """Mails that somebody asks for by an address."""
        from reactor_auth.service.mail_requests import MailRequests

        return MailRequests(self.config, self.db, self.clock, self.limiter, self.letters, self.log)

    @cached_property
    def verification(self) -> Verification:
        """What one-time tokens do."""
        from reactor_auth.service.verification import Verification

        return Verification(
            self.config,
            self.db,
            self.clock,
            self.passwords,
            self.sessions,
            self.limiter,
            self.audit,
            self.changes,
            self.one_time_tokens,
            self.letters,
            self.extensions,
        )

    @cached_property
    def anonymous(self) -> Anonymous:
        """Users without an address."""
        from reactor_auth.service.anonymous import Anonymous

        return Anonymous(self.config, self.db, self.clock, self.sessions, self.limiter, self.audit, self.extensions)

    @cached_property
    def erasure(self) -> Erasure:
        """The end of deleted accounts."""
        from reactor_auth.service.erasure import Erasure

        return Erasure(self.config, self.db, self.clock, self.audit)

    @cached_property
    def export(self) -> Export:
        """Everything an account owns."""
        from reactor_auth.service.export import Export

        return Export(self.db, self.clock, self.audit)

    @cached_property
    def accounts(self) -> Accounts:
        """Sign-up and sign-in."""
        from reactor_auth.service.accounts import Accounts

        return Accounts(
            self.config,
            self.db,
            self.clock,
            self.passwords,
            self.sessions,
            self.limiter,
            self.audit,
            self.guard,
            letters=self.letters,
            requests=self.mail_requests,
            extensions=self.extensions,
            invitations=self.invitations,
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
            self.guard,
            self.step_up,
            letters=self.letters,
            extensions=self.extensions,
        )

    @cached_property
    def orgs(self) -> Orgs:
        """Organisations and roles."""
        from reactor_auth.service.orgs import Orgs

        return Orgs(self.db, self.clock, self.audit, self.changes, self.step_up, self.sessions)

    @cached_property
    def members(self) -> Members:
        """Members of organisations."""
        from reactor_auth.service.members import Members

        return Members(self.db, self.clock, self.audit, self.changes)

    def measure_keys(self) -> None:
        """Set the metrics of the key set."""
        since = self.keys.signing_since()
        age = 0.0 if since is None else max(0.0, self.clock.now().timestamp() - since)
        self.metrics.key_set(self.keys.published(), age)

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

    def resolve(self, credential: str, org: str | None, *, may_stay_outside: bool = False) -> Identity:
        """Turn an access token or an API key into an identity; see `AuthClient.resolve` and `Resolver.resolve`."""
        if credential.startswith(KEY_PREFIX):
            return self.key_resolver.resolve(credential, org)
        return self.resolver.resolve(credential, org, may_stay_outside=may_stay_outside)

    @cached_property
    def step_up(self) -> StepUp:
        """The demand for a fresh second factor."""
        from reactor_auth.service.step_up import StepUp

        return StepUp(self.clock)

    def demand_step_up(self, identity: Identity, within: int = 300) -> None:
        """Raise MfaRequired unless a second factor was verified in the caller's session in the last `within` seconds."""
        self.step_up.demand(identity, within)

    @cached_property
    def factors(self) -> Factors:
        """Authenticator apps and recovery codes."""
        from reactor_auth.service.factors import Factors

        return Factors(
            self.config,
            self.db,
            self.clock,
            self.sealer,
            self.sessions,
            self.step_up,
            self.limiter,
            self.audit,
            self.letters,
        )

    @cached_property
    def _ceremonies(self) -> Ceremonies:
        from reactor_auth.ceremonies import Ceremonies

        return Ceremonies(self.config)

    @cached_property
    def _challenges(self) -> Challenges:
        from reactor_auth.service.challenges import Challenges

        return Challenges(self.db, self.clock)

    @cached_property
    def passkeys(self) -> Passkeys:
        """The caller's passkeys."""
        from reactor_auth.service.passkeys import Passkeys

        return Passkeys(self.db, self.clock, self._ceremonies, self._challenges, self.step_up, self.audit, self.letters)

    @cached_property
    def passkey_proofs(self) -> PasskeyProofs:
        """Passkeys as second factor and as sign-in."""
        from reactor_auth.service.passkey_proofs import PasskeyProofs

        return PasskeyProofs(
            self.config,
            self.db,
            self.clock,
            self._ceremonies,
            self._challenges,
            self.sessions,
            self.limiter,
            self.audit,
        )

    @cached_property
    def administration(self) -> Administration:
        """Everybody's accounts and sessions, for the admin token."""
        from reactor_auth.service.administration import Administration

        return Administration(
            self.db, self.clock, self.passwords, self.sessions, self.audit, self.changes, self.letters
        )

    @cached_property
    def org_administration(self) -> OrgAdministration:
        """Every organisation, for the admin token."""
        from reactor_auth.service.org_administration import OrgAdministration

        return OrgAdministration(self.db, self.clock, self.audit, self.changes, self.step_up, self.sessions)

    @cached_property
    def identities(self) -> Identities:
        """Accounts at other providers."""
        from reactor_auth.service.identities import Identities

        return Identities(self.config, self.db, self.clock, self.audit, self.extensions, self.letters, self.step_up)

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
