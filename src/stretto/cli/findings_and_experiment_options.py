"""The options of the commands about findings, decisions and experiments."""

from __future__ import annotations

import argparse

from stretto.cli.gate_profile_and_feature_options import AddCommand, Commands


def add_findings(commands: Commands, add_command: AddCommand) -> None:
    """Add the commands to the parser."""
    findings = add_command(
        commands,
        "findings",
        "findings_and_decision_commands:show_findings",
        "what changed, why, what to do, what was done about it and what it brought",
    )
    findings.add_argument(
        "--all", action="store_true", help="every answer, also the quiet ones with what would have been seen"
    )
    _add_instant(findings)
    why = add_command(
        commands,
        "why",
        "findings_and_decision_commands:explain_holdups",
        "what holds up a session, or the work as a whole",
    )
    why.add_argument(
        "session", nargs="?", metavar="SESSION", help="its id, the beginning of it, or 'last'; all without"
    )
    _add_instant(why)
    decide = add_command(
        commands,
        "decide",
        "findings_and_decision_commands:decide",
        "accept or reject a finding, or say that it was applied",
    )
    decide.add_argument("kind", choices=("accepted", "rejected", "applied"), metavar="KIND",
                        help="accepted, rejected or applied")  # fmt: skip
    decide.add_argument("finding", metavar="ID", help="the finding's id or the beginning of it")
    decide.add_argument("--note", default="", help="why, in at most 200 characters")
    _add_instant(decide, "since when it holds")
    annotate = add_command(
        commands,
        "annotate",
        "findings_and_decision_commands:annotate",
        "note a change, such as an upgrade of the client",
    )
    annotate.add_argument("text", metavar="TEXT", help="at most 200 characters")
    _add_instant(annotate, "when it was")
    annotate.add_argument(
        "--new-normal", action="store_true", help="compare only later runs: earlier ones were something else"
    )
    _add_experiment(commands, add_command)


def _add_instant(parser: argparse.ArgumentParser, meaning: str = "as it was then") -> None:
    parser.add_argument(
        "--at", metavar="WHEN", help=f"{meaning}: 24h (ago), 2026-11-20, or an RFC 3339 time (now)"
    )


def _add_experiment(commands: Commands, add_command: AddCommand) -> None:
    experiment = commands.add_parser(
        "experiment", help="compare two ways of working: define, assign, status, conclude"
    )
    actions = experiment.add_subparsers(title="actions", metavar="ACTION", required=True)
    define = add_command(
        actions, "define", "experiment:define", "plan an experiment: how many runs each arm needs"
    )
    define.add_argument("name", metavar="NAME")
    define.add_argument("--metric", required=True, help="task_seconds, elapsed_seconds, wall_seconds, …")
    define.add_argument("--arms", default="A,B", help="the usual way and the new one (A,B)")
    define.add_argument("--mde", type=float, default=1.2, help="the smallest ratio worth finding (1.2)")
    define.add_argument("--base", type=float, help="the usual share, for the metric success")
    define.add_argument("--spread", type=float, default=0.62, help="log-sd from session to session (0.62)")
    define.add_argument("--looks", type=int, default=1, help="planned looks (1)")
    define.add_argument("--power", type=float, default=0.8, help="chance of finding it (0.8)")
    define.add_argument(
        "--by", choices=("pattern", "none"), default="pattern", help="compare within patterns"
    )
    define.add_argument("--pair-by", metavar="LABEL", help="label that names the same work in both arms")
    assign = add_command(
        actions, "assign", "experiment:assign", "print the environment that puts a session into an arm"
    )
    assign.add_argument("name", metavar="NAME")
    assign.add_argument("session", metavar="SESSION", help="any text that names the session or the work")
    assign.add_argument("--stratum", default="", help="balance within this group, such as a pattern")
    status = add_command(actions, "status", "experiment:show_status", "how experiments stand")
    status.add_argument("name", nargs="?", metavar="NAME")
    status.add_argument("--unplanned", action="store_true", help="answer a look that was not planned")
    conclude = add_command(actions, "conclude", "experiment:conclude", "end an experiment with its result")
    conclude.add_argument("name", metavar="NAME")
    conclude.add_argument("--early", action="store_true", help="also before the last planned look")
