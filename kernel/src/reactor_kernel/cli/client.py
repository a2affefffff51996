"""The HTTP side of the tool: retries, and each refusal as the code and exit class of the contract (cli.md §1.6, §10.3)."""

from __future__ import annotations

import errno
import ipaddress
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urlsplit

import httpx

from reactor_kernel import __version__
from reactor_kernel.cli.errors import CliError
from reactor_kernel.cli.output import printable
from reactor_kernel.ids import uuid7

_IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE")
_RETRIES = 3
_LONGEST_WAIT = 30.0


@dataclass(frozen=True, slots=True)
class Advice:
    """What to tell somebody whose credential is missing, refused, or not enough."""

    missing: str = "pass the admin token as REACTOR_TOKEN"
    refused: str = "the token is not the one of this server; see [admin] token"
    forbidden: str | None = "admin access is restricted to loopback unless [admin] allow_remote = true"


class Client:
    """Talks to one server with one token.

    Args:
        endpoint: the server's base URL without a trailing slash.
        token: sent as bearer; None sends none.
        debug: told about each request; never about headers or bodies.
        timeout: seconds for one request.
        org: the organisation that requests are about.
        renew: given a token that the server refused, returns another one; asked at most once.
        advice: hints for refusals.
        named_by: what named the server, for people who do not see it on the command line.
    """

    def __init__(
        self,
        endpoint: str,
        token: str | None,
        *,
        debug: Callable[[str], None],
        timeout: float = 30.0,
        org: str | None = None,
        renew: Callable[[str], str] | None = None,
        advice: Advice | None = None,
        named_by: str | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._token = token
        self._debug = debug
        self._org = org
        self._renew = renew
        self._advice = advice or Advice()
        self._shown = endpoint if named_by is None else f"{endpoint}, the server of {named_by},"
        # A proxy of the environment must not be handed the token of a server on this machine.
        self._http = httpx.Client(timeout=timeout, trust_env=not _is_loopback(endpoint), follow_redirects=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        form: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (),
        retries: int = _RETRIES,
        repeatable: bool | None = None,
        text: bool = False,
    ) -> Any:
        """Send a request and return the parsed answer, unwrapped; GET, PUT and DELETE are tried again.

        Args:
            body: sent as JSON.
            form: sent as a form, instead of `body`.
            accept: statuses of 400 and above that are an answer here and not a failure.
            retries: how often a repeatable request is tried again.
            repeatable: whether the request may be sent again after a failure; None decides by the method.
            text: the answer is text and returned as such, not JSON.

        Raises:
            CliError: the server refused, or could not be reached.
        """
        attempts = 1 + (retries if (method in _IDEMPOTENT if repeatable is None else repeatable) else 0)
        for attempt in range(attempts):
            last = attempt == attempts - 1
            try:
                response = self._admitted(method, path, params, body, form)
            except httpx.TransportError as error:
                if last:
                    self._unreachable(error)
                self._pause(attempt, None)
                continue
            if response.status_code in accept:
                return _parsed(response)
            wait = _retry_after(response)
            if not last and (response.status_code >= 500 or (response.status_code == 429 and wait <= _LONGEST_WAIT)):
                self._pause(attempt, wait if response.status_code == 429 else None)
                continue
            if response.status_code >= 300:
                self._refused(response)
            return response.text if text else _parsed(response)
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def stream(self, path: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Iterator[Iterator[str]]:
        """Open a server-sent event stream and hand out its lines; a quiet stream is not a timeout before 60 s.

        Raises:
            CliError: the server refused.
            httpx.TransportError: the connection could not be made or broke.
        """
        self._debug(f"GET {self.endpoint}{path}")
        with self._http.stream(
            "GET",
            self.endpoint + path,
            params=params,
            headers={**self._headers(), "Accept": "text/event-stream", **headers},
            # The heartbeat comes every 15 s: four missed ones mean that nobody is there.
            timeout=httpx.Timeout(30.0, read=60.0),
        ) as response:
            if response.status_code >= 300:
                response.read()
                self._refused(response)
            yield response.iter_lines()

    def _admitted(
        self, method: str, path: str, params: Mapping[str, str] | None, body: Any, form: Mapping[str, str] | None
    ) -> httpx.Response:
        """Send a request; once more with another token where the server refuses this one."""
        response = self._send(method, path, params, body, form)
        renew, token = self._renew, self._token
        if response.status_code == 401 and renew is not None and token is not None:
            self._renew = None
            self._debug("the server refused the access token; it is refreshed")
            self._token = renew(token)
            return self._send(method, path, params, body, form)
        return response

    def _send(
        self, method: str, path: str, params: Mapping[str, str] | None, body: Any, form: Mapping[str, str] | None
    ) -> httpx.Response:
        started = time.monotonic()
        try:
            response = self._http.request(
                method, self.endpoint + path, params=params, json=body, data=form, headers=self._headers()
            )
        except httpx.InvalidURL as error:
            raise CliError("URL_ERROR", f"{self.endpoint!r} is not the URL of a server: {error}") from None
        spent = (time.monotonic() - started) * 1000
        self._debug(f"{method} {self.endpoint}{path} → {response.status_code} in {spent:.0f} ms")
        return response

    def _headers(self) -> dict[str, str]:
        headers = {"X-Request-Id": str(uuid7()), "User-Agent": f"reactor-client/{__version__}"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if self._org:
            headers["X-Reactor-Org"] = self._org
        return headers

    def _pause(self, attempt: int, wait: float | None) -> None:
        seconds = wait if wait is not None else 0.1 * 2**attempt
        self._debug(f"trying again in {seconds:g} s")
        time.sleep(seconds)

    def unreachable(self, error: httpx.TransportError) -> CliError:
        """Name what kept the server from being reached."""
        if isinstance(error, httpx.TimeoutException):
            return CliError("TIMEOUT", f"{self._shown} did not answer in time", hint="try again later")
        if _is_refusal(error):
            return CliError(
                "CONNECTION_REFUSED",
                f"nothing listens at {self._shown.rstrip(',')}",
                hint="is the server up? start it with: reactor up",
            )
        return CliError("NETWORK_ERROR", f"{self._shown} cannot be reached: {error}")

    def _unreachable(self, error: httpx.TransportError) -> NoReturn:
        raise self.unreachable(error) from None

    def _refused(self, response: httpx.Response) -> NoReturn:
        status = response.status_code
        if status < 400:
            # Not followed: the token would be shown to whoever the answer names, and a POST would become a GET.
            there = response.headers.get("Location")
            raise CliError(
                "URL_ERROR",
                f"{self._shown.rstrip(',')} answered {status} instead of doing it"
                + (f" and points to {printable(there)}" if there else ""),
                hint="name the server by the URL at which it answers itself",
                details={"server_code": f"HTTP_{status}", "status": status},
            )
        error = _error_object(response)
        server_code = error.get("code") or f"HTTP_{status}"
        message = error.get("message") or f"the server answered {status}"
        details: dict[str, Any] = {"server_code": server_code, "status": status}
        request_id = error.get("request_id") or response.headers.get("X-Request-Id")
        if request_id:
            details["request_id"] = request_id
        extra = error.get("details")
        if isinstance(extra, dict):
            details |= {key: value for key, value in extra.items() if key not in details}
        if error.get("fields"):
            details["fields"] = error["fields"]
        code, hint = self._classified(status, str(server_code), _retry_after(response))
        if status == 401 and code == "AUTH_FAILED":
            # The server speaks to programs ("POST /auth/v1/token"); what helps here is known here.
            raise CliError(code, str(message), hint=hint, details=details)
        raise CliError(code, str(message), hint=error.get("hint") or hint, details=details)

    def _classified(self, status: int, server_code: str, wait: float) -> tuple[str, str | None]:
        if status == 401 and not self._token:
            return "AUTH_REQUIRED", self._advice.missing
        if status == 401:
            return "AUTH_FAILED", self._advice.refused
        if status == 403 and server_code == "step_up_required":
            return "PERMISSION_DENIED", "sign in again with a security key"
        if status == 403:
            return "PERMISSION_DENIED", self._advice.forbidden
        if status == 400 and server_code in ("validation_error", "invalid_bundle"):
            return "VALIDATION_ERROR", None
        if status == 429:
            return "CLIENT_ERROR", f"try again in {wait:g} s" if wait else "try again later"
        return ("SERVER_ERROR", None) if status >= 500 else ("CLIENT_ERROR", None)


def _error_object(response: httpx.Response) -> dict[str, Any]:
    try:
        document = response.json()
    except ValueError:
        return {}
    error = document.get("error") if isinstance(document, dict) else None
    return error if isinstance(error, dict) else {}


def _parsed(response: httpx.Response) -> Any:
    if not response.content:
        return None
    try:
        document = response.json()
    except json.JSONDecodeError as error:
        raise CliError(
            "SERVER_ERROR", f"the server's answer is not JSON: {error}", hint="is it a Reactor server?"
        ) from None
    if isinstance(document, dict) and document.get("ok") is True and "data" in document:
        return document["data"]
    return document


def _retry_after(response: httpx.Response) -> float:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 0.0


def _is_refusal(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno == errno.ECONNREFUSED:
            return True
        error = error.__cause__ or error.__context__
    return False


def _is_loopback(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
