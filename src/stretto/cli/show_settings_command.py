"""The command ``stretto config``: every setting with its origin."""

from __future__ import annotations

import argparse

from stretto.cli import text_tables
from stretto.cli.command_context import CommandContext
from stretto.figures.scores.score_rules import build_rules_document


def show_config(context: CommandContext, options: argparse.Namespace) -> int:  # noqa: ARG001  # every command takes both
    """Show every setting with its origin."""
    config = context.config
    document = {
        "settings": [{"name": s.name, "value": s.value, "origin": s.origin} for s in config.settings],
        "task_types": [
            {
                "name": t.name,
                "keywords": list(t.keywords),
                "sequential_hours": t.sequential_hours,
                "parallel_target_hours": t.parallel_target_hours,
                "target_improvement": t.target,
            }
            for t in config.task_types.types
        ],
        "scores": build_rules_document(config.scores),
    }
    context.print_answer(document, text_tables.format_config(config))
    return 0
