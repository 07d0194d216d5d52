"""The options of the commands for builds: ``stretto gate``."""

from __future__ import annotations

import argparse
from typing import Protocol, TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  # it has no public name


class AddCommand(Protocol):
    """Adds a command to a parser: its name, the function that runs it and a line of help."""

    def __call__(self, commands: Commands, name: str, run: str, text: str) -> argparse.ArgumentParser:
        """Return the command's parser."""


def add_gate(commands: Commands, add_command: AddCommand) -> None:
    """Add ``stretto gate``."""
    gate = add_command(
        commands,
        "gate",
        "gate:run_gate",
        "compare benchmark reports with a baseline; exit code 1: slower, 4: too little data",
    )
    gate.add_argument(
        "reports",
        nargs="+",
        metavar="NEW",
        help="reports of runs, folders of them, session:ID or pattern:NAME",
    )
    gate.add_argument("--baseline", metavar="NAME", help="the baseline: a file, or a name")
    gate.add_argument("--save", metavar="NAME", help="save the runs as a baseline, unless they are slower")
    gate.add_argument(
        "--threshold", type=float, default=10, metavar="PERCENT", help="how much slower is too slow (10)"
    )
    gate.add_argument(
        "--effect", type=float, default=20, metavar="PERCENT", help="the slow-down that runs must show (20)"
    )
    gate.add_argument(
        "--level", type=float, default=0.05, metavar="SHARE", help="false alarms among the alarms (0.05)"
    )
    gate.add_argument(
        "--calibrate", action="store_true", help="time a reference loop, to compare with another machine"
    )
    gate.add_argument("--junit", metavar="FILE", help="write the verdict as JUnit's XML")
    gate.add_argument("--summary", metavar="FILE", help="append the verdict as Markdown")
    gate.add_argument("--annotations", action="store_true", help="print GitHub's annotations")
    gate.add_argument("--on-regression", metavar="COMMAND", help="run this command once if it is slower")
