"""``stretto features``: show which optional parts are on and why, change that, and go back."""

from __future__ import annotations

import argparse
from typing import Any

from stretto.cli.command_context import CommandContext
from stretto.config.configuration import Config
from stretto.config.loading import load_config
from stretto.errors import UsageError
from stretto.features.collection_filter import decide_collection
from stretto.features.feature_settings_file import FeatureChanges, read_feature_changes, write_feature_changes
from stretto.features.feature_switches import FEATURES, LEVEL, LEVELS, RETIRED, parse_feature_value
from stretto.features.switched_off_texts import build_features_document
from stretto.hook.install.client_copy import write_collection_words

NOTHING_TO_TAKE_BACK = 1
DEFAULT = "default"
WIDTH = max(map(len, FEATURES))
"""Columns of a part's name."""


def list_features(context: CommandContext, options: argparse.Namespace) -> int:  # noqa: ARG001  # every command takes both
    """List every part with its state and the place that decided it."""
    _print_states(context, context.config)
    return 0


def set_features(context: CommandContext, options: argparse.Namespace) -> int:
    """Switch parts on or off: caching=off, level=minimal; default leaves the decision to the other places."""
    changes: dict[str, Any] = {}
    for word in options.changes:
        name, is_pair, value = word.partition("=")
        if not is_pair:
            raise UsageError(f"{word!r} is no change", hint="for example caching=off, or level=minimal")
        parsed = parse_feature_value(
            name, value if value != DEFAULT else _find_any_value(name), "the command line"
        )
        changes[name] = None if value == DEFAULT else parsed
    folder = context.config.state
    # A change also removes what an earlier version has kept and no part reads any more.
    write_feature_changes(
        folder, read_feature_changes(folder).set_states({**dict.fromkeys(RETIRED), **changes})
    )
    _print_states(context, _apply(context))
    return 0


def undo_last_feature_change(context: CommandContext, options: argparse.Namespace) -> int:  # noqa: ARG001  # every command takes both
    """Return to the states before the last change."""
    folder = context.config.state
    before: FeatureChanges | None = read_feature_changes(folder).take_back()
    if before is None:
        context.print_note("there is no change to take back")
        return NOTHING_TO_TAKE_BACK
    write_feature_changes(folder, before)
    _print_states(context, _apply(context))
    return 0


def _find_any_value(name: str) -> str:
    return LEVELS[0] if name == LEVEL else "on"


def _apply(context: CommandContext) -> Config:
    """Hand the new states to the hooks; return the configuration with them."""
    config = load_config(context.environ, context.home, state=str(context.config.state))
    write_collection_words(config.state, decide_collection(config.features).to_hook_line())
    return config


def _print_states(context: CommandContext, config: Config) -> None:
    states = config.features.states
    lines = [f"{'level':<{WIDTH}} {config.features.level:<9} {states[LEVEL].origin}"]
    for feature in FEATURES.values():
        word = "on" if config.features.is_on(feature.name) else "off"
        lines.append(f"{feature.name:<{WIDTH}} {word:<9} {states[feature.name].origin:<24} {feature.text}")
    context.print_answer(build_features_document(config.features), "\n".join(lines))
