"""A database that cannot be reached."""

from __future__ import annotations

import logging

import pytest

from reactor_data.asking import Asker
from reactor_data.catalog.cache import SchemaCache
from reactor_data.config import DataConfig
from reactor_data.errors import DataError
from reactor_data.planning import Plans
from reactor_data.query.levels import Rules
from reactor_data.query.rendering import Shape
from reactor_data.reading import Reader
from reactor_data.running import Caller, Runner
from reactor_kernel.api import ANONYMOUS
from reactor_kernel.clock import SystemClock
from reactor_kernel.db.database import PostgresDatabase


def test_an_outage_has_the_codes_of_both_kinds_of_clients() -> None:
    database = PostgresDatabase("postgresql://nobody@127.0.0.1:1/none", acquire_timeout_secs=1)
    log = logging.getLogger("reactor_data")
    cache = SchemaCache(database, schema="public", extra_search_path=[], clock=SystemClock(), log=log)
    reader = Reader(Runner(database, cache, DataConfig(), log), cache, Plans(Rules()), DataConfig())
    asked = Asker(DataConfig()).understand("", None, None, Shape(), True)
    with pytest.raises(DataError) as raised:
        reader.read(Caller(ANONYMOUS, "r", {}), "todos", asked)
    error = raised.value
    assert (error.status, error.error_code, error.pgrst) == (503, "database_unavailable", "PGRST001")
    assert error.message == "The database cannot be reached."
    assert error.headers["Proxy-Status"] == "reactor-data; error=PGRST001"
