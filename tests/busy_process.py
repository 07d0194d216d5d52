"""Real processes for tests: they burn processor time when told to, and say how much it was."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from stretto.clock import read_wall_clock
from stretto.hook.client.client import identify_boot_and_pid_namespace, identify_process
from stretto.model.entities import HostProcesses

_PROGRAM = """
import os, subprocess, sys, time

def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass

held, below = [], []
for line in sys.stdin:
    word, *rest = line.split()
    if word == "burn":
        burn(float(rest[0]))
    elif word == "run":
        code = "import time\\nwhile time.process_time() < " + rest[0] + ": pass"
        subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
    elif word == "hold":
        held.append(b"x" * int(rest[0]))
    elif word == "write":
        with open(rest[0], "wb") as file:
            file.write(b"x" * int(rest[1]))
            os.fsync(file.fileno())
    elif word == "start":
        below.append(subprocess.Popen([sys.executable, "-I", "-S", __file__], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True))
        print(below[-1].pid, flush=True)
        continue
    elif word == "below":
        below[-1].stdin.write(" ".join(rest) + "\\n")
        below[-1].stdin.flush()
        below[-1].stdout.readline()
    elif word == "end":
        below.pop().communicate()
    times = os.times()
    print(times.user + times.system + times.children_user + times.children_system, flush=True)
for child in below:
    child.communicate()
"""


@dataclass(slots=True)
class Busy:
    """A process at our command."""

    popen: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def found(self) -> HostProcesses:
        """Where it may be found, as an agent would tell it now."""
        return HostProcesses(
            read_wall_clock(), (identify_process(self.pid),), identify_boot_and_pid_namespace()
        )

    def tell(self, order: str) -> float:
        """Have it carry out an order; returns what it prints: its processor seconds, or a pid."""
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self.popen.stdin.write(order + "\n")
        self.popen.stdin.flush()
        return float(self.popen.stdout.readline())

    def kill(self) -> None:
        """Kill it, and leave nothing of it behind."""
        self.popen.kill()
        self.popen.communicate()

    def end(self) -> None:
        """Let it end, and what it started."""
        self.popen.communicate()


@contextmanager
def busy_process(folder: object) -> Iterator[Busy]:
    """Start a process whose program stands in a folder; it is ended with the block."""
    path = f"{folder}/busy.py"
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123  # a path as text is what it needs
        file.write(_PROGRAM.replace("\\\\n", "\\n"))
    popen = subprocess.Popen(
        [sys.executable, "-I", "-S", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    busy = Busy(popen)
    try:
        busy.tell("burn 0")
        yield busy
    finally:
        if popen.poll() is None:
            busy.end()
