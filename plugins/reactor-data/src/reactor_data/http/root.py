"""`/data/v1/`: what the caller may use, as OpenAPI 2.0 (contract data.md §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from reactor_data.asking import Asker
from reactor_data.config import DataConfig
from reactor_data.description.document import describe
from reactor_data.description.rights import RightsReader
from reactor_data.errors import DataError, not_acceptable
from reactor_data.http.requests import CallerReader

if TYPE_CHECKING:
    import falcon

OPENAPI = "application/openapi+json"
_MADE = (OPENAPI, "application/json", "application/*", "*/*")


class RootResource:
    """Describes the schema that the profile names."""

    def __init__(self, rights: RightsReader, callers: CallerReader, asker: Asker, config: DataConfig) -> None:
        self._rights = rights
        self._callers = callers
        self._asker = asker
        self._config = config
        self._minimal = config.error_verbosity == "minimal"
        self._follows = config.openapi_mode == "follow-privileges"

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Return the document."""
        try:
            resp.data = self._described(req, resp)
        except DataError as error:
            raise self._shown(error) from error

    def on_head(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer what GET would, without the body."""
        try:
            self._described(req, resp)
        except DataError as error:
            raise self._shown(error) from error

    def on_options(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Say which methods there are."""
        resp.set_header("Allow", "OPTIONS,GET,HEAD")
        resp.status = 200

    def _described(self, req: falcon.Request, resp: falcon.Response) -> bytes:
        if self._config.openapi_mode == "disabled":
            raise DataError(
                404,
                "not_found",
                "Root endpoint metadata is disabled",
                pgrst="PGRST126",
                hint="[data] openapi_mode decides.",
            )
        resp.content_type = _accepted(req.env.get("HTTP_ACCEPT"))
        schema = self._callers.schema(req)
        caller = self._callers.read(req, self._asker.preferences(req.env.get("HTTP_PREFER")), schema)
        rights = self._rights.read(caller, schema) if self._follows else None
        self._callers.profile_headers(resp, schema)
        resp.append_header("Vary", "Accept, Prefer, Range")
        found = describe(schema, rights, host=req.netloc, scheme=req.scheme, base_path="/data/v1")
        return msgspec.json.encode(found)

    def _shown(self, error: DataError) -> DataError:
        return error.minimal() if self._minimal else error


def _accepted(header: str | None) -> str:
    entries = [entry.split(";")[0].strip().lower() for entry in (header or "*/*").split(",")]
    for entry in entries:
        if entry in _MADE:
            return f"{OPENAPI if entry != 'application/json' else entry}; charset=utf-8"
    raise not_acceptable([entry for entry in entries if entry], f"The root document is {OPENAPI} or application/json.")
