"""The options of the commands for builds, profiles and switches."""

from __future__ import annotations

import argparse
from typing import Protocol, TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  # it has no public name


class AddCommand(Protocol):
    """Adds a command to a parser: its name, the function that runs it and a line of help."""

    def __call__(
        self, commands: Commands, name: str, run: str, text: str, *, json: bool = True
    ) -> argparse.ArgumentParser:
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
    gate.add_argument(
        "--since", metavar="WHEN", help="of pattern:NAME only sessions that began since: 24h, 7d, 2026-11-20"
    )
    gate.add_argument("--baseline", metavar="NAME", help="the baseline: a file, or a name")
    gate.add_argument("--save", metavar="NAME", help="save the runs as a baseline, unless they are slower")
    gate.add_argument(
        "--service", metavar="URL", help="read and save baselines by name in the service at this address"
    )
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


def add_profile(commands: Commands, add_command: AddCommand) -> None:
    """Add ``stretto profile``."""
    profile = add_command(
        commands,
        "profile",
        "measure_command_runs:run_profile",
        "measure a command over several runs, with its components",
    )
    profile.usage = (
        "stretto profile [-h] [--json] [-n RUNS] [--warm-up RUNS] [--versus COMMAND] [--html FILE]"
        " (--sessions | -- COMMAND …)"
    )
    profile.add_argument("-n", dest="runs", type=int, default=10, metavar="RUNS", help="how many runs (10)")
    profile.add_argument(
        "--warm-up", type=int, default=1, metavar="RUNS", help="runs before, which do not count (1)"
    )
    profile.add_argument("--versus", metavar="COMMAND", help="another command, measured in turn with it")
    profile.add_argument("--html", metavar="FILE", help="write a page with a dot for each run")
    profile.add_argument(
        "--sessions", action="store_true", help="show the stored sessions by pattern and size instead"
    )
    profile.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="after --")


def add_baseline_save_and_compare(actions: Commands, add_command: AddCommand) -> None:
    """Add ``stretto baseline save`` and ``stretto baseline compare``."""
    for name, run, text in (
        ("save", "measure_command_runs:save_last_profile", "save the last profile of a command under a name"),
        (
            "compare",
            "measure_command_runs:compare_last_profile",
            "compare the last profile of a command with a saved profile",
        ),
    ):
        add_command(actions, name, run, text).add_argument("name", metavar="NAME")


def add_features(commands: Commands, add_command: AddCommand) -> None:
    """Add ``stretto features`` with its actions; without one it lists."""
    features = add_command(
        commands, "features", "features:list_features", "the optional parts: list, set, rollback"
    )
    actions = features.add_subparsers(title="actions", metavar="ACTION", required=False)
    add_command(
        actions, "list", "features:list_features", "list every optional part, its state and its origin"
    )
    changes = add_command(
        actions, "set", "features:set_features", "switch parts on or off, or choose the level of collection"
    )
    changes.add_argument(
        "changes", nargs="+", metavar="NAME=STATE", help="caching=off, level=minimal, tests=default"
    )
    add_command(
        actions,
        "rollback",
        "features:undo_last_feature_change",
        "return to the states before the last change",
    )
