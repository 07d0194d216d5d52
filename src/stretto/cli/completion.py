"""``stretto completion``: print the shell's completion script, made from the parser by shtab."""

from __future__ import annotations

import argparse

import shtab

from stretto.cli.command_context import CommandContext
from stretto.cli.command_line import build_parser


def print_completion(context: CommandContext, options: argparse.Namespace) -> int:  # noqa: ARG001  # every command takes both
    """Print the script that completes commands and options in the named shell."""
    print(shtab.complete(build_parser(), shell=options.shell))
    return 0
