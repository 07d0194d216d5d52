"""``stretto hub define-experiment`` and its kin: a lead asks the hub by HTTP, with the token of the role."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path

import msgspec

from stretto.cli.command_context import CommandContext
from stretto.cli.hub_options import BOTH_ARMS
from stretto.errors import UsageError
from stretto.fleet.team_experiment_messages import ExperimentEntry, ExperimentOrder, WithdrawalOrder
from stretto.shipping.hub_client import HubClient


def define_team_experiment(context: CommandContext, options: argparse.Namespace) -> int:
    """Begin an experiment of the lead's team."""
    arms = tuple(arm.strip() for arm in options.arms.split(","))
    if len(arms) != 2:  # noqa: PLR2004  # the usual way and the new one
        raise UsageError(f"{options.arms!r} are not two arms", hint="give --arms USUAL,NEW")
    order = ExperimentOrder(
        name=options.name,
        metric=options.metric,
        days=options.days,
        arms=(arms[0], arms[1]),
        label=options.label,
        pattern=options.pattern,
        type=options.type,
        is_paired=options.people == BOTH_ARMS,
    )
    with closing(_make_client(options)) as client:
        entry = client.define_experiment(order)
    context.print_answer(
        msgspec.to_builtins(entry),
        f"{_describe(entry)}; mark a session with STRETTO_LABELS={entry.label}={entry.arms[1]},"
        f" on machines whose fleet.shown_labels has {entry.label}",
    )
    return 0


def list_team_experiments(context: CommandContext, options: argparse.Namespace) -> int:
    """List the experiments of the lead's team."""
    with closing(_make_client(options)) as client:
        answer = client.list_experiments()
    lines = "\n".join(map(_describe, answer.experiments))
    context.print_answer(msgspec.to_builtins(answer), lines or "there is no experiment")
    return 0


def withdraw_team_experiment(context: CommandContext, options: argparse.Namespace) -> int:
    """End an experiment without an answer, or take its answer away."""
    with closing(_make_client(options)) as client:
        entry = client.withdraw_experiment(WithdrawalOrder(options.name))
    context.print_answer(msgspec.to_builtins(entry), _describe(entry))
    return 0


def _describe(entry: ExperimentEntry) -> str:
    effect = "" if entry.effect is None else f"{entry.effect:.2f} [{entry.low:.2f}, {entry.high:.2f}]; "
    verdict = "" if entry.verdict is None else f"{entry.verdict.replace('_', ' ')}; "
    usual, new = entry.arms
    return (
        f"{entry.team}/{entry.name}: {new} against {usual}, {entry.state}; {effect}{verdict}{entry.sentence}"
    )


def _make_client(options: argparse.Namespace) -> HubClient:
    try:
        token = Path(options.token_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "the lead's token cannot be read", where=options.token_file, cause=str(error)
        ) from error
    return HubClient(options.url, token)
