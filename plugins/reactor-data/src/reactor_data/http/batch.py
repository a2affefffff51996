"""`/data/v1/_batch`: several requests, one transaction (decision 34)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_data.batch.replays import Replay
from reactor_data.batch.requests import read_batch
from reactor_data.batch.running import Batches
from reactor_data.errors import DataError

if TYPE_CHECKING:
    import falcon


class BatchResource:
    """Does all of a list of requests, or nothing."""

    def __init__(self, batches: Batches, *, minimal: bool) -> None:
        self._batches = batches
        self._minimal = minimal

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Run the requests; the answer to a repeated `Idempotency-Key` is the first one's."""
        body = req.bounded_stream.read()
        try:
            requests = read_batch(body)
            key = req.get_header("Idempotency-Key")
            replay = None if key is None else Replay(key, req.context.identity, body)
            answer, again = self._batches.run(req, requests, replay)
        except DataError as error:
            raise self._shown(error) from error
        resp.content_type = "application/json; charset=utf-8"
        resp.data = answer
        if again:
            resp.set_header("Idempotent-Replayed", "true")

    def _shown(self, error: DataError) -> DataError:
        if not self._minimal:
            return error
        plain = error.minimal()
        failed = error.top_level.get("failed")
        if failed is not None:
            plain.top_level = {**plain.top_level, "failed": failed}
        return plain
