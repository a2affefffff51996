"""A schema cache on a real database."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def load(lab: Any) -> Callable[..., Any]:
    """Run SQL and return the cache of the exposed schemas: `load(sql, schema="public", extra=[])`."""
    from reactor_data.catalog.cache import SchemaCache
    from reactor_kernel.clock import SystemClock

    def make(sql: str, *, schema: str = "public", extra: tuple[str, ...] = ()) -> Any:
        with lab.db.begin() as tx:
            tx.connection.exec_driver_sql(sql.replace("%", "%%"))
        return SchemaCache(
            lab.db, schema=schema, extra_search_path=extra, clock=SystemClock(), log=logging.getLogger("catalog")
        )

    return make
