"""`GET /data/v1/_admin/lint`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from reactor_data.lint.model import Finding

if TYPE_CHECKING:
    import falcon


class LintResource:
    """What policies, grants and functions rarely mean."""

    def __init__(self, findings: Callable[[], Sequence[Finding]]) -> None:
        self._findings = findings

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List findings, errors first."""
        resp.content_type = "application/json; charset=utf-8"
        resp.data = msgspec.json.encode(self._findings())
