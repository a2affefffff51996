"""`/data/v1/rpc/{function}`: functions, which this version does not call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_data.errors import unsupported

if TYPE_CHECKING:
    import falcon


class FunctionResource:
    """Says plainly that functions cannot be called yet."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, function: str) -> None:
        """Refuse."""
        raise unsupported(f"calling functions (rpc/{function}) is")

    on_head = on_get
    on_post = on_get
