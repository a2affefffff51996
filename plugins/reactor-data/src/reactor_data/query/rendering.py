"""The body of an answer as Postgres writes it, by media type (contract data.md §4.11)."""

from __future__ import annotations

from typing import Literal

import msgspec


class Shape(msgspec.Struct, frozen=True):
    """The form of a body: an array of rows, or the one row there must be."""

    kind: Literal["array", "object"] = "array"

    @property
    def singular(self) -> bool:
        """Tell whether exactly one row is asked for."""
        return self.kind == "object"


def body_sql(shape: Shape, source: str) -> str:
    """Return the aggregate expression that makes the body of the rows of `source`, a quoted alias."""
    return f"json_agg({source}.*)->0" if shape.singular else f"coalesce(json_agg({source}.*), '[]')"
