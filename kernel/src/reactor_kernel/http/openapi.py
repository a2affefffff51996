"""The merged OpenAPI 3.1 document, checked against what is mounted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reactor_kernel.errors import Fault
from reactor_kernel.http.mounting import Route, documented_path
from reactor_kernel.http.parts import HttpParts

_VERBS = ("get", "put", "post", "delete", "patch", "options", "head", "trace")
_SCHEMES = {
    "bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "projectKey": {"type": "apiKey", "in": "header", "name": "X-Reactor-Project-Key"},
}
ERROR_SCHEMA = {
    "type": "object",
    "required": ["ok", "error"],
    "properties": {
        "ok": {"const": False},
        "error": {
            "type": "object",
            "required": ["code", "message", "status", "request_id"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "status": {"type": "integer"},
                "request_id": {"type": "string"},
                "hint": {"type": "string"},
                "details": {"type": "object"},
                "fields": {"type": "object"},
            },
        },
    },
}


def merge(parts: HttpParts, owner: str | None = None) -> dict[str, Any]:
    """Return the document of everything mounted, or of one plugin."""
    paths: dict[str, Any] = {}
    components: dict[str, dict[str, Any]] = {"securitySchemes": dict(_SCHEMES), "schemas": {"Error": ERROR_SCHEMA}}
    tags: dict[str, Any] = {}
    for plugin, fragment in parts.openapi:
        if owner is not None and plugin != owner:
            continue
        document = fragment.document
        for path, item in document.get("paths", {}).items():
            paths.setdefault(path, {}).update(item)
        for kind, members in document.get("components", {}).items():
            components.setdefault(kind, {}).update(members)
        for tag in document.get("tags", ()):
            tags.setdefault(tag["name"], tag)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Reactor API" if owner is None else f"Reactor API: {owner}", "version": parts.version},
        "paths": dict(sorted(paths.items())),
        "components": components,
        "tags": sorted(tags.values(), key=lambda tag: str(tag["name"])),
    }


def drift(parts: HttpParts, routes: Iterable[Route]) -> list[Fault]:
    """Name every route that is not documented, and every documented one that is not mounted."""
    mounted: dict[str, dict[str, set[str]]] = {}
    for route in routes:
        verbs = {method.lower() for method in route.rules if method.lower() in _VERBS}
        mounted.setdefault(route.owner, {}).setdefault(documented_path(route.path), set()).update(verbs)
    written: dict[str, dict[str, set[str]]] = {}
    for owner, fragment in parts.openapi:
        for path, item in fragment.document.get("paths", {}).items():
            written.setdefault(owner, {}).setdefault(path, set()).update(_verbs(item))
    faults = []
    for owner in sorted({*mounted, *written}):
        has, says = mounted.get(owner, {}), written.get(owner, {})
        for path in sorted({*has, *says}):
            missing = has.get(path, set()) - says.get(path, set()) - {"options", "head"}
            surplus = says.get(path, set()) - has.get(path, set()) - {"options", "head"}
            faults += [
                _fault(parts, owner, f"{verb.upper()} {path}", "is mounted but not documented")
                for verb in sorted(missing)
            ]
            faults += [
                _fault(parts, owner, f"{verb.upper()} {path}", "is documented but not mounted")
                for verb in sorted(surplus)
            ]
    return faults


def _verbs(item: Mapping[str, Any]) -> set[str]:
    return {verb for verb in item if verb in _VERBS}


def _fault(parts: HttpParts, owner: str, subject: str, message: str) -> Fault:
    return Fault(
        "plugin",
        message,
        subject=subject,
        plugin=owner,
        version=parts.versions.get(owner, parts.version),
        fix="make reactor_openapi and reactor_resources say the same",
    )
