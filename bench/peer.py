"""The peer of a read: pgbench, running the very statements that Reactor sends, on the same database."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Peer:
    """What pgbench measured."""

    rate: float
    average_ms: float
    clients: int


def pgbench() -> str | None:
    """Return the pgbench program, None where none is installed."""
    found = shutil.which("pgbench")
    if found:
        return found
    return next((str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))), None)


def run_peer(dsn: str, recorded: Path, folder: Path, *, seconds: int, clients: int) -> Peer:
    """Repeat the recorded statements: prepared, in one pipeline, thus one round trip and one transaction."""
    script, variables = [r"\startpipeline"], []
    for number, command in enumerate(json.loads(recorded.read_text())):
        sql = re.sub(r"\$(\d+)", rf":p{number}_\1", command["sql"])
        script.append(" ".join(sql.split()) + ";")
        for position, value in enumerate(command["params"], 1):
            if value is None:
                raise SystemExit("a recorded parameter is NULL, which pgbench cannot send")
            variables += ["-D", f"p{number}_{position}={value}"]
    script.append(r"\endpipeline")
    file = folder / "read.pgbench"
    file.write_text("\n".join(script) + "\n")
    program = pgbench()
    assert program is not None
    command_line = [program, "-n", "-M", "prepared", "-f", str(file), "-c", str(clients), "-j", "2"]
    ran = subprocess.run(
        [*command_line, "-T", str(seconds), *variables, dsn], capture_output=True, text=True, timeout=seconds + 60
    )
    if ran.returncode:
        raise SystemExit(f"pgbench failed:\n{ran.stderr}")
    rate = re.search(r"tps = ([\d.]+)", ran.stdout)
    latency = re.search(r"latency average = ([\d.]+) ms", ran.stdout)
    assert rate is not None
    assert latency is not None
    return Peer(float(rate[1]), float(latency[1]), clients)
