"""Several transfers at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_parallel(
    jobs: int, tasks: Iterable[Callable[[], T]], give_up: Callable[[], object] = lambda: None
) -> Iterator[T]:
    """Run tasks on `jobs` threads and return their results in order.

    A task is taken from `tasks` only when one before it has ended, so what the tasks hold in memory is bounded. The first
    failure is raised: `give_up` tells the tasks that run, they are waited for, and no other begins.
    """
    with ThreadPoolExecutor(jobs) as pool:
        running: deque[Future[T]] = deque()
        try:
            for task in tasks:
                running.append(pool.submit(task))
                if len(running) >= jobs:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        except BaseException:
            give_up()
            for one in running:
                one.cancel()
            raise
