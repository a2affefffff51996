"""The browser and the clients of `tests/oauth`, for what happens at the same moment."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx
import pytest

_OAUTH = Path(__file__).parents[1] / "oauth" / "conftest.py"
_spec = importlib.util.spec_from_file_location("oauth_fixtures", _OAUTH)
assert _spec is not None
assert _spec.loader is not None
oauth = sys.modules["oauth_fixtures"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(oauth)

App, Browser, Page = oauth.App, oauth.Browser, oauth.Page
browser, cli, page_of, register, sent_back = (
    oauth.browser,
    oauth.cli,
    oauth.page_of,
    oauth.register,
    oauth.sent_back,
)

__all__ = ["browser", "cli", "page_of", "register", "sent_back"]


class Parallel:
    """Does several things at the same moment."""

    def __init__(self, pool: ThreadPoolExecutor, api: Any) -> None:
        self._pool = pool
        self._api = api

    def __call__(self, *acts: Callable[[], httpx.Response]) -> list[httpx.Response]:
        """Run all acts at once; return what each answered."""
        start = Barrier(len(acts))

        def run(act: Callable[[], httpx.Response]) -> httpx.Response:
            start.wait(10)
            return act()

        return list(self._pool.map(run, acts))

    def behind(self, statement: str, *params: str) -> Behind:
        """Let requests begin while a transaction that changed something has not committed yet."""
        return Behind(self._pool, self._api, statement, params)


class Behind:
    """A transaction that is open; what `begin` starts waits for it."""

    def __init__(self, pool: ThreadPoolExecutor, api: Any, statement: str, params: tuple[str, ...]) -> None:
        self._pool = pool
        self._api = api
        self._statement = statement
        self._params = params

    def __enter__(self) -> Behind:
        from reactor_kernel.api import Statement

        self._tx = self._api.kernel.database.begin()
        self._tx.__enter__()
        self._tx.run([Statement(self._statement, self._params, prepare=False)])
        return self

    def begin(self, act: Callable[[], httpx.Response]) -> Future[httpx.Response]:
        """Start an act, and return once it waits for the transaction."""
        future = self._pool.submit(act)
        for _ in range(500):
            waiting = self._api.sql(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            if waiting != [["0"]]:
                return future
            time.sleep(0.02)
        raise AssertionError("it waits for nothing")

    def __exit__(self, *problem: Any) -> None:
        self._tx.__exit__(*problem)


@pytest.fixture
def parallel(api: Any) -> Iterator[Parallel]:
    with ThreadPoolExecutor(4) as pool:
        yield Parallel(pool, api)
