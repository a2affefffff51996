"""The server one run talks to: one client for each kind of credential, and the sign-in that a command makes or ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from reactor_kernel.cli.client import Advice, Client
from reactor_kernel.cli.contexts import Context, StoredAuth
from reactor_kernel.cli.session import KeptSession, keep, keep_token, session_of
from reactor_kernel.cli.signing_in import context_to_sign_in
from reactor_kernel.cli.target import Target, checked_token, credential, resolve
from reactor_kernel.contracts.commands import Credential, CredentialKind, Server, SignInSession
from reactor_kernel.contributions import Access

if TYPE_CHECKING:
    from reactor_kernel.cli.invocation import Invocation


class Remote:
    """The server of one invocation."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._clients: dict[Access, Client] = {}
        self._place: Context | None = None

    @cached_property
    def target(self) -> Target:
        """What was decided on. Raises CliError, BootError as `target.resolve` does."""
        return resolve(self._invocation)

    def server(self) -> Server:
        """Describe the server."""
        target = self.target
        name = target.context.name if target.context is not None else None
        return Server(target.endpoint, target.source, name, target.org)

    def credential(self, access: Access) -> Credential | None:
        """Return what would be shown for routes of this access."""
        return credential(self._invocation, self.target, access)

    def client(self, access: Access) -> Client:
        """Return the client for routes of this access; it is closed when the command ends."""
        if access not in self._clients:
            client = self._connect(access)
            self._invocation.on_close(client.close)
            self._clients[access] = client
        return self._clients[access]

    def client_showing(self, token: str) -> Client:
        """Return a client that shows a token which is not kept yet."""
        found = Credential(checked_token(token, "the sign-in"), "the sign-in", CredentialKind.GIVEN)
        client = self._client(Access.USER, found.token, found)
        self._invocation.on_close(client.close)
        return client

    def _connect(self, access: Access) -> Client:
        target, found = self.target, self.credential(access)
        debug = self._invocation.out.debug
        shown = "nothing" if found is None else f"the token of {found.source}"
        debug(f"the server is {target.endpoint}, named by {target.source}; it is shown {shown}")
        token, renew = (found.token if found is not None else None), None
        if found is not None and found.kind is CredentialKind.SESSION and target.context is not None:
            session = KeptSession(self._invocation.contexts, target.context.name, self._anonymous)
            token, renew = session.token(), session.renew
        return self._client(access, token, found, renew)

    def _anonymous(self) -> Client:
        return self._client(Access.PUBLIC, None, None)

    def _client(
        self,
        access: Access,
        token: str | None,
        found: Credential | None,
        renew: Callable[[str], str] | None = None,
    ) -> Client:
        target = self.target
        return Client(
            target.endpoint,
            token,
            debug=self._invocation.out.debug,
            # The admin token knows no organisation.
            org=target.org if access is not Access.ADMIN else None,
            renew=renew,
            advice=_advice(access, target, found),
            named_by=None if target.source == "--endpoint" or target.own else target.source,
        )

    # -- signing in and out -------------------------------------------------------------------------------------

    def sign_in_place(self) -> Context:
        """Return the context that a sign-in goes to, and talk to its server from now on."""
        if self._place is None:
            place = context_to_sign_in(self._invocation)
            self._place = place
            self.target = Target(place.endpoint, f"context {place.name}", place, place.org)
        return self._place

    def keep_session(
        self, answer: Any, *, token_path: str, client_id: str, scopes: Sequence[str] = ()
    ) -> SignInSession:
        """Keep what a token endpoint gave."""
        session = session_of(answer, token_path, client_id, tuple(scopes))
        place = self.sign_in_place()
        with self._invocation.contexts.change() as contexts:
            keep(contexts, contexts.get(place.name) or place, session)
        return session

    def keep_token(self, token: str) -> None:
        """Keep a bare token."""
        place = self.sign_in_place()
        with self._invocation.contexts.change() as contexts:
            keep_token(contexts, contexts.get(place.name) or place, checked_token(token, "the sign-in"))

    def forget_credential(self) -> str | None:
        """Forget what the server's context keeps."""
        if self.target.context is None:
            return None
        name = self.target.context.name
        with self._invocation.contexts.change() as contexts:
            kept = contexts.get(name)
            if kept is not None:
                contexts.drop_secrets(kept.auth)
                contexts.put(Context(kept.name, kept.endpoint, kept.org, StoredAuth()))
        return name


def _advice(access: Access, target: Target, found: Credential | None) -> Advice:
    name = target.context.name if target.context is not None else None
    command = "reactor login" + (f" --context {name}" if name is not None else "")
    if access is Access.ADMIN:
        if found is None or found.kind in (CredentialKind.PROJECT, CredentialKind.GIVEN):
            return Advice()
        return Advice(
            refused=f"the token of {found.source} is not the admin token of this server; pass that as REACTOR_TOKEN"
        )
    missing = f"sign in with: {command}"
    if found is None:
        return Advice(missing, missing, None)
    if found.kind is CredentialKind.SESSION:
        return Advice(missing, f"sign in again with: {command}", None)
    return Advice(
        missing, f"{target.endpoint} does not accept the token of {found.source}; sign in with: {command}", None
    )
