"""``stretto experiment``: from definition to conclusion. Everything is a decision in the journal."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import TYPE_CHECKING
from uuid import uuid4

from stretto.analysis.installed_extras import require_extra
from stretto.cli.command_context import CommandContext
from stretto.cli.findings_and_decision_commands import is_service_down
from stretto.cli.import_command import update_store
from stretto.clock import read_wall_clock
from stretto.errors import UsageError
from stretto.findings.analysis_run import read_analysis_input
from stretto.findings.experiment_journal_records import (
    ARM,
    SESSION,
    STRATUM,
    make_definition_details,
    read_assignments,
    read_definitions,
)
from stretto.findings.findings_snapshot import build_finding_document
from stretto.model.decisions import Decision, DecisionKind
from stretto.store.database import open_reader
from stretto.store.decision_rows import append_decisions, read_decisions

if TYPE_CHECKING:
    from stretto.analysis.experiment_definition_and_plan import ExperimentDefinition
    from stretto.analysis.experiments import ExperimentStatus


def define(context: CommandContext, options: argparse.Namespace) -> int:
    """Plan an experiment and record its definition."""
    require_extra()
    from stretto.analysis.experiment_definition_and_plan import define_experiment  # noqa: PLC0415  # loads scipy

    now = read_wall_clock()
    if any(each.name == options.name for each in _read_definitions(context)):
        raise UsageError(
            f"the experiment {options.name!r} is defined already", hint="conclude it, or take another name"
        )
    definition = define_experiment(
        options.name,
        metric=options.metric,
        arms=tuple(arm.strip() for arm in options.arms.split(",")),
        smallest_effect=options.mde,
        spread=options.spread,
        base_share=options.base,
        looks=options.looks,
        power=options.power,
        by_pattern=options.by == "pattern",
        pair_by=options.pair_by,
        start=now,
    )
    details = make_definition_details(definition)
    _record(context, Decision(uuid4().hex, now, DecisionKind.EXPERIMENT, options.name, "", details))
    looks = ", ".join(map(str, definition.look_sizes))
    context.print_answer(
        {"name": options.name, **details},
        f"{options.name}: {definition.units} runs per arm, looks at {looks};"
        f" mark a session with STRETTO_LABELS={definition.label}={definition.arms[1]},"
        f" or let 'stretto experiment assign {options.name} SESSION' choose",
    )
    return 0


def assign(context: CommandContext, options: argparse.Namespace) -> int:
    """Choose the arm of a session, record it, and print the environment."""
    require_extra()
    from stretto.analysis.experiment_definition_and_plan import assign_arm, make_environment  # noqa: PLC0415  # loads scipy

    definition = _find(context, options.name)
    with closing(open_reader(context.config.database)) as connection:
        assigned = read_assignments(read_decisions(connection), options.name, options.stratum)
    arm = assign_arm(definition, options.session, assigned, options.stratum)
    if options.session not in assigned:
        details = {ARM: arm, SESSION: options.session, STRATUM: options.stratum}
        _record(
            context,
            Decision(uuid4().hex, read_wall_clock(), DecisionKind.ASSIGNMENT, options.name, "", {**details}),
        )
    environment = make_environment(definition, arm)
    text = "\n".join(f"{name}={value}" for name, value in environment.items())
    context.print_answer({"experiment": options.name, "arm": arm, "environment": environment}, text)
    return 0


def show_status(context: CommandContext, options: argparse.Namespace) -> int:
    """Print how the experiments stand, or one of them."""
    require_extra()
    wanted = [_find(context, options.name)] if options.name else _read_definitions(context)
    answers = [_judge(context, definition, unplanned=options.unplanned) for definition in wanted]
    context.print_answer(
        {"experiments": [build_finding_document(answer.to_finding()) for answer in answers]},
        "\n".join(_describe(answer) for answer in answers) or "there is no experiment",
    )
    return 0


def conclude(context: CommandContext, options: argparse.Namespace) -> int:
    """Record the result of an experiment; before its last look only if it is asked for."""
    require_extra()
    definition = _find(context, options.name)
    answer = _judge(context, definition, unplanned=False)
    if not answer.final and not options.early:
        raise UsageError(
            f"{options.name} is not over: {_describe(answer)}",
            hint="wait for the next planned look, or end it without a result by --early",
        )
    finding = answer.to_finding()
    evidence = finding.evidence
    details = {
        name: value
        for name, value in (("effect", evidence.effect), ("low", evidence.low), ("high", evidence.high))
        if value is not None
    }
    verdict = finding.verdict.value if answer.final else "ended_early"
    _record(
        context,
        Decision(
            uuid4().hex,
            read_wall_clock(),
            DecisionKind.CONCLUSION,
            options.name,
            verdict,
            {**details, "n": evidence.n},
        ),
    )
    context.print_answer(
        {"experiment": options.name, "verdict": verdict, **details},
        f"{options.name}: {verdict}; {_describe(answer)}",
    )
    return 0


def _describe(answer: ExperimentStatus) -> str:
    counts = ", ".join(f"{count} {arm}" for arm, count in answer.counts.items())
    finding = answer.to_finding()
    evidence = finding.evidence
    effect = (
        "no effect yet"
        if evidence.effect is None
        else f"{evidence.effect:.2f} [{evidence.low:.2f}, {evidence.high:.2f}]"
    )
    following = "final" if answer.final else f"next look at {answer.next_look} per arm"
    anytime = "" if answer.anytime is None else f"; unplanned look: e = {answer.anytime.e_value:.2f}"
    notes = f"; {finding.reason}" if finding.reason else ""
    verdict = finding.verdict.value.replace("_", " ")
    return f"{answer.definition.name}: {counts}; {effect}; {verdict}, {following}{anytime}{notes}"


def _judge(context: CommandContext, definition: ExperimentDefinition, *, unplanned: bool) -> ExperimentStatus:
    from stretto.analysis.experiment_units import list_experiment_sessions  # noqa: PLC0415  # loads scipy
    from stretto.analysis.experiments import judge_experiment  # noqa: PLC0415  # likewise

    now = read_wall_clock()
    with closing(open_reader(context.config.database)) as connection:
        given = read_analysis_input(connection, now, context.config.timezone)
    units = list_experiment_sessions(definition, given.sessions, given.tasks, now)
    return judge_experiment(definition, units, unplanned=unplanned)


def _find(context: CommandContext, name: str) -> ExperimentDefinition:
    definitions = _read_definitions(context)
    for definition in definitions:
        if definition.name == name:
            return definition
    known = ", ".join(each.name for each in definitions) or "none"
    raise UsageError(f"there is no experiment {name!r}", hint=f"known: {known}")


def _read_definitions(context: CommandContext) -> list[ExperimentDefinition]:
    if is_service_down(context):
        update_store(context)
    with closing(open_reader(context.config.database)) as connection:
        return read_definitions(read_decisions(connection))


def _record(context: CommandContext, decision: Decision) -> None:
    append_decisions(context.config.journal, [decision])
    # Whether a service runs or not, the decision is in the store when the command ends.
    update_store(context)
