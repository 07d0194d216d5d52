"""A process that takes in a journal until it is killed, and one that brings such processes forth at once.

``python -m tests.crash_child STATE`` reads a seed a line, forks a child that ingests with it, and tells the
child's process id; once the child is dead it says ``gone`` and reads on.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from random import Random

from stretto import journal
from stretto.clock import SECOND
from stretto.store import ingest as store_ingest
from stretto.store.database import open_writer
from stretto.store.ingest import Ingest
from tests.fakes import IDLE
from tests.scenes import BEGIN, by_description


def take_in(state: Path, seed: int) -> None:
    """Take the journal in, in small batches with sweeps between, and never come back."""
    random = Random(seed)
    store_ingest.MOST_CALLS_IN_MEMORY = 40
    ingest = Ingest(open_writer(state / "stretto.db"), by_description, idle_limit=IDLE)
    folder, pause = state / "journal", threading.Event()
    while True:
        for file, offset, _ in list(ingest.list_pending(folder)):
            ingest.ingest_batch(journal.read_batch(folder, file, offset, limit=random.randint(200, 20_000)))
        if random.random() < 0.1:
            ingest.close_idle_sessions(BEGIN + random.randint(0, 2 * IDLE) * SECOND)
        pause.wait(0.0005)


def main() -> None:
    """Bring forth one child after another."""
    state = Path(sys.argv[1])
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            take_in(state, int(line))
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        _, status = os.waitpid(child, 0)
        sys.stdout.write("gone\n" if os.WIFSIGNALED(status) else f"died by itself: {status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
