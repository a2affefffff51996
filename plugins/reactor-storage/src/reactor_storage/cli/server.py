"""The storage routes of one server, for contents: connections of their own, tried again when they break."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from reactor_kernel.api import Access, CommandContext, CredentialKind, uuid7

if TYPE_CHECKING:
    import httpx

ATTEMPTS = 5
_LONGEST_WAIT = 30.0
_PASSING = frozenset((408, 429, 500, 502, 503, 504))
# A content that was spoilt on its way was not stored, so it is sent again.
_SPOILT = "checksum_mismatch"


class Refused(Exception):
    """The server said no."""

    def __init__(self, status: int, error: Mapping[str, Any], request_id: str | None) -> None:
        self.status = status
        self.code = str(error.get("code") or f"HTTP_{status}")
        self.message = str(error.get("message") or f"the server answered {status}")
        self.hint = error.get("hint")
        details = error.get("details")
        self.details: dict[str, Any] = details if isinstance(details, dict) else {}
        self.request_id = error.get("request_id") or request_id
        super().__init__(self.message)

    def stop(self, command: CommandContext) -> None:
        """End the command with the tool's code for it."""
        codes = {401: "AUTH_FAILED", 403: "PERMISSION_DENIED"}
        code = codes.get(self.status, "SERVER_ERROR" if self.status >= 500 else "CLIENT_ERROR")
        facts = {"server_code": self.code, "status": self.status, "request_id": self.request_id}
        command.stop(code, self.message, hint=self.hint, details={**self.details, **facts})


class GivenUp(Exception):
    """The command ends, so what goes on beside it does, too."""


class StorageServer:
    """Sends and fetches contents. Several threads may use it."""

    def __init__(self, command: CommandContext) -> None:
        import httpx

        self._command = command
        self._lock = threading.Lock()
        self._ending = threading.Event()
        server = command.server()
        self._endpoint, self._org = server.endpoint, server.org
        self._token = self._fresh_token()
        # A proxy of the environment must not be handed the token of a server on this machine.
        self._http = httpx.Client(
            timeout=httpx.Timeout(60.0, read=300.0), trust_env=not _is_loopback(server.endpoint), follow_redirects=False
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def give_up(self) -> None:
        """Let transfers that run end at their next step with GivenUp."""
        self._ending.set()

    def go_on(self) -> None:
        """Raise GivenUp where the command ends."""
        if self._ending.is_set():
            raise GivenUp

    def send(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None,
        content: bytes | None = None, even_at_end: bool = False,
    ) -> httpx.Response:  # fmt: skip
        """Send a request that may be sent twice, and return the answer.

        Raises:
            Refused, httpx.TransportError: after what may pass was tried again.
            GivenUp: the command ends, unless this belongs to its end.
        """
        import httpx

        renewed = False
        for attempt in range(ATTEMPTS):
            if not even_at_end:
                self.go_on()
            last, token = attempt == ATTEMPTS - 1, self._token
            try:
                response = self._http.request(
                    method, self._endpoint + path, params=params, content=content, headers=self._headers(token, headers)
                )
            except httpx.TransportError:
                if last:
                    raise
                pause(attempt)
                continue
            if response.status_code < 400:
                return response
            refusal = _refusal(response)
            if refusal.status == 401 and not (last or renewed) and self._renew(token):
                renewed = True
                continue
            if last or not may_pass(refusal):
                raise refusal
            pause(attempt, response.headers.get("Retry-After"))
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def fetch(self, path: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """Open a content; the caller reads it. Raises Refused, httpx.TransportError at once."""
        token = self._token
        for may_renew in (True, False):
            sent = self._headers(token, {"Accept-Encoding": "identity", **headers})
            with self._http.stream("GET", self._endpoint + path, headers=sent) as response:
                if response.status_code < 400:
                    yield response
                    return
                response.read()
                if response.status_code != 401 or not may_renew or not self._renew(token):
                    raise _refusal(response)
            token = self._token

    def _headers(self, token: str | None, more: Mapping[str, str] | None) -> dict[str, str]:
        headers = {"X-Request-Id": str(uuid7()), "User-Agent": "reactor-client/storage", **(more or {})}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if self._org is not None:
            headers["X-Reactor-Org"] = self._org
        return headers

    def _fresh_token(self) -> str | None:
        """Return the user's token; the tool renews a sign-in by a request of its own."""
        found = self._command.credential(Access.USER)
        if found is not None and found.kind is CredentialKind.SESSION:
            self._command.request("GET", "/storage/v1/buckets", access=Access.USER)
            found = self._command.credential(Access.USER)
        return None if found is None else found.token

    def _renew(self, refused: str | None) -> bool:
        """Return whether there is another token than the one that was refused."""
        with self._lock:
            if self._token == refused and refused is not None:
                self._token = self._fresh_token()
            return self._token != refused


@contextmanager
def talking(command: CommandContext) -> Iterator[StorageServer]:
    """Hand out the server; what it refuses, or a connection that breaks, ends the command."""
    import httpx

    server = StorageServer(command)
    try:
        yield server
    except Refused as refusal:
        refusal.stop(command)
    except httpx.TimeoutException:
        command.stop("TIMEOUT", f"{command.server().endpoint} did not answer in time", hint="try again later")
    except httpx.TransportError as error:
        if _is_refusal(error):
            command.stop(
                "CONNECTION_REFUSED", f"nothing listens at {command.server().endpoint}", hint="is the server up?"
            )
        command.stop("NETWORK_ERROR", f"the connection to {command.server().endpoint} broke: {error}")
    finally:
        server.close()


def _refusal(response: httpx.Response) -> Refused:
    try:
        document = response.json()
    except ValueError:
        document = None
    error = document.get("error") if isinstance(document, dict) else None
    return Refused(response.status_code, error if isinstance(error, dict) else {}, response.headers.get("X-Request-Id"))


def may_pass(error: Exception) -> bool:
    """Tell whether it is worth to try again what failed so."""
    return not isinstance(error, Refused) or error.status in _PASSING or error.code == _SPOILT


def pause(attempt: int, wait: str | None = None) -> None:
    """Wait before the next attempt, as long as the server says."""
    seconds = float(wait) if wait is not None and wait.isdigit() else 0.2 * 2**attempt
    time.sleep(min(seconds, _LONGEST_WAIT))


def _is_refusal(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ConnectionRefusedError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _is_loopback(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
