"""PostGraphile as a living peer of data.py: the five shapes in GraphQL, under the same role, claims and policies.

Its packages and a Node.js that it accepts come from npm into a folder: see README.md.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from processes import HERE, free_port, serving
from project import call

# Said of a read by Reactor; PostGraphile opens its transactions itself.
_NOT_ITS = {"transaction_read_only"}


def documents(album: int, track: int) -> dict[str, dict[str, str]]:
    """Return the GraphQL request of each shape."""
    play = f'(input: {{play: {{trackId: {track}, device: "bench"}}}}) {{ clientMutationId }}'
    found = {
        "key": f"{{ trackByRowId(rowId: {track}) {{ rowId orgId albumId genreId name seconds price }} }}",
        "filtered": "{ allTracks(first: 20, orderBy: PRIMARY_KEY_ASC, filter: {seconds: {greaterThan: 60}, "
        f"albumId: {{lessThanOrEqualTo: {album}}}}}) {{ nodes {{ rowId name seconds }} }} }}",
        "embeds": f"{{ trackByRowId(rowId: {track}) {{ rowId name albumByAlbumId {{ title artistByArtistId {{ name }} }} "
        "genreByGenreId { name } } }",
        "insert": f"mutation {{ createPlay{play} }}",
        "bulk": "mutation { " + " ".join(f"p{number}: createPlay{play}" for number in range(100)) + " }",
    }
    return {name: {"query": query} for name, query in found.items()}


@contextlib.contextmanager
def serving_postgraphile(folder: Path, dsn: str, workers: int, recorded: Path) -> Iterator[tuple[int, str]]:
    """Run it with the settings of a recorded request; yields its pid and the URL that takes GraphQL."""
    port = free_port()
    command = [str(folder / "node_modules/.bin/node"), str(HERE / "peer_postgraphile.mjs"), str(folder), dsn]
    command += [str(port), str(workers), json.dumps(_settings(recorded))]
    with serving(command, port, "/health", cwd=folder, environ={"GRAPHILE_ENV": "production"}) as (process, _):
        yield process.pid, f"http://127.0.0.1:{port}/graphql"


def answer(url: str, document: dict[str, str]) -> Any:
    """Return what it answers. Ends the run where that has errors, which GraphQL sends with the status 200."""
    base, _, _ = url.rpartition("/graphql")
    found = call(base, "/graphql", document)
    if "errors" in found:
        raise SystemExit(f"PostGraphile answered {found['errors']}")
    return found["data"]


def _settings(recorded: Path) -> dict[str, str]:
    first = json.loads(recorded.read_text())[0]["params"]
    settings = dict(zip(first[::2], first[1::2], strict=True))
    return {name: value for name, value in settings.items() if name not in _NOT_ITS}
