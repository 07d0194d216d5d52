"""``stretto backfill``: write past figures for Prometheus, so that graphs begin before its installation."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from stretto.cli.command_context import CommandContext
from stretto.clock import HOUR, read_wall_clock
from stretto.config.configuration import Config
from stretto.errors import UsageError
from stretto.exporter.openmetrics_history import At, generate_openmetrics
from stretto.store import queries
from stretto.store.database import open_reader
from stretto.store.declared_baselines import load_declared_baselines
from stretto.store.fanout_queries import make_baseline_finder
from stretto.summaries.window_figures import compute_windows

NOTHING = 1


def run_backfill(context: CommandContext, options: argparse.Namespace) -> int:
    """Write the window figures of every full hour since the first session, as OpenMetrics.

    Without figures no file is written, and the exit code is 1.
    """
    config = context.config
    target = Path(options.output)
    if target.exists():
        raise UsageError("the output exists", where=str(target), hint="name a new file with --output")
    lines = list(generate_openmetrics(_compute_hours(config), config.address))
    samples = sum(not line.startswith("#") for line in lines)
    if not samples:
        context.print_answer(
            {"file": None, "samples": 0, "next": None}, f"no full hour has figures yet: no {target}"
        )
        return NOTHING
    target.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    blocks = config.state / "servers" / "prometheus-data"
    hint = f"promtool tsdb create-blocks-from openmetrics {target} {blocks}"
    context.print_answer(
        {"file": str(target), "samples": samples, "next": hint},
        f"{samples} samples in {target}\nnext: {hint}",
    )
    return 0


def _compute_hours(config: Config) -> Iterator[At]:
    with closing(open_reader(config.database)) as connection:
        declared = load_declared_baselines(config.state)
        rule = config.make_headline_rule(declared)
        first = queries.find_first_slot_time(connection)
        at = read_wall_clock() if first is None else first + HOUR
        while at < read_wall_clock():
            find = make_baseline_finder(connection, config.hours, declared, now=at)
            figures = compute_windows(
                connection, at, find, config.scoring, rule, workflows=config.workflows
            ).figures
            # Most hours of a long history are empty in every window and are left out.
            if any(figure.count for figure in figures):
                yield at, figures
            at += HOUR
