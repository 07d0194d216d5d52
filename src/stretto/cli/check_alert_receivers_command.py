"""``stretto receivers``: check where alerts go beside the page, and write Alertmanager's configuration."""

from __future__ import annotations

import argparse
from pathlib import Path

from stretto.cli.command_context import CommandContext
from stretto.servers.merge_receivers import NAMES, check_receivers, merge_receivers, read_receivers
from stretto.servers.supervisor import find_shipped_folder

EXAMPLE = "receivers.example.yml"
CONFIGURATION = "alertmanager.yml"


def check_file_and_print_receivers(context: CommandContext, options: argparse.Namespace) -> int:
    """Check the user's file and print the channels of each receiver; write Alertmanager's configuration.

    The written file is for the containers: it has the addresses of the compose file, while ``stretto up``
    writes its own. Raises ConfigError if the user's file cannot be used.
    """
    path = context.config.receivers
    receivers = read_receivers(path) if path else None
    if receivers is not None:
        check_receivers(receivers)
    if options.write:
        text = (find_shipped_folder("alertmanager") / CONFIGURATION).read_text(encoding="utf-8")
        _replace_file(Path(options.write), merge_receivers(text, receivers) if receivers else text)
    channels = {name: list(receivers.kinds.get(name, ())) if receivers else [] for name in NAMES}
    if path is None:
        lines = [
            "alerts go to the page only",
            f"  copy {find_shipped_folder('alertmanager') / EXAMPLE}",
            f"    to {context.config.state / 'receivers.yml'} and keep the parts you use",
        ]
    else:
        lines = [str(path)]
        lines += [f"  {name:<17} {', '.join(kinds) or 'the page only'}" for name, kinds in channels.items()]
    context.print_answer({"file": str(path) if path else None, "receivers": channels}, "\n".join(lines))
    return 0


def _replace_file(path: Path, text: str) -> None:
    """Replace a file in one step: a server may read it at any moment."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
