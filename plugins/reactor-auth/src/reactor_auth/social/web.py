"""HTTP to providers, with limits on how long and how much is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from reactor_auth.social.errors import ProviderError, ProviderUnavailable

if TYPE_CHECKING:
    import httpx

CONNECT_SECS = 5.0
ANSWER_SECS = 10.0
MAX_BYTES = 1 << 20


def open_client() -> httpx.Client:
    """Return a client for all providers; redirects are not followed, because secrets go where the configuration says."""
    import httpx

    from reactor_auth import __version__

    return httpx.Client(
        timeout=httpx.Timeout(ANSWER_SECS, connect=CONNECT_SECS),
        follow_redirects=False,
        headers={"Accept": "application/json", "User-Agent": f"reactor-auth/{__version__}"},
    )


def get_json(client: httpx.Client, url: str, *, name: str, token: str | None = None) -> Any:
    """Read a JSON document of the provider `name`.

    Raises:
        ProviderUnavailable: it does not answer, or answers 5xx or 429.
        ProviderError: it answers something else than 200 with JSON.
    """
    import httpx

    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        with client.stream("GET", url, headers=headers) as answer:
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ProviderError(f"{name} answered with more than {MAX_BYTES} bytes")
            status = answer.status_code
    except httpx.HTTPError as fault:
        raise unavailable(name) from fault
    demand_success(name, status)
    try:
        return msgspec.json.decode(bytes(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise ProviderError(f"{name} answered something that is not JSON") from fault


def demand_success(name: str, status: int) -> None:
    """Raise unless the provider answered 200."""
    if status >= 500 or status == 429:
        raise unavailable(name)
    if status != 200:
        raise ProviderError(f"{name} answered with status {status}")


def unavailable(name: str) -> ProviderUnavailable:
    """Make the error for a provider that does not answer."""
    return ProviderUnavailable(f"{name} does not answer at the moment")
