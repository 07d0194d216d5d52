"""Prepare the simulated month of ``stretto up --demo month``: a state folder of its own, and nothing sent."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from stretto import journal
from stretto.cli.command_context import CommandContext
from stretto.demo.simulated_month import SIMULATED, draw_month
from stretto.errors import ServiceError

MARK = "simulated-month"
"""The file that says that everything in a folder is simulated, so that it can be made again."""
_JOURNAL_FILE = "simulated.jsonl"
_SENDING = "OTEL_"
"""The beginning of the variables by which finished sessions would be sent."""


def make_month_context(context: CommandContext) -> CommandContext:
    """Return a context whose service keeps its data apart, tells nobody and samples nothing.

    Example: beside ``~/.local/state/stretto`` the folder is ``~/.local/state/stretto-simulated``.
    """
    config = context.config
    apart = replace(
        config,
        state=config.state.with_name(f"{config.state.name}-{SIMULATED}"),
        receivers=None,
        speak_alerts=False,
        desktop_alerts=False,
        resources_interval_seconds=0,
        fleet_push_url=None,
        fleet_hub_url=None,
    )
    environ = {name: value for name, value in context.environ.items() if not name.startswith(_SENDING)}
    return replace(context, config=apart, environ=environ)


def write_month(state: Path, end: int) -> None:
    """Fill a locked state folder with the month that ends at ``end`` (ns), in place of an earlier one.

    Raises ServiceError if the folder has data and no mark: it is not ours to delete.
    """
    mark, events = state / MARK, state / "journal"
    if not mark.exists() and (events.exists() or (state / "stretto.db").exists()):
        raise ServiceError(
            "the folder of the simulated month has other data",
            where=str(state),
            hint=f"move it away, or name another folder: --state DIR makes DIR-{SIMULATED}",
        )
    mark.write_text(
        "Everything in this folder is simulated and made again at each start.\n", encoding="utf-8"
    )
    for path in state.glob("stretto.db*"):
        path.unlink()
    shutil.rmtree(events, ignore_errors=True)
    lines = map(journal.encode_event, draw_month(end))
    journal.append_records(events / _JOURNAL_FILE, b"".join(lines))
