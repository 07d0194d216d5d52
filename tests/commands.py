"""The commands of ``stretto`` as its parser knows them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import cache

from stretto.cli.command_line import build_parser


@cache
def list_commands() -> tuple[str, ...]:
    """Return each command by its words, such as ``hooks install``."""
    return tuple(_walk(build_parser(), ()))


def _walk(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> Iterator[str]:
    nested = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not nested:
        yield " ".join(words)
    for action in nested:
        for name, verb in action.choices.items():
            yield from _walk(verb, (*words, name))
