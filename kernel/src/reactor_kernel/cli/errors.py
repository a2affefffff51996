"""What goes wrong in the tool: stable codes, each with the exit code of its class (contract cli.md §1.3, §1.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reactor_kernel.contracts.commands import CommandFailure

if TYPE_CHECKING:
    from reactor_kernel.errors import BootError, ReactorError

OK = 0
USER = 1
CONFIG = 2
AUTH = 3
VALIDATION = 4
SERVER = 5
NETWORK = 6
INTERRUPTED = 130

EXIT_CODES: dict[str, int] = {
    **dict.fromkeys(("USER_ERROR", "MISSING_ARGUMENT", "INVALID_ARGUMENT", "REQUIRES_CONFIRMATION"), USER),
    "CLIENT_ERROR": USER,
    **dict.fromkeys(("CONFIG_ERROR", "MANIFEST_NOT_FOUND", "INVALID_MANIFEST", "FEATURE_DISABLED"), CONFIG),
    **dict.fromkeys(("CONTEXT_NOT_FOUND", "KEYCHAIN_ERROR", "IO_ERROR", "URL_ERROR"), CONFIG),
    **dict.fromkeys(("AUTH_REQUIRED", "AUTH_FAILED", "PERMISSION_DENIED"), AUTH),
    **dict.fromkeys(("VALIDATION_ERROR", "BUNDLE_VALIDATION_ERROR", "JSON_ERROR"), VALIDATION),
    **dict.fromkeys(("SERVER_ERROR", "INTERNAL_ERROR"), SERVER),
    **dict.fromkeys(("NETWORK_ERROR", "CONNECTION_REFUSED", "TIMEOUT"), NETWORK),
    "INTERRUPTED": INTERRUPTED,
}


class CliError(CommandFailure):
    """Ends the command with this code.

    Args:
        code: one of `EXIT_CODES`.
        message: what was wrong.
        hint: what to do about it.
        details: machine-readable facts for `error.details`.
        exit_code: overrides that of the code's class (the server's own codes in `up` and `serve`).
        faults: complete lines for people that stand in the place of `error: …` and `hint: …`.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        details: Mapping[str, Any] | None = None,
        exit_code: int | None = None,
        faults: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.details = dict(details or {})
        self.exit_code = EXIT_CODES[code] if exit_code is None else exit_code
        self.faults = faults

    def document(self) -> dict[str, Any]:
        """Return the failure as it stands on stdout in JSON mode."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.hint:
            error["hint"] = self.hint
        if self.details:
            error["details"] = self.details
        return {"ok": False, "error": error}


def from_boot_error(error: BootError, *, server: bool = False) -> CliError:
    """Turn the faults of a boot into one failure; `server` keeps the exit code of the server (kernel.md §2.5)."""
    faults = error.faults
    # What the project's files or its installed distributions can mend is a configuration failure.
    mendable = all(fault.category in ("config", "plugin", "conflict") for fault in faults)
    first = faults[0].message if faults else "boot failed"
    subject = f"{faults[0].subject}: " if faults and faults[0].subject else ""
    return CliError(
        "CONFIG_ERROR" if mendable else "SERVER_ERROR",
        f"{subject}{first}" if len(faults) == 1 else f"{len(faults)} problems; the first: {subject}{first}",
        hint=next((fault.fix for fault in faults if fault.fix), None),
        details={"faults": [_fault(fault) for fault in faults]},
        exit_code=error.exit_code if server else None,
        faults=tuple(str(fault) for fault in faults),
    )


def _fault(fault: Any) -> dict[str, Any]:
    keys = ("category", "subject", "message", "plugin", "version", "where", "fix")
    return {key: getattr(fault, key) for key in keys if getattr(fault, key) is not None}


def from_reactor_error(error: ReactorError) -> CliError:
    """Turn an error raised in this process into the failure that a server's answer of the same code gives."""
    from reactor_kernel.errors import Kind

    codes = {
        Kind.UNAUTHENTICATED: "AUTH_FAILED",
        Kind.FORBIDDEN: "PERMISSION_DENIED",
        Kind.INTERNAL: "SERVER_ERROR",
        Kind.UNAVAILABLE: "SERVER_ERROR",
        Kind.UPSTREAM_TIMEOUT: "SERVER_ERROR",
    }
    code = "VALIDATION_ERROR" if error.error_code == "validation_error" else codes.get(error.kind, "CLIENT_ERROR")
    details: dict[str, Any] = {"server_code": error.error_code, **error.details}
    if error.fields:
        details["fields"] = error.fields
    return CliError(code, error.message, hint=error.error_hint, details=details)
