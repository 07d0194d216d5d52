"""``stretto receivers``: check where alerts go beside the page, and write Alertmanager's configuration."""

from __future__ import annotations

import argparse
from pathlib import Path

from stretto.cli.command_context import CommandContext
from stretto.servers.alert_receivers import NAMES, check_receivers, merge_receivers, read_receivers
from stretto.servers.supervisor import find_shipped_folder

EXAMPLE = "receivers.example.yml"
CONFIGURATION = "alertmanager.yml"


def show_receivers(context: CommandContext, options: argparse.Namespace) -> int:
    """Say what the user's file adds to each receiver, after a check; write what ships with it merged in.

    What is written names the addresses of the compose file: it is for the containers, and ``stretto up``
    makes its own. Raises ConfigError where the file cannot be used.
    """
    path = context.config.receivers
    found = read_receivers(path) if path else None
    if found is not None:
        check_receivers(found)
    if options.write:
        text = (find_shipped_folder("alertmanager") / CONFIGURATION).read_text(encoding="utf-8")
        _replace_file(Path(options.write), merge_receivers(text, found) if found else text)
    ways = {name: list(found.kinds.get(name, ())) if found else [] for name in NAMES}
    if path is None:
        lines = [
            "alerts go to the page only",
            f"  copy {find_shipped_folder('alertmanager') / EXAMPLE}",
            f"    to {context.config.state / 'receivers.yml'} and keep what you use",
        ]
    else:
        lines = [str(path)]
        lines += [f"  {name:<17} {', '.join(kinds) or 'the page only'}" for name, kinds in ways.items()]
    context.print_answer({"file": str(path) if path else None, "receivers": ways}, "\n".join(lines))
    return 0


def _replace_file(path: Path, text: str) -> None:
    """Put a file in place whole: a server may read it at any moment."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
