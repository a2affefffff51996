"""A hundred writers of one key, with readers, copies and removals: who reads gets one whole content, and nothing is left over."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

WRITERS, READERS = 100, 20
SEED = int(os.environ.get("REACTOR_TEST_SEED", str(random.SystemRandom().randrange(1 << 32))))

pytestmark = [pytest.mark.faults, pytest.mark.thorough]


class Contents:
    """Contents of different sizes, by their ETag."""

    def __init__(self, dice: random.Random) -> None:
        sizes = [0, 1, 262143, 262144, 262145, 3 * 1024 * 1024]
        sizes += [int(2 ** dice.uniform(0, 21.5)) for _ in range(WRITERS - len(sizes))]
        dice.shuffle(sizes)
        self.all = [dice.randbytes(size) for size in sizes]
        self.by_etag = {f'"{hashlib.sha256(one).hexdigest()}"': one for one in self.all}


class Traffic:
    """Requests on one key from many threads, and what their answers were."""

    def __init__(self, someone: Any, contents: Contents) -> None:
        self.someone = someone
        self.contents = contents
        self.answers: Counter[tuple[str, int]] = Counter()
        self.over = threading.Event()
        self._lock = threading.Lock()

    def call(self, method: str, path: str, **options: Any) -> Any:
        answer = self.someone.call(method, path, **options)
        with self._lock:
            self.answers[method, answer.status_code] += 1
        return answer

    def put(self, content: bytes) -> None:
        """Store until it is accepted: a server that has no thread to spare says 503."""
        until = time.monotonic() + 240
        while (answer := self.call("PUT", "object/docs/one", content=content)).status_code == 503:
            assert time.monotonic() < until, answer.text
            time.sleep(0.1)
        assert answer.status_code == 200, answer.text
        assert self.contents.by_etag[answer.headers["ETag"]] == content

    def read(self, seed: int) -> int:
        """Read until the writers are done; return how many contents were seen."""
        dice, seen = random.Random(seed), 0
        while not self.over.is_set():
            ranged = dice.random() < 0.3
            start, end = sorted((dice.randrange(300000), dice.randrange(300000)))
            method = dice.choice(("GET", "GET", "GET", "HEAD"))
            headers = {"Range": f"bytes={start}-{end}"} if ranged else {}
            answer = self.call(method, "object/docs/one", headers=headers)
            if answer.status_code in (404, 503):
                time.sleep(0.01)
                continue
            if answer.status_code == 416:
                size = int(answer.headers["Content-Range"].removeprefix("bytes */"))
                assert size in {len(one) for one in self.contents.all}
                assert size <= start
                continue
            content = self.contents.by_etag[answer.headers["ETag"]]
            seen += 1
            if method == "HEAD":
                assert int(answer.headers["Content-Length"]) == len(content)
            elif ranged:
                assert answer.status_code == 206
                assert answer.headers["Content-Range"].endswith(f"/{len(content)}")
                assert answer.content == content[start : end + 1]
            else:
                assert answer.status_code == 200
                assert answer.content == content, "a content that is not the one of its ETag"
        return seen

    def disturb(self, seed: int) -> None:
        """Copy the object away, copy it back, and remove it."""
        dice = random.Random(seed)
        while not self.over.is_set():
            here, there = dice.choice((("one", "copy"), ("copy", "one")))
            act = dice.random()
            if act < 0.7:
                body = {"bucketId": "docs", "sourceKey": here, "destinationKey": there}
                answer = self.call("POST", "object/copy", json=body, headers={"X-Upsert": "true"})
            else:
                answer = self.call("DELETE", f"object/docs/{there}")
            # 409: it was replaced each time that the copy looked for it again.
            assert answer.status_code in (200, 204, 404, 409, 503), answer.text
            time.sleep(dice.uniform(0.0, 0.05))


@pytest.mark.parametrize("engine", ["waitress", "granian"])
def test_a_hundred_writers_of_one_key(
    serve: Callable[..., Any], someone: Callable[..., Any], leftovers: Callable[..., Any], engine: str
) -> None:
    if engine == "granian" and importlib.util.find_spec("granian") is None:
        pytest.skip("granian is not installed")
    dice = random.Random(SEED)
    server = serve(server={"engine": engine, "workers": 2, "threads": 24})
    contents = Contents(dice)
    ann = someone(server)
    assert ann.call("POST", "buckets", json={"name": "docs"}).status_code == 201
    traffic = Traffic(ann, contents)
    with ThreadPoolExecutor(WRITERS + READERS + 2) as pool:
        readers = [pool.submit(traffic.read, dice.randrange(1 << 32)) for _ in range(READERS)]
        others = [pool.submit(traffic.disturb, dice.randrange(1 << 32)) for _ in range(2)]
        writers = [pool.submit(traffic.put, content) for content in contents.all]
        try:
            for writer in writers:
                writer.result(280)
        finally:
            traffic.over.set()
        seen = [reader.result(60) for reader in readers]
        for other in others:
            other.result(60)
    note = f"seed {SEED}: {dict(traffic.answers)}"
    assert sum(seen) > READERS, note
    assert not [key for key in traffic.answers if key[1] >= 500 and key[1] != 503], note
    traffic.put(contents.all[0])
    assert ann.call("DELETE", "object/docs/copy").status_code in (204, 404)
    assert ann.content("docs", "one") == contents.all[0]
    left = leftovers(server)
    assert left.staged() == [], note
    assert left.referenced() == {hashlib.sha256(contents.all[0]).hexdigest()}
    left.check()
