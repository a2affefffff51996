"""Puts the OAuth provider together, from the parts of one kernel's identity."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from reactor_auth.service.authorization import Authorizations
from reactor_auth.service.browsers import Browsers
from reactor_auth.service.client_registry import ClientRegistry
from reactor_auth.service.clients import Clients
from reactor_auth.service.consents import Consents
from reactor_auth.service.device_logins import Devices
from reactor_auth.service.machines import Machines
from reactor_auth.service.openid import OpenId
from reactor_auth.service.second_factor import SecondFactor
from reactor_auth.service.token_status import TokenStatus

if TYPE_CHECKING:
    from reactor_auth.assembly import Auth


class Provider:
    """Clients, browsers, codes, devices, consents and id tokens."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth
        self.issuer = auth.config.jwt_issuer

    @cached_property
    def clients(self) -> Clients:
        """Registered and built-in clients."""
        return Clients(self._auth.config, self._auth.db)

    @cached_property
    def registry(self) -> ClientRegistry:
        """Clients as their organisations see them."""
        auth = self._auth
        return ClientRegistry(auth.db, auth.clock, auth.audit, auth.changes, auth.sessions)

    @cached_property
    def factors(self) -> SecondFactor:
        """What verifies second factors."""
        return self._auth.factors

    @cached_property
    def browsers(self) -> Browsers:
        """Browsers that signed in."""
        auth = self._auth
        return Browsers(
            auth.config,
            auth.db,
            auth.clock,
            auth.accounts,
            auth.sessions,
            self.factors,
            auth.limiter,
            auth.audit,
            auth.passkey_proofs,
        )

    @cached_property
    def openid(self) -> OpenId:
        """Id tokens and what they tell."""
        auth = self._auth
        return OpenId(auth.config, auth.db, auth.clock, auth.keys)

    @cached_property
    def consents(self) -> Consents:
        """What users allowed."""
        auth = self._auth
        return Consents(auth.db, auth.clock, auth.sessions, auth.audit)

    @cached_property
    def authorizations(self) -> Authorizations:
        """Requests for codes, and codes."""
        auth = self._auth
        return Authorizations(auth.db, auth.clock, self.clients, self.consents, auth.sessions, self.openid, auth.audit)

    @cached_property
    def devices(self) -> Devices:
        """Devices that wait for somebody to approve them."""
        auth = self._auth
        return Devices(
            auth.config, auth.db, auth.clock, auth.macs, auth.sessions, self.openid, auth.limiter, auth.audit
        )

    @cached_property
    def machines(self) -> Machines:
        """Clients that act for themselves."""
        auth = self._auth
        return Machines(auth.config, auth.db, auth.clock, auth.keys, auth.tokens, auth.audit)

    @cached_property
    def status(self) -> TokenStatus:
        """What tokens are worth, and their end."""
        auth = self._auth
        return TokenStatus(auth.db, auth.resolver, auth.sessions, self.clients, auth.config)
