"""A sign-in that a context keeps: refreshed in time, by one process at a time, saved before it is used (cli.md §2.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from reactor_kernel.cli.context_files import ContextStore
from reactor_kernel.cli.contexts import Context, Contexts, StoredAuth
from reactor_kernel.cli.errors import CliError
from reactor_kernel.contracts.commands import SignInSession

if TYPE_CHECKING:
    from reactor_kernel.cli.client import Client

MARGIN = timedelta(seconds=300)


class KeptSession:
    """The sign-in of one context.

    Args:
        store: where contexts are kept.
        name: the context.
        anonymous: makes a client of the context's server that shows no credential.
    """

    def __init__(self, store: ContextStore, name: str, anonymous: Callable[[], Client]) -> None:
        self._store = store
        self._name = name
        self._anonymous = anonymous

    def token(self) -> str:
        """Return an access token that is good for a while; refresh it where less than five minutes are left.

        A server that cannot be reached matters only when the token at hand has run out.

        Raises:
            CliError: AUTH_REQUIRED when the sign-in has ended.
        """
        token, expires_at = self._at_hand(self._store.read())
        now = datetime.now(UTC)
        if expires_at is None or expires_at - now > MARGIN:
            return token
        try:
            return self._refresh(lambda kept, until: until is not None and until - datetime.now(UTC) > MARGIN)
        except CliError as error:
            if error.code != "AUTH_REQUIRED" and expires_at > now:
                return token
            raise

    def renew(self, refused: str) -> str:
        """Return another access token than the one that the server refused. Raises CliError where there is none."""
        return self._refresh(lambda kept, until: kept != refused)

    def _refresh(self, is_good: Callable[[str, datetime | None], bool]) -> str:
        with self._store.change() as contexts:
            kept, until = self._at_hand(contexts)
            if is_good(kept, until):  # another process was faster
                return kept
            context = contexts.get(self._name)
            assert context is not None
            refresh_token = contexts.secrets.get(context.auth.refresh_account or "")
            if not refresh_token or context.auth.token_path is None:
                raise self._ended("has expired and cannot be refreshed")
            answer = self._ask(context, refresh_token)
            session = session_of(answer, context.auth.token_path, context.auth.client_id or "", context.auth.scopes)
            if session.refresh_token is None:  # the server keeps the old one valid (RFC 6749 §6)
                session = replace(session, refresh_token=refresh_token)
            keep(contexts, context, session)
        return session.access_token

    def _ask(self, context: Context, refresh_token: str) -> Any:
        auth = context.auth
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        if auth.client_id:
            form["client_id"] = auth.client_id
        client = self._anonymous()
        try:
            # Sent again when the answer was lost: the server gives the same successor for a moment.
            return client.request("POST", auth.token_path or "", form=form, retries=1, repeatable=True)
        except CliError as error:
            status = error.details.get("status")
            if isinstance(status, int) and 400 <= status < 500 and status != 429:
                raise self._ended(f"has ended: {error.message}", error.details) from None
            raise
        finally:
            client.close()

    def _at_hand(self, contexts: Contexts) -> tuple[str, datetime | None]:
        context = contexts.get(self._name)
        token = contexts.secrets.get(context.auth.access_account or "") if context is not None else None
        if context is None or not token:
            raise self._ended("is not there any more")
        return token, context.auth.expires_at

    def _ended(self, what: str, details: Mapping[str, Any] | None = None) -> CliError:
        return CliError(
            "AUTH_REQUIRED",
            f"the sign-in of context {self._name} {what}",
            hint=f"sign in again with: reactor login --context {self._name}",
            details=details,
        )


def session_of(answer: Any, token_path: str, client_id: str, scopes: tuple[str, ...] = ()) -> SignInSession:
    """Read the answer of a token endpoint (RFC 6749 §5.1). Raises CliError for what is none."""
    found = answer if isinstance(answer, dict) else {}
    access, refresh = found.get("access_token"), found.get("refresh_token")
    if not isinstance(access, str) or not access or not isinstance(refresh, str | None):
        raise CliError("SERVER_ERROR", "the server's answer holds no access token", hint="is it a Reactor server?")
    scope = found.get("scope")
    return SignInSession(
        access,
        refresh or None,
        _expiry(found),
        tuple(scope.split()) if isinstance(scope, str) else scopes,
        token_path,
        client_id,
    )


def keep(contexts: Contexts, context: Context, session: SignInSession) -> None:
    """Put a sign-in into a context; what it kept before is forgotten."""
    contexts.drop_secrets(context.auth)
    access, refresh = f"{context.name}_access", f"{context.name}_refresh"
    contexts.secrets[access] = session.access_token
    if session.refresh_token is not None:
        contexts.secrets[refresh] = session.refresh_token
    auth = StoredAuth(
        "session",
        access_account=access,
        refresh_account=refresh if session.refresh_token is not None else None,
        expires_at=session.expires_at,
        scopes=session.scopes,
        token_path=session.token_path,
        client_id=session.client_id,
    )
    contexts.put(replace(context, auth=auth))


def keep_token(contexts: Contexts, context: Context, token: str) -> None:
    """Put a bare token into a context; what it kept before is forgotten."""
    contexts.drop_secrets(context.auth)
    account = f"{context.name}_access"
    contexts.secrets[account] = token
    contexts.put(replace(context, auth=StoredAuth("token", access_account=account)))


def _expiry(answer: Mapping[str, Any]) -> datetime:
    """Return when the access token expires; by this machine's clock, whatever the server's says."""
    seconds, instant = answer.get("expires_in"), answer.get("expires_at")
    if isinstance(seconds, int) and not isinstance(seconds, bool):
        return (datetime.now(UTC) + timedelta(seconds=max(0, min(seconds, 10**9)))).replace(microsecond=0)
    if isinstance(instant, str):
        try:
            found = datetime.fromisoformat(instant)
        except ValueError:
            raise CliError("SERVER_ERROR", f"the server's expires_at is no time: {instant!r}") from None
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    raise CliError("SERVER_ERROR", "the server's answer does not say when the access token expires")
