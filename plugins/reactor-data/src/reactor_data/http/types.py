"""`/data/v1/_admin/types/{language}`: the exposed schemas as a module of a client's language (contract data.md §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_data.catalog.cache import SchemaCache
from reactor_data.errors import DataError
from reactor_data.types.python import python
from reactor_data.types.typescript import typescript

if TYPE_CHECKING:
    import falcon

_LANGUAGES = {
    "typescript": (typescript, "text/typescript; charset=utf-8"),
    "python": (python, "text/x-python; charset=utf-8"),
}


class TypesResource:
    """Writes the module."""

    def __init__(self, schema: SchemaCache) -> None:
        self._schema = schema

    def on_get(self, req: falcon.Request, resp: falcon.Response, language: str) -> None:
        """Return it, of the database as it is now."""
        found = _LANGUAGES.get(language)
        if found is None:
            raise DataError(
                404,
                "not_found",
                f"types are not generated for {language}",
                hint=f"Ask for one of: {', '.join(_LANGUAGES)}.",
            )
        write, resp.content_type = found
        # What was made without a notice must be in the file too.
        self._schema.doubt(self._schema.snapshot().version)
        resp.data = write(self._schema.snapshot()).encode()
