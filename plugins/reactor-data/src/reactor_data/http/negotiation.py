"""The `Accept` header (contract data.md §4.11): the first entry that can be made wins, whatever its quality value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from reactor_data.catalog.model import Function, Schema
from reactor_data.errors import not_acceptable
from reactor_data.query.rendering import Shape

_ENTRY = re.compile(r'(?:[^,"]|"[^"]*")+')
_PART = re.compile(r'(?:[^;"]|"[^"]*")+')
_UTF8 = "; charset=utf-8"
_VENDOR = "application/vnd.pgrst."
_PLAN_OPTIONS = ("analyze", "verbose", "settings", "buffers", "wal")
_GEOMETRY = re.compile(r'(?P<schema>(?:"(?:[^"]|"")+"|[^".]+)\.)?"?geometry"?\Z')


@dataclass(frozen=True, slots=True)
class Form:
    """A form of the answer: how Postgres makes it, and the Content-Type that says so."""

    shape: Shape
    content_type: str


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One entry. `form` is ready where the media type needs nothing of the schema; `plan` wraps another's form."""

    media: str
    form: Form | None = None
    plan: tuple[str, str, tuple[str, ...]] | None = None


JSON = Form(Shape(), "application/json" + _UTF8)
_STRIPPED = Form(Shape(stripped=True), f"{_VENDOR}array+json;nulls=stripped{_UTF8}")
_OBJECT = Form(Shape("object"), f"{_VENDOR}object+json{_UTF8}")
_STRIPPED_OBJECT = Form(Shape("object", stripped=True), f"{_VENDOR}object+json;nulls=stripped{_UTF8}")
_CSV = Form(Shape("csv"), "text/csv" + _UTF8)


class Negotiator:
    """Chooses the form of an answer."""

    def __init__(self, *, plan_enabled: bool) -> None:
        self._plan_enabled = plan_enabled

    def choose(
        self,
        accept: str | None,
        schema: Schema,
        relation: str | None,
        *,
        whole: bool,
        function: Function | None = None,
    ) -> Form:
        """Return the form of the answer about a relation; `whole` tells that its rows are selected as they are.

        `function` is the one whose result it is.

        Raises:
            DataError: 406 PGRST107, nothing accepted can be made.
        """
        candidates = _candidates(accept)
        for candidate in candidates:
            form = self._form(candidate, schema, relation, whole, function)
            if form is not None:
                return form
        hint = "Rows are answered as application/json, text/csv and application/vnd.pgrst.object+json."
        if not self._plan_enabled and any(candidate.plan for candidate in candidates):
            hint = "Plans are answered with [data] plan_enabled = true."
        elif any(candidate.media == "application/geo+json" for candidate in candidates):
            hint = "GeoJSON is made by PostGIS, which is not on this database's search path."
        raise not_acceptable([candidate.media for candidate in candidates], hint)

    def _form(
        self, candidate: _Candidate, schema: Schema, relation: str | None, whole: bool, function: Function | None
    ) -> Form | None:
        if candidate.plan is not None:
            return self._plan(candidate.plan, schema, relation, whole, function) if self._plan_enabled else None
        if function is not None and function.media in ("*/*", candidate.media) and not function.returns_set:
            made = "application/octet-stream" if function.media == "*/*" else candidate.media
            return Form(Shape("value", value=function.name, binary=function.base == "bytea"), made)
        # The vendor's own types have parameters and cannot be taken over by the database; the others can.
        if schema.handlers and not candidate.media.startswith(_VENDOR):
            custom = _custom(candidate.media, schema, relation, whole)
            if custom is not None:
                return custom
        if candidate.media == "application/geo+json":
            return _geojson(schema)
        return candidate.form

    def _plan(
        self,
        asked: tuple[str, str, tuple[str, ...]],
        schema: Schema,
        relation: str | None,
        whole: bool,
        function: Function | None,
    ) -> Form | None:
        written, wanted, options = asked
        for candidate in _candidates(wanted):
            inner = None if candidate.plan else self._form(candidate, schema, relation, whole, function)
            if inner is not None:
                chosen = [option for option in _PLAN_OPTIONS if option in options]
                explain = ", ".join((f"format {written}", *chosen))
                shape = inner.shape
                # Exactly one row is asked of an answer, not of a plan.
                planned = msgspec.structs.replace(shape, explain=explain)
                suffix = f"; options={'|'.join(chosen)}" if chosen else ""
                media = inner.content_type.removesuffix(_UTF8)
                return Form(planned, f'{_VENDOR}plan+{written}; for="{media}"{suffix}{_UTF8}')
        return None


def _custom(media: str, schema: Schema, relation: str | None, whole: bool) -> Form | None:
    handler = None
    if whole and relation is not None:
        handler = schema.handlers.get((relation, "*/*")) or schema.handlers.get((relation, media))
    handler = handler or schema.handlers.get((None, media))
    if handler is None:
        return None
    row_type = None if handler.relation is None else schema.relations[handler.relation].sql
    answered = handler.media if handler.media != "*/*" else media if "*" not in media else "application/octet-stream"
    return Form(Shape("custom", function=handler.sql, row_type=row_type, binary=handler.binary), answered)


def _geojson(schema: Schema) -> Form | None:
    known = schema.types.get("geometry")
    found = _GEOMETRY.match(known) if known is not None else None
    if found is None:
        return None
    function = f"{found.group('schema') or ''}st_asgeojson"
    return Form(Shape("geojson", function=function), "application/geo+json" + _UTF8)


def selects_whole(raw: str) -> bool:
    """Tell whether a query string selects the rows as they are."""
    return "select=" not in raw or all(
        part in ("select=*", "select=") for part in raw.split("&") if part.startswith("select=")
    )


@lru_cache(256)
def _candidates(accept: str | None) -> tuple[_Candidate, ...]:
    entries = [entry.strip() for entry in _ENTRY.findall(accept or "*/*")]
    return tuple(_candidate(entry) for entry in entries if entry) or (_Candidate("*/*", JSON),)


def _candidate(entry: str) -> _Candidate:
    # An entry of separators only has no part.
    media, *parts = [part.strip() for part in _PART.findall(entry)] or [""]
    media = media.lower()
    stripped = any(part.lower().replace(" ", "") == "nulls=stripped" for part in parts)
    if media in ("application/json", "*/*", "application/*"):
        return _Candidate(media, JSON)
    if media == "text/csv":
        return _Candidate(media, _CSV)
    if media in (_VENDOR + "array", _VENDOR + "array+json"):
        return _Candidate(media, _STRIPPED if stripped else JSON)
    if media in (_VENDOR + "object", _VENDOR + "object+json"):
        return _Candidate(media, _STRIPPED_OBJECT if stripped else _OBJECT)
    if media in (_VENDOR + "plan", _VENDOR + "plan+text", _VENDOR + "plan+json"):
        said = dict(part.partition("=")[::2] for part in parts)
        wanted = said.get("for", "application/json").strip('"')
        options = tuple(said.get("options", "").strip('"').split("|"))
        return _Candidate(media, plan=("json" if media.endswith("+json") else "text", wanted, options))
    return _Candidate(media)
