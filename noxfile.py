"""One session per promise of the repository; see CONTRIBUTING.md."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PLUGINS = sorted(path.parent.name for path in ROOT.glob("plugins/reactor-*/pyproject.toml"))
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/plugins/*/pyproject.toml"))
# What a plugin's own tests need beside the kernel; a plugin never imports another, but may require one to boot.
REQUIRES = {"reactor-data": ["reactor-auth"], "reactor-storage": ["reactor-auth"]}
CONFORMANCE = "reactor-plugin-conformance"
TEST_TOOLS = ["pytest", "hypothesis", "httpx", "pytest-timeout", "pytest-xdist", "aiosmtpd", "schemathesis"]
# Clients made by others that a plugin must serve unchanged, and what checks the types generated for one of them.
CLIENTS = {
    "reactor-data": ["postgrest", "mypy", "granian"],
    # moto's server, with what it needs for S3 alone, is the S3 of the backend s3.
    "reactor-storage": ["storage3", "boto3", "awscrt", "awscli", "granian", "moto[s3]", "flask", "flask-cors"],
}
# Tests mostly wait for processes and for Postgres, so two cores bear more workers than there are cores.
WORKERS = os.environ.get("REACTOR_TEST_WORKERS") or str(2 * (os.cpu_count() or 1))
# Files stay whole, since their tests share servers and databases.
PYTEST = ["pytest", "-q", "--timeout=300", "--durations=12"]
SPREAD = ["-n", WORKERS, "--dist", "loadfile"]
CONSTRAINTS = str(ROOT / "constraints.txt")
# Folders of tests/ that the sessions docs and budget run.
OWN_SESSIONS = ["--ignore=tests/docs", "--ignore=tests/boot"]
SCRATCH_BYTES = 4 * 2**30
PYTHONS = ["3.11", "3.12", "3.13"]

nox.options.sessions = ["lint", "types", "kernel", "plugin", "compose", "docs", "budget"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_external_run = True
nox.options.default_venv_backend = "virtualenv"
# The matrix runs on the interpreters the machine has.
nox.options.error_on_missing_interpreters = False


_built: dict[Path, Path] = {}


def wheels(session: nox.Session, *folders: Path) -> list[str]:
    """Return the paths of the folders' wheels; each is built once per run, by the session that needs it first."""
    target = ROOT / "build" / "wheels"
    if not _built:
        shutil.rmtree(target, ignore_errors=True)
    missing = [folder for folder in folders if folder not in _built]
    if missing:
        session.install("-c", CONSTRAINTS, "build", "hatchling")
    for folder in missing:
        place = target / folder.name
        command = ["python", "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(folder)]
        session.run(*command, silent=True)
        [_built[folder]] = place.glob("*.whl")
    return [str(_built[folder]) for folder in folders]


def install(session: nox.Session, *folders: Path, extras: str = "", clients: Iterable[str] = ()) -> None:
    """Install distributions as built wheels, so that a file missing from a wheel fails the tests."""
    built = wheels(session, *folders)
    if any(Path(session.virtualenv.location).glob("lib/python*/site-packages/reactor_*")):
        # The version does not change between two runs, so pip would keep what an earlier run installed.
        session.install("--force-reinstall", "--no-deps", *built)
    tools = [*TEST_TOOLS, *(tool for name in clients for tool in CLIENTS.get(name, ()))]
    session.install(
        "-c", CONSTRAINTS, *tools, *(f"{wheel}{extras if 'reactor_kernel' in wheel else ''}" for wheel in built)
    )


@cache
def scratch() -> Mapping[str, str]:
    """Return the variables that keep temporary files in memory, where the machine has enough of it.

    Each database that a test gets is 300 new files, and making them on a disk took half of the time of all tests.
    """
    memory = Path("/dev/shm")
    if "TMPDIR" in os.environ or not memory.is_dir() or not os.access(memory, os.W_OK):
        return {}
    available = {line.split()[0]: int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines()}
    if shutil.disk_usage(memory).free < SCRATCH_BYTES or available["MemAvailable:"] * 1024 < 2 * SCRATCH_BYTES:
        return {}
    place = tempfile.mkdtemp(prefix="nox-", dir=memory)
    os.chmod(place, 0o711)  # under root Postgres is another account
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return {"TMPDIR": place}


def pytest(session: nox.Session, *paths: str, spread: bool = True, env: Mapping[str, str] | None = None) -> None:
    """Run pytest with a bound on each test, so that a hang is a failure and not a lost run."""
    session.run(*PYTEST, *(SPREAD if spread else []), *paths, *session.posargs, env={**scratch(), **(env or {})})


@nox.session
def lint(session: nox.Session) -> None:
    """ruff: format and rules."""
    session.install("-c", CONSTRAINTS, "ruff")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """mypy --strict on every src/."""
    folders = [ROOT / "kernel", *(ROOT / "plugins" / name for name in PLUGINS), *EXAMPLES]
    session.install("-c", CONSTRAINTS, "mypy", "pytest", f"{folders[0]}[granian,telemetry]", *map(str, folders[1:]))
    for folder in folders:
        session.run("mypy", str(folder / "src"))


@nox.session
def kernel(session: nox.Session) -> None:
    """The kernel alone: no plugin is installed."""
    install(session, ROOT / "kernel", extras="[granian]")
    pytest(session, "kernel/tests")


@nox.session
@nox.parametrize("name", PLUGINS)
def plugin(session: nox.Session, name: str) -> None:
    """One plugin with the kernel and what it requires, from built wheels."""
    folders = [
        ROOT / "kernel",
        *(ROOT / "plugins" / n for n in dict.fromkeys([CONFORMANCE, *REQUIRES.get(name, []), name])),
    ]
    install(session, *folders, clients=[name])
    pytest(session, "-m", "not thorough", f"plugins/{name}/tests")


@nox.session
def thorough(session: nox.Session) -> None:
    """What proves at length what other tests show: kills, scenarios, hostile keys, S3 that fails, large uploads."""
    folders = [ROOT / "kernel", *(ROOT / "plugins" / name for name in PLUGINS), *EXAMPLES]
    install(session, *folders, extras="[granian]", clients=PLUGINS)
    tests = ["tests", *(f"plugins/{name}/tests" for name in PLUGINS if name != CONFORMANCE)]
    pytest(session, "-m", "thorough", *tests, *OWN_SESSIONS)


@nox.session
def external(session: nox.Session) -> None:
    """What touches the database once more on a Postgres 15 of the machine's own, and what touches contents once more on S3."""
    folders = [ROOT / "kernel", *(ROOT / "plugins" / name for name in PLUGINS), *EXAMPLES]
    install(session, *folders, extras="[granian]", clients=PLUGINS)
    runner = str(ROOT / ".ci" / "with-postgres-15")
    composed = ["tests", *(str(folder / "tests") for folder in EXAMPLES)]
    for folders in (*([f"plugins/{name}/tests"] for name in PLUGINS), composed):
        options = [*SPREAD, "-m", "not slow and not thorough", "--ignore-glob=*/tests/unit", *OWN_SESSIONS]
        session.run(runner, *PYTEST, *options, *folders, *session.posargs, external=True, env=scratch())
    elsewhere = [f"plugins/reactor-storage/tests/{folder}" for folder in ("http", "s3", "clients")]
    pytest(session, "-m", "not slow and not thorough", *elsewhere, env={"REACTOR_TEST_STORAGE": "s3"})


@nox.session
def compose(session: nox.Session) -> None:
    """What needs several distributions."""
    install(session, ROOT / "kernel", *(ROOT / "plugins" / name for name in PLUGINS), *EXAMPLES, extras="[granian]")
    pytest(session, "-m", "not thorough", "tests", *OWN_SESSIONS, *(str(folder / "tests") for folder in EXAMPLES))


@nox.session(python=PYTHONS)
def matrix(session: nox.Session) -> None:
    """The kernel's and each plugin's quick tests on one Python."""
    folders = [ROOT / "kernel", *(ROOT / "plugins" / name for name in PLUGINS)]
    install(session, *folders, extras="[granian]", clients=PLUGINS)
    quick = [ROOT / "kernel" / "tests", *(ROOT / "plugins" / name / "tests" for name in PLUGINS)]
    for tests in quick:
        unit = tests / "unit"
        pytest(
            session,
            "-m",
            "not slow and not thorough and not faults and not browser",
            str(unit if unit.exists() else tests),
        )


@nox.session
def docs(session: nox.Session) -> None:
    """The generated reference is current and every example in the documents runs."""
    folders = [ROOT / "kernel", *(ROOT / "plugins" / name for name in PLUGINS), *EXAMPLES]
    install(session, *folders, clients=PLUGINS)
    session.run("python", "docs/generate_hooks.py", "--check")
    pytest(session, "tests/docs")


@nox.session
def budget(session: nox.Session) -> None:
    """What may be imported when: budgets of imports, not of time."""
    install(session, ROOT / "kernel", *(ROOT / "plugins" / name for name in PLUGINS))
    pytest(session, "tests/boot", spread=False)
