"""The user's contexts: the servers there are, and how to sign in to each (cli.md §2.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reactor_kernel.cli.errors import CliError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
_KINDS = ("none", "token", "token-env", "session")


@dataclass(frozen=True, slots=True)
class StoredAuth:
    """How one context signs in: `none`, `token`, `token-env` or `session`; the secrets themselves are kept apart."""

    kind: str = "none"
    env: str | None = None
    access_account: str | None = None
    refresh_account: str | None = None
    expires_at: datetime | None = None
    scopes: tuple[str, ...] = ()
    token_path: str | None = None
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """A named server."""

    name: str
    endpoint: str
    org: str | None = None
    auth: StoredAuth = field(default_factory=StoredAuth)


class Contexts:
    """What both files say. Unknown keys are kept when they are written again.

    Args:
        path: the file with the contexts, for error messages.
        document: its content.
        secrets: account → token.
    """

    def __init__(self, path: Path, document: dict[str, Any], secrets: dict[str, str]) -> None:
        self._path = path
        self.document = document
        self.secrets = secrets

    @property
    def names(self) -> list[str]:
        """The names in the order of the file."""
        return list(self._tables())

    @property
    def active(self) -> str | None:
        """The context that is used where none is named; `default` is an older spelling of the key."""
        for key in ("active_context", "default"):
            name = self.document.get(key)
            if isinstance(name, str) and name:
                return name
        return "default" if "default" in self._tables() else None

    @active.setter
    def active(self, name: str | None) -> None:
        self.document.pop("default", None)
        self.document.pop("active_context", None)
        if name is not None:
            # A plain key must stand before the tables.
            self.document = {"active_context": name, **self.document}

    def get(self, name: str) -> Context | None:
        """Return a context by name."""
        table = self._tables().get(name)
        return None if table is None else self._context(name, table)

    def at(self, endpoint: str) -> Context | None:
        """Return the context of a server: the active one where several have this URL."""
        found = [context for context in map(self.get, self.names) if context and context.endpoint == endpoint]
        return next((context for context in found if context.name == self.active), found[0] if found else None)

    def put(self, context: Context) -> None:
        """Store a context in the place of the one with its name; the first one becomes active."""
        table = self._tables(make=True).setdefault(context.name, {})
        table["endpoint"] = context.endpoint
        table.pop("org", None)
        if context.org is not None:
            table["org"] = context.org
        table.update(auth=_auth_table(context.auth))
        if self.active is None:
            self.active = context.name

    def remove(self, name: str) -> None:
        """Drop a context with its secrets."""
        context = self.get(name)
        if context is not None:
            self.drop_secrets(context.auth)
            del self._tables()[name]
        if self.document.get("active_context") == name or self.document.get("default") == name:
            self.active = None

    def drop_secrets(self, auth: StoredAuth) -> None:
        """Forget the tokens of a context."""
        for account in (auth.access_account, auth.refresh_account):
            if account is not None:
                self.secrets.pop(account, None)

    def _tables(self, *, make: bool = False) -> dict[str, Any]:
        found = self.document.setdefault("contexts", {}) if make else self.document.get("contexts", {})
        if not isinstance(found, dict):
            raise self._fault("contexts", "must be a table")
        return found

    def _context(self, name: str, table: Any) -> Context:
        where = f"contexts.{name}"
        if not isinstance(table, dict):
            raise self._fault(where, "must be a table")
        auth = self._table(table, f"{where}.auth")
        endpoint = self._text(table, f"{where}.endpoint")
        if endpoint is None:
            raise self._fault(f"{where}.endpoint", "is missing")
        return Context(
            name,
            checked_endpoint(endpoint, f"{where}.endpoint in {self._path}"),
            self._text(table, f"{where}.org"),
            self._auth(auth, f"{where}.auth"),
        )

    def _auth(self, table: dict[str, Any], where: str) -> StoredAuth:
        kind = self._text(table, f"{where}.kind") or "none"
        if kind == "keychain" or self._text(table, f"{where}.storage") == "keychain":
            raise CliError(
                "KEYCHAIN_ERROR",
                f"{where} in {self._path} keeps its token in a keychain, which this tool does not read",
                hint="sign in again with: reactor login",
            )
        if kind not in _KINDS:
            raise self._fault(f"{where}.kind", f"must be one of {', '.join(_KINDS)}, not {kind!r}")
        scopes = table.get("scopes", [])
        if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
            raise self._fault(f"{where}.scopes", "must be a list of strings")
        expires = table.get("expires_at")
        if isinstance(expires, str):
            with suppress(ValueError):
                expires = datetime.fromisoformat(expires)
        if expires is not None and not isinstance(expires, datetime):
            raise self._fault(f"{where}.expires_at", "must be a time")
        if expires is not None and expires.tzinfo is None:
            expires = expires.replace(tzinfo=UTC)
        return StoredAuth(
            kind,
            self._text(table, f"{where}.env"),
            self._text(table, f"{where}.access_account"),
            self._text(table, f"{where}.refresh_account"),
            expires,
            tuple(scopes),
            self._text(table, f"{where}.token_path"),
            self._text(table, f"{where}.client_id"),
        )

    def _table(self, table: Mapping[str, Any], where: str) -> dict[str, Any]:
        value = table.get(where.rpartition(".")[2], {})
        if not isinstance(value, dict):
            raise self._fault(where, "must be a table")
        return value

    def _text(self, table: Mapping[str, Any], where: str) -> str | None:
        value = table.get(where.rpartition(".")[2])
        if value is not None and not isinstance(value, str):
            raise self._fault(where, "must be a string")
        return value or None

    def _fault(self, where: str, problem: str) -> CliError:
        return CliError("CONFIG_ERROR", f"{where} in {self._path} {problem}", hint="mend the file, or remove it")


def checked_name(name: str) -> str:
    """Return a valid name of a context. Raises CliError."""
    if not _NAME.match(name):
        raise CliError(
            "INVALID_ARGUMENT",
            f"{name!r} is not a name for a context",
            hint="use up to 63 letters, digits, dots, hyphens and underscores, with a letter or digit first",
        )
    return name


def checked_endpoint(endpoint: str, source: str) -> str:
    """Return the URL of a server without a trailing slash. Raises CliError that names where it came from."""
    try:
        parts = urlsplit(endpoint)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or parts.query or parts.fragment or parts.username or not endpoint.isascii() or " " in endpoint:
        place = "" if source == "--endpoint" else f" ({source})"
        raise CliError(
            "URL_ERROR",
            f"{endpoint!r} is not the URL of a server{place}",
            hint="write --endpoint http://127.0.0.1:8000"
            if source == "--endpoint"
            else "use one like http://127.0.0.1:8000",
        )
    return endpoint.rstrip("/")


def _auth_table(auth: StoredAuth) -> dict[str, Any]:
    if auth.kind in ("none", "token-env"):
        return _given(kind=auth.kind, env=auth.env)
    return _given(
        kind=auth.kind,
        storage="file",
        access_account=auth.access_account,
        refresh_account=auth.refresh_account,
        expires_at=auth.expires_at,
        token_path=auth.token_path,
        client_id=auth.client_id,
        scopes=list(auth.scopes) if auth.kind == "session" else None,
    )


def _given(**values: object) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
