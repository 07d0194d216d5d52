"""``stretto service``: write the unit by which systemd or launchd runs the service."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from stretto.cli.command_context import CommandContext
from stretto.config.settings_table import SETTINGS
from stretto.errors import UsageError
from stretto.servers.service_units import ServiceUnit, make_launchd_unit, make_systemd_unit
from stretto.servers.supervisor import find_shipped_folder

MACOS = "darwin"
_LOG = "service.log"


def write_service_unit(context: CommandContext, options: argparse.Namespace) -> int:
    """Write the unit for this user, and print the command that starts the service. It starts nothing."""
    manager = options.manager or ("launchd" if sys.platform == MACOS else "systemd")
    unit = _make_unit(context, manager)
    if unit.path.exists() and unit.path.read_text(encoding="utf-8") != unit.text and not options.replace:
        raise UsageError(f"{unit.path} differs from what would be written", hint="--replace writes it anew")
    unit.path.parent.mkdir(parents=True, exist_ok=True)
    unit.path.write_text(unit.text, encoding="utf-8")
    for variable in _list_lost_variables(context):
        context.print_note(f"{variable} is set here and not in the unit: put it into config.toml")
    context.print_answer(
        {"manager": manager, "file": str(unit.path), "start": unit.start, "stop": unit.stop},
        f"{unit.path}\nstart: {unit.start}\nstop: {unit.stop}",
    )
    return 0


def _make_unit(context: CommandContext, manager: str) -> ServiceUnit:
    """Return the unit; the service asks nothing, because nobody is there to answer."""
    state = context.config.state
    command = [*_find_program(), "--state", str(state.absolute()), "up", "--history=no"]
    if manager == "launchd":
        # launchd makes the log's file and not its folder.
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = context.environ.get("PATH", os.defpath)
        return make_launchd_unit(command, context.home, state / _LOG, path)
    shipped = (find_shipped_folder("units") / "stretto.service").read_text(encoding="utf-8")
    settings = Path(context.environ.get("XDG_CONFIG_HOME") or context.home / ".config")
    return make_systemd_unit(shipped, command, settings)


def _find_program() -> list[str]:
    """Return how this program is called by its full path: as a script, else as a module."""
    script = shutil.which(sys.argv[0])
    return [os.path.abspath(script)] if script else [sys.executable, "-m", "stretto"]  # noqa: PTH100  # keeps links, which outlive a version


def _list_lost_variables(context: CommandContext) -> list[str]:
    """Return the settings of this environment, which the service's own will not have."""
    return [variable for _, _, variable in SETTINGS.values() if context.environ.get(variable)]
