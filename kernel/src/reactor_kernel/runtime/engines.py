"""The engines the kernel brings. Each is imported when it serves: together they cost more than the boot may."""

from __future__ import annotations

from reactor_kernel.contributions import ServerEngine, ServeRequest
from reactor_kernel.errors import BootError, ExitCode, Fault

GRANIAN_RANGE = ">=2.6,<2.9"


def _serve_waitress(request: ServeRequest) -> None:
    from reactor_kernel.runtime.waitress_engine import serve

    serve(request)


def _check_granian() -> None:
    """Refuse a missing granian, and versions whose worker classes were not read by us."""
    from importlib.metadata import PackageNotFoundError, version

    from packaging.specifiers import SpecifierSet

    try:
        installed = version("granian")
    except PackageNotFoundError:
        raise _granian_fault("granian is not installed") from None
    if not SpecifierSet(GRANIAN_RANGE).contains(installed):
        raise _granian_fault(f"granian {installed} is installed, but Reactor runs with {GRANIAN_RANGE}")


def _granian_fault(message: str) -> BootError:
    return BootError(
        [
            Fault(
                "config",
                message,
                subject="server.engine",
                fix="pip install 'reactor-kernel[granian]', or set [server] engine = \"waitress\"",
                exit_code=ExitCode.CONFIG,
            )
        ]
    )


def _serve_granian(request: ServeRequest) -> None:
    from reactor_kernel.runtime.granian_engine import serve

    _check_granian()
    serve(request)


WAITRESS = ServerEngine("waitress", _serve_waitress)
GRANIAN = ServerEngine("granian", _serve_granian, check=_check_granian)
