"""`/data/v1/orgs/{org}/datasets/{dataset}/records`: where services append records to a table (contract data.md §3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from reactor_data.asking import Asker
from reactor_data.bodies import read_payload
from reactor_data.errors import DataError, invalid_body, permission_missing, too_many_rows
from reactor_data.http.answers import STATUS, finish
from reactor_data.http.receiving import whole_body
from reactor_data.http.requests import CallerReader
from reactor_data.http.subscriptions import credential_of
from reactor_data.query.compiler import Write
from reactor_data.writing import Writer
from reactor_kernel.api import AuthClient, Identity, IdentityKind, OrgRef

if TYPE_CHECKING:
    import falcon

MOST_RECORDS = 1000
_KEYS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


class RecordsResource:
    """Takes a bare JSON array; every record becomes a row of the table that the dataset names."""

    def __init__(
        self, writer: Writer, callers: CallerReader, asker: Asker, auth: Callable[[], AuthClient], *, minimal: bool
    ) -> None:
        self._writer = writer
        self._callers = callers
        self._asker = asker
        self._auth = auth
        self._minimal = minimal

    def on_post(self, req: falcon.Request, resp: falcon.Response, org: str, dataset: str) -> None:
        """Append at most 1,000 records; all of them or none."""
        try:
            self._append(req, resp, org, dataset)
        except DataError as error:
            raise (error.minimal() if self._minimal else error) from error

    def _append(self, req: falcon.Request, resp: falcon.Response, org: str, dataset: str) -> None:
        identity = self._in_org(req, org)
        if identity.kind is not IdentityKind.SERVICE and "*" not in identity.permissions:
            raise permission_missing("*", anonymous=False)
        payload = read_payload(req.content_type, whole_body(req), ())
        if not payload.array:
            raise invalid_body("records are a JSON array of objects", hint='Send [{"column": value}, …].')
        if payload.rows > MOST_RECORDS:
            raise too_many_rows(payload.rows, MOST_RECORDS, "records", "Send them in batches.")
        # Records need not have the same members; what one lacks is the column's default.
        names = sorted({name for record in _KEYS.decode(payload.text) for name in record})
        schema = self._callers.schema(req)
        preferences = self._asker.preferences(None)
        parsed = self._asker.query("")
        write = Write(
            "insert",
            parsed.query,
            keys=tuple(names),
            rows=payload.rows > 0,
            missing_default=True,
            textual=payload.textual,
        )
        caller = self._callers.read(req, preferences, schema, identity=identity)
        change = self._writer.write(caller, dataset, parsed, payload, write, None)
        resp.status = STATUS[201]
        resp.set_header("X-Affected-Rows", str(change.affected))
        resp.set_header("Content-Length", "0")
        finish(resp, caller, "", (), change.overrides)

    def _in_org(self, req: falcon.Request, org: str) -> Identity:
        identity: Identity = req.context.identity
        if org == identity.org_id:
            return identity
        return self._auth().resolve(credential_of(req) or "", OrgRef(org))
