"""``stretto backfill``: write past figures for Prometheus, so that graphs begin before its installation."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from zoneinfo import ZoneInfo

from stretto.cli.command_context import CommandContext
from stretto.cli.progress_bar import show_progress
from stretto.cli.time_args import parse_since
from stretto.clock import DAY, HOUR, MINUTE, SECOND, read_wall_clock
from stretto.config.configuration import Config
from stretto.errors import UsageError
from stretto.exporter.openmetrics_history import END, At, generate_openmetrics
from stretto.store import sum_queries
from stretto.store.database import open_reader
from stretto.store.declared_baseline_file import load_declared_baselines
from stretto.store.fanout_and_baseline_queries import make_baseline_finder
from stretto.summaries.window_figures import compute_windows

NOTHING = 1

FINE_STEP = 5 * MINUTE
"""A query sees samples of the last five minutes (Prometheus's look-back): wider steps leave gaps."""
FINE_DAYS = 14
"""Days in fine steps: a week, and the week before it that boards compare it with. Before that, full hours."""

LONGEST_BLOCK = "744h"
"""A block as long as a month: by default promtool reads the whole file again for every two hours in it."""


def write_openmetrics_backfill(context: CommandContext, options: argparse.Namespace) -> int:
    """Write the window figures since the first session, or since a time, as OpenMetrics.

    Without figures no file is written, and the exit code is 1.
    """
    config = context.config
    target = Path(options.output)
    if target.exists():
        raise UsageError("the output exists", where=str(target), hint="name a new file with --output")
    now = read_wall_clock()
    since = 0 if options.since is None else parse_since(options.since, now)
    until = now if options.until is None else min(now, parse_since(options.until, now, "--until"))
    lines = generate_openmetrics(_compute_past(config, since, until), config.address)
    # All figures are computed before the first line, so that a failure leaves no file.
    first = next(lines)
    if first == END:
        context.print_answer(
            {"file": None, "samples": 0, "next": None}, f"no full hour has figures yet: no {target}"
        )
        return NOTHING
    samples = 0
    with target.open("x", encoding="utf-8") as file:
        for line in chain([first], lines):
            file.write(f"{line}\n")
            samples += not line.startswith("#")
    blocks = config.state / "servers" / "prometheus-data"
    hint = (
        f"promtool tsdb create-blocks-from --max-block-duration={LONGEST_BLOCK} openmetrics {target} {blocks}"
    )
    context.print_answer(
        {"file": str(target), "samples": samples, "next": hint},
        f"{samples} samples in {target}\nnext: {hint}",
    )
    return 0


def list_hourly_then_fine_instants(first: int, end: int, zone: str = "UTC") -> list[int]:
    """Return the instants (ns) from ``first`` until ``end``: every full hour, then every five minutes.

    Hours are full in the time of ``zone``: Grafana asks for its reader's full hours, and Prometheus looks
    back for five minutes from each. Example: of sixteen days, the first two in steps of an hour, the other
    fourteen in steps of five minutes.
    """
    ahead = datetime.fromtimestamp(end / SECOND, ZoneInfo(zone)).utcoffset() or timedelta()
    past_hour = round(ahead.total_seconds()) * SECOND % HOUR
    fine_from = max(first, end - FINE_DAYS * DAY)
    # A full hour is a full five minutes too, so the steps meet.
    fine_from += -(fine_from + past_hour) % HOUR
    hours = range(first + -(first + past_hour) % HOUR, fine_from, HOUR)
    return [*hours, *range(fine_from, end, FINE_STEP)]


def _compute_past(config: Config, since: int, until: int) -> Iterator[At]:
    with closing(open_reader(config.database)) as connection:
        declared = load_declared_baselines(config.state)
        rule = config.make_headline_rule(declared)
        first = sum_queries.find_first_slot_time(connection)
        if first is None:
            return
        instants = list_hourly_then_fine_instants(max(first + HOUR, since), until, config.timezone)
        with show_progress(len(instants), "instants") as progress:
            for at in progress(instants):
                find = make_baseline_finder(connection, config.hours, declared, now=at)
                figures = compute_windows(
                    connection, at, find, config.scoring, rule, workflows=config.workflows
                ).figures
                # Most of a long history is empty in every window and is left out.
                if any(figure.count for figure in figures):
                    yield at, figures
