"""Measure a first import beside programs that read the same transcripts: codeburn, ccusage and agentsview.

Run ``python -m tests.bench.bench_import_peers [--long] [--peers FOLDER] [--json]``; ``make bench-peer``
installs the programs into the folder, ``.venv-peer``. Each reads the corpus of ``bench_import`` from an empty
home, one after another; what counts is the CPU time of its processes and the peak of the largest. They do not
do the same: codeburn and ccusage add up tokens and keep little, agentsview and Stretto fill a database. A
program that is not installed or that fails is named with the reason, and is not compared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.bench.bench_import import LONG, SHORT, ImportCost, measure_import
from tests.bench.transcript_corpus import write_corpus

import stretto

PATIENCE = 600
"""Most seconds that a program may take."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A program that reads transcripts: where it is installed, its arguments, and what it needs set."""

    name: str
    program: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


PEERS = (
    # It shows the last months otherwise, and the corpus is of one fixed day.
    Peer("codeburn", "npm/node_modules/.bin/codeburn",
         ("report", "--from", "2026-01-01", "--to", "2026-01-31", "--format", "json")),
    Peer("ccusage", "npm/node_modules/.bin/ccusage", ("daily", "--json", "--offline")),
    # Without a daemon, whose time would not be that of the command.
    Peer("agentsview", "bin/agentsview", ("sync",),
         {"AGENTSVIEW_NO_DAEMON": "1", "AGENTSVIEW_TELEMETRY_ENABLED": "0"}),
)  # fmt: skip


def main() -> int:
    """Measure and print; 0 also where a program is missing, since none is needed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--long", action="store_true", help="a corpus of 450 MB instead of 66")
    parser.add_argument("--peers", type=Path, default=Path(".venv-peer"), help="where they are installed")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        projects = folder / ".claude" / "projects"
        written = write_corpus(projects, *(LONG if options.long else SHORT))
        write_corpus(folder / "first" / "projects", 1, 10_000)
        now = measure_import(folder, Path(stretto.__file__).parent.parent, projects)
        peers = {peer.name: measure_peer(peer, options.peers.absolute(), folder) for peer in PEERS}
    if options.json:
        costs = {name: cost if isinstance(cost, str) else asdict(cost) for name, cost in peers.items()}
        print(json.dumps({"megabytes": written / 1e6, "import": asdict(now), "peers": costs}, indent=2))
        return 0
    print(f"import of {written / 1e6:.0f} MB: {_describe(now)}")
    for name, cost in peers.items():
        if isinstance(cost, str):
            print(f"  {name}: not compared: {cost}")
        else:
            print(f"  {name}: {_describe(cost)}; the import takes {now.seconds / cost.seconds:.2f} of it")
    return 0


def _describe(cost: ImportCost) -> str:
    return f"{cost.seconds:.2f} s of CPU, peak {cost.peak_bytes / 2**20:.0f} MB"


def measure_peer(peer: Peer, installed: Path, home: Path) -> ImportCost | str:
    """Return what a program took to read the transcripts in a home folder, or why it is not compared."""
    program = installed / peer.program
    if not program.exists():
        return "it is not installed: make bench-peer"
    node = installed / "npm" / "node_modules" / ".bin"
    environment = {
        **os.environ,
        **peer.environment,
        "HOME": str(home),
        "PATH": f"{node}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            ["timeout", str(PATIENCE), str(program), *peer.arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        last = errors.read().decode(errors="replace").strip().splitlines()[-1:]
    if process.returncode:
        return f"it ended with {process.returncode}: {last[0] if last else 'it gave no reason'}"
    return ImportCost(used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


if __name__ == "__main__":
    sys.exit(main())
