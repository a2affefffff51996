"""The official JavaScript client under node, unchanged but for its base URL and headers, against this server."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def rows(*ids: int) -> list[dict[str, int]]:
    return [{"id": one} for one in ids]


FILTERS = {
    "eq": [4],
    "neq": [2, 3, 4],
    "gt": [1, 4],
    "gte": [1, 2, 4],
    "lt": [2],
    "lte": [2, 3],
    "like": [2],
    "likeAllOf": [3],
    "likeAnyOf": [2, 3],
    "ilike": [1, 2],
    "ilikeAllOf": [3],
    "ilikeAnyOf": [2, 3],
    "regexMatch": [1],
    "regexIMatch": [1],
    "is": [3],
    "is true": [1],
    "isDistinct": [2, 3, 4],
    "in": [3, 4],
    "notIn": [3, 4],
    "not": [1, 2, 4],
    "or": [1, 4],
    "match": [2],
    "filter": [3, 4],
    "textSearch": [1],
    "textSearch plain": [2],
    "textSearch phrase": [4],
    "textSearch websearch": [1, 3],
    "rangeGt": [3],
    "rangeGte": [1, 3],
    "rangeLt": [2],
    "rangeLte": [1, 2],
    "rangeAdjacent": [1],
    "overlaps range": [1, 2],
    "contains range": [1],
    "contains array": [1],
    "contains document": [1],
    "containedBy": [1, 2],
    "overlaps array": [1],
}
ANSWERS: dict[str, Any] = {
    "order and limit": {"data": rows(4, 1), "status": 200},
    "order nulls": {"data": rows(4, 2, 3, 1), "status": 200},
    "range": {"data": rows(2, 3), "status": 200},
    "count": {"data": rows(1), "status": 206, "count": 4},
    "head": {"data": None, "status": 200, "count": 4},
    "estimated": {"data": rows(1), "status": 200, "count": 1},
    "single": {"data": {"title": "Solaris"}, "status": 200},
    "single of none": {"code": "PGRST116", "status": 406},
    "maybeSingle": {"data": {"title": "Solaris"}, "status": 200},
    "maybeSingle of none": {"data": None, "status": 200},
    "csv": {"data": "id,year\n1,1974\n2,1971", "status": 200},
    "stripNulls": {"data": rows(4), "status": 200},
    "explain": "string",
    "throwOnError": {"data": rows(1), "status": 200},
    "aborted later": {"data": rows(1), "status": 200},
    "embed": {
        "data": [
            {"name": "Ursula", "books": [{"title": "Lathe of Heaven"}, {"title": "The Dispossessed"}]},
            {"name": "Stanislaw", "books": [{"title": "Solaris"}, {"title": 'Fiasco, or "not"'}]},
            {"name": "Nobody", "books": []},
        ],
        "status": 200,
    },
    "embed limit": {"data": [{"id": 1, "books": rows(1)}], "status": 200},
    "embed range": {"data": [{"id": 1, "books": rows(2)}], "status": 200},
    "embed inner": {"data": [{"name": "Stanislaw", "books": rows(4)}], "status": 200},
    "embed or": {"data": [{"id": 2, "books": rows(3)}], "status": 200},
    "embed to one": {"data": [{"title": "Solaris", "authors": {"name": "Stanislaw"}}], "status": 200},
    "embed spread": {"data": [{"title": "Solaris", "author": "Stanislaw"}], "status": 200},
    "insert": {"data": None, "status": 201},
    "insert and select": {"data": {"id": 11, "title": "Two", "about": "nothing"}, "status": 201},
    "insert many": {
        "data": [{"id": 12, "about": "nothing"}, {"id": 13, "about": "b"}],
        "status": 201,
        "count": 2,
    },
    "upsert": {"data": [{"id": 10, "year": 2}, {"id": 14, "year": 4}], "status": 201},
    "upsert ignored": {"data": [], "status": 201},
    "update": {"data": None, "status": 204, "count": 2},
    "update and select": {"data": [{"id": 10, "year": 5, "authors": None}], "status": 200},
    "too many": {"code": "PGRST124", "status": 400},
    "delete": {"data": None, "status": 204},
    "delete and select": {"data": rows(10, 12, 13, 14), "status": 200},
    "hidden from bob": {"data": [], "status": 200},
    "seen by bob": {"data": rows(9), "status": 200},
    "rpc": {"data": 3, "status": 200},
    "rpc get": {"data": 3, "status": 200},
    "rpc void": {"data": None, "status": 204},
    "rpc rows": {"data": rows(1, 2), "status": 206, "count": 3},
    "rpc one": {"data": {"title": 'Fiasco, or "not"'}, "status": 200},
    "rpc head": {"data": None, "status": 200, "count": 3},
    "schema": {"data": [{"body": "other schema"}], "status": 200},
    "unknown column": {"code": "42703", "status": 400},
    "unknown table": {"code": "PGRST205", "status": 404},
    "taken": {"code": "23505", "status": 409},
    "unknown function": {"code": "PGRST202", "status": 404},
    "unknown schema": {"code": "PGRST106", "status": 406},
    "no token": {"code": "PGRST302", "status": 401},
}


def test_every_builder_of_the_client_is_answered_as_it_expects(
    base: str, npm: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "node_modules").symlink_to(npm("@supabase/postgrest-js@2.109.0"))
    shutil.copy(HERE / "application.mjs", tmp_path)
    done = subprocess.run(
        ["node", "application.mjs", base], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert {name: found.pop(f"filter {name}") for name in FILTERS} == FILTERS
    assert found == ANSWERS
