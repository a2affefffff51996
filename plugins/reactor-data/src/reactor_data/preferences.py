"""The `Prefer` header (RFC 7240; contract data.md §4.7)."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from reactor_data.errors import DataError

_CHOICES: dict[str, tuple[str, ...]] = {
    "resolution": ("merge-duplicates", "ignore-duplicates"),
    "missing": ("default", "null"),
    "return": ("minimal", "headers-only", "representation"),
    "count": ("exact", "planned", "estimated", "none"),
    "tx": ("commit", "rollback"),
    "handling": ("strict", "lenient"),
    "outcome": ("per-row",),
}


class Preferences(msgspec.Struct, frozen=True):
    """What a request prefers; None where it says nothing. `unknown` is refused only under `handling=strict`."""

    resolution: str | None = None
    missing: str | None = None
    returning: str | None = None
    count: str | None = None
    tx: str | None = None
    handling: str | None = None
    timezone: str | None = None
    max_affected: int | None = None
    on_conflict: str | None = None
    per_row: bool = False
    unknown: tuple[str, ...] = ()

    @property
    def strict(self) -> bool:
        """Tell whether what cannot be honoured is an error."""
        return self.handling == "strict"

    def applied(
        self,
        *,
        resolution: bool = False,
        missing: bool = False,
        returning: bool = False,
        count: bool = False,
        max_affected: bool = False,
        per_row: bool = False,
    ) -> str:
        """Return `Preference-Applied`: what took effect, in the contract's order."""
        parts = (
            ("resolution", self.resolution if resolution else None),
            ("missing", self.missing if missing else None),
            ("return", self.returning if returning else None),
            ("count", self.count if count and self.count != "none" else None),
            ("tx", self.tx),
            ("handling", self.handling),
            ("timezone", self.timezone),
            ("max-affected", str(self.max_affected) if max_affected and self.max_affected is not None else None),
            ("outcome", "per-row" if per_row and self.per_row else None),
        )
        return ", ".join(f"{name}={value}" for name, value in parts if value is not None)


@lru_cache(256)
def parse_preferences(header: str | None, *, tx_allowed: bool = False) -> Preferences:
    """Parse a Prefer header, several already joined by commas. Of one preference the first occurrence counts.

    `tx_allowed` tells whether `tx=` may say how the transaction ends; it is unknown otherwise.

    Raises:
        DataError: 400 PGRST122 for what cannot be honoured, under `handling=strict`.
    """
    if not header:
        return Preferences()
    found: dict[str, str] = {}
    unknown: list[str] = []
    on_conflict: list[str] | None = None
    for token in (part.strip() for part in header.split(",")):
        name, equals, value = (piece.strip().strip('"') for piece in token.partition("="))
        if name == "on_conflict" and equals:
            on_conflict = [value]
        elif on_conflict is not None and token and not equals:
            # The JS client's comma list falls apart into preferences of their own.
            on_conflict.append(token)
        elif _is_known(name, value) and (tx_allowed or name != "tx"):
            found.setdefault(name, value)
        elif token:
            unknown.append(token)
    preferences = Preferences(
        resolution=found.get("resolution"),
        missing=found.get("missing"),
        returning=found.get("return"),
        count=found.get("count"),
        tx=found.get("tx"),
        handling=found.get("handling"),
        timezone=found.get("timezone"),
        max_affected=int(found["max-affected"]) if "max-affected" in found else None,
        on_conflict=",".join(on_conflict) if on_conflict else None,
        per_row="outcome" in found,
        unknown=tuple(unknown),
    )
    if preferences.strict and unknown:
        raise DataError(
            400,
            "invalid_preference",
            "Invalid preferences given with handling=strict",
            pgrst="PGRST122",
            detail=f"Invalid preferences: {', '.join(unknown)}",
            hint="Remove them, or leave out handling=strict.",
        )
    return preferences


def _is_known(name: str, value: str) -> bool:
    if name == "max-affected":
        return value.isascii() and value.isdigit() and len(value) < 19
    if name == "timezone":
        return bool(value) and len(value) < 100 and value.isprintable()
    return value in _CHOICES.get(name, ())
