"""Measure a first import of transcripts: CPU time beside the decoding of its lines, and peak memory.

Run ``python -m tests.bench.bench_import [--long] [--before SRC] [--floor X] [--json]``. The corpus is made:
in the short form 60 sessions, with ``--long`` 410 sessions (450 MB), of 1.1 MB each. ``stretto import`` runs
as a command of its own, once before with a small session: the modules are compiled then, as those of an
installed package are. Its CPU time is divided by that of ``json.loads`` of each of the same lines in the same
run: the ratio counts. ``--before`` names the ``src`` folder of an older version, which imports the same
corpus in turn; the target is 0.65 of commit 9b835fb in the long form. With ``--floor`` the exit code is 1
above so many references.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.transcript_corpus import write_corpus

import stretto

SHORT = (60, 1_100_000)
LONG = (410, 1_100_000)
"""Sessions and bytes of each."""

TARGET = 0.65
"""Of the CPU time of commit 9b835fb, in the long form."""

FLOOR = 10.0
"""Most references that an import may take."""

_IMPORT = """
import resource, sys
sys.argv = ["stretto", "import", sys.argv[1]]
from stretto.cli.main import main
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
status = open("/proc/self/status").read() if sys.platform == "linux" else ""
peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024 if status else 0
print("used", used.ru_utime + used.ru_stime, peak)
sys.exit(code)
"""


@dataclass(frozen=True, slots=True)
class ImportCost:
    """The CPU seconds and the peak resident bytes of an import; 0 bytes where the system does not tell."""

    seconds: float
    peak_bytes: int


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--long", action="store_true", help="a corpus of 450 MB instead of 66")
    parser.add_argument("--before", type=Path, help="the src folder of an older version to measure in turn")
    parser.add_argument("--floor", type=float, default=None, help="fail above so many references")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    source = Path(stretto.__file__).parent.parent
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written = write_corpus(folder / "projects", *(LONG if options.long else SHORT))
        write_corpus(folder / "first" / "projects", 1, 10_000)
        reference = measure_decoding(folder / "projects")
        now = measure_import(folder, source, folder / "projects")
        older = options.before
        before = None if older is None else measure_import(folder, older, folder / "projects")
    ratio = now.seconds / reference
    of_before = None if before is None else now.seconds / before.seconds
    if options.json:
        document = {
            "megabytes": written / 1e6,
            "reference_seconds": reference,
            "import": asdict(now),
            "ratio": ratio,
            "before": None if before is None else asdict(before),
            "of_before": of_before,
            "target_of_before": TARGET,
        }
        print(json.dumps(document, indent=2))
    else:
        print(
            f"import of {written / 1e6:.0f} MB: {now.seconds:.2f} s of CPU, {ratio:.2f} x json.loads of the"
            f" lines (at most {FLOOR:.1f} x), peak {now.peak_bytes / 2**20:.0f} MB"
        )
        if of_before is not None:
            print(f"of the version before: {of_before:.2f} (target {TARGET})")
    return int(options.floor is not None and ratio > options.floor)


def measure_decoding(folder: Path) -> float:
    """Return the CPU seconds of decoding every line of the transcripts."""
    started = time.process_time()
    for path in folder.rglob("*.jsonl"):
        with path.open("rb") as lines:
            for line in lines:
                json.loads(line)
    return time.process_time() - started


def measure_import(folder: Path, source: Path, projects: Path) -> ImportCost:
    """Import transcripts into an empty state folder, by the version in a source folder.

    ``folder`` has the small session that is imported first, in ``first``, and gets the compiled modules.
    """
    compiled = folder / "compiled"
    _run_import(folder / "first" / "projects", source, compiled)
    return _run_import(projects, source, compiled)


def _run_import(projects: Path, source: Path, compiled: Path) -> ImportCost:
    """Import transcripts into an empty state folder; modules are compiled into ``compiled``, each once."""
    with tempfile.TemporaryDirectory() as state:
        environment = {
            **os.environ,
            "PYTHONPATH": str(source),
            "PYTHONPYCACHEPREFIX": str(compiled),
            "STRETTO_STATE": state,
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        answer = subprocess.run(
            [sys.executable, "-c", _IMPORT, str(projects)],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    _, seconds, peak = answer.splitlines()[-1].split()
    return ImportCost(float(seconds), int(peak))


if __name__ == "__main__":
    sys.exit(main())
