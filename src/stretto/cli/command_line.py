"""The parser of the command line: every command with its options and a line of help.

A command names the function that runs it as ``module:function``, so that only the module of the command that
runs is imported.
"""

from __future__ import annotations

import argparse

STATUS_LINE = "statusline"

AGENT_NAMES = ("claude-code", "codex", "droid", "gemini-cli", "copilot-cli", "qwen-code", "cursor",
               "pi", "opencode")  # fmt: skip
"""The agents that hooks can be installed for, repeated here so that only ``hooks`` imports the installer."""

OUTCOMES = ("success", "failure", "cancelled", "unknown", "running")
"""The outcomes of a session, repeated here for the same reason. A test compares them with the model."""

SORTS = ("last", "start", "elapsed", "speedup", "delivered", "cost", "failures", "turns", "tasks", "fanouts",
         "tool_calls", "project", "pattern", "outcome", "finding")  # fmt: skip
"""The columns that sessions are sorted by, repeated here for the same reason. A test compares them too."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; docs/cli.md is generated from it."""
    top = argparse.ArgumentParser(
        prog="stretto",
        description="Measures how much time parallel agents save, what they cost and where time is lost.",
    )
    top.add_argument("--version", action=_ShowVersion, nargs=0, help="show the version and exit")
    top.add_argument("--state", metavar="DIR", help="the folder of all data (STRETTO_STATE)")
    top.add_argument("--json", action="store_true", help="answer as JSON, also after the command")
    top.set_defaults(run="doctor:show_next_step", has_json=True)
    commands = top.add_subparsers(title="commands", metavar="COMMAND")

    _add_up(commands)

    _add_hooks(commands)

    imported = _add_command(
        commands, "import", "import_command:run_import", "import histories of agents and recordings of hooks"
    )
    imported.add_argument(
        "--agent", choices=AGENT_NAMES, help="the agent whose hooks a recording holds; recognised otherwise"
    )
    imported.add_argument(
        "paths", nargs="+", metavar="PATH", help="a file, or a folder such as ~/.claude/projects"
    )

    _add_sessions(commands)

    show = _add_command(
        commands,
        "show",
        "session_commands:show_session",
        "show a session: its tasks, its parallel executions and the time they saved",
    )
    show.add_argument("session", metavar="SESSION", help="its id, the beginning of it, or 'last'")
    show.add_argument(
        "--what-if",
        metavar="TASK=FACTOR",
        help="estimate the session's time if a task took FACTOR of its time (0.8: a fifth faster)",
    )

    _add_command(
        commands, "top", "top:run_top", "watch running agents, their calls, time saved, spending and alerts"
    )

    status_line = _add_command(
        commands,
        STATUS_LINE,
        "statusline:run_statusline",
        "print a line about the session that the agent names on standard input",
        json=False,
    )
    status_line.add_argument(
        "--chain",
        metavar="COMMAND",
        help="first run this status line command on the same input and print its line",
    )

    _add_baseline(commands)

    _add_label(commands)

    score = _add_command(
        commands,
        "score",
        "record_score_command:record_score",
        "record a judgement on a session, task or phase",
    )
    score.usage = (
        "stretto score [-h] [--json] (latest | --session ID | --task ID | --phase ID) NAME VALUE [--of TOP]"
        " [--by WHO]"
    )
    # A single list: argparse would treat an optional first word as absent after an option.
    score.add_argument(
        "words",
        nargs="+",
        metavar="NAME VALUE",
        help="the score (quality, satisfaction, …) and a number; 'latest' before them is the last session",
    )
    score.add_argument(
        "--session",
        metavar="ID",
        help="a session's id or the beginning of it; with --task or --phase, their session",
    )
    score.add_argument("--task", metavar="ID", help="a task, by its id in 'stretto show'")
    score.add_argument("--phase", metavar="ID", help="a phase, by its id in 'stretto show'")
    score.add_argument(
        "--of",
        type=float,
        metavar="TOP",
        help="the top of the scale that the number is on, from 0: 92 --of 100",
    )
    score.add_argument(
        "--by", metavar="WHO", help="who judges; a later score by the same name replaces the earlier score"
    )

    _add_build_commands(commands)

    _add_backfill(commands)
    _add_command(
        commands,
        "doctor",
        "doctor:run_doctor",
        "check every part from hook to notification and show what is missing",
    )
    _add_servers(commands)
    _add_command(commands, "rebuild", "rebuild:run_rebuild", "rebuild the store from the journal")
    _add_backup(commands)
    _add_forget(commands)
    _add_command(commands, "config", "show_settings_command:show_config", "show every setting and its origin")
    completion = _add_command(
        commands,
        "completion",
        "completion:print_completion",
        "print a script that completes commands and options",
        json=False,
    )
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    return top


class _ShowVersion(argparse.Action):
    """Prints the version. It is looked up only here: the look-up takes longer than most commands."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from stretto.version import read_version  # noqa: PLC0415  # see above

        print(f"stretto {read_version()}")
        parser.exit()


def _add_hooks(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    hooks = commands.add_parser("hooks", help="connect a coding agent: install, uninstall, status")
    actions = hooks.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, run, text in (
        ("install", "hooks:install_hooks", "register the hooks in the agent's settings"),
        ("uninstall", "hooks:uninstall_hooks", "remove the hooks, leaving every other setting as it was"),
        ("status", "hooks:show_status", "show which hooks are registered where"),
    ):
        action = _add_command(actions, name, run, text)
        action.add_argument(
            "--scope",
            choices=("user", "project", "local"),
            default="user",
            help="the settings file to change",
        )
        if name != "status":
            action.add_argument("--agent", choices=AGENT_NAMES, default=AGENT_NAMES[0], help="the agent")
        if name == "install":
            action.add_argument(
                "--trust",
                action="store_true",
                help="let Codex trust these hooks, which you would do by /hooks",
            )
            action.add_argument("--transport", choices=("command", "http"), default="command")
            action.add_argument(
                "--statusline",
                action="store_true",
                help="show a line of figures in Claude Code, below an existing status line",
            )
            action.add_argument(
                "--mcp",
                action="store_true",
                help="let Claude Code ask by MCP: operations as tools, sessions and findings as resources",
            )


def _add_forget(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    forget = _add_command(
        commands,
        "forget",
        "forget:forget_sessions",
        "erase a session, or all of a project, from everything that Stretto keeps",
    )
    forget.add_argument("session", nargs="?", metavar="SESSION", help="a session's id or its beginning")
    forget.add_argument(
        "--project",
        metavar="NAME",
        help="all sessions of this project; the hash of its repository, where several have the name",
    )


def _add_up(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    up = _add_command(
        commands,
        "up",
        "up:run_service_and_servers",
        "run the service, with Prometheus and Alertmanager if they are installed",
        json=False,
    )
    up.add_argument("--listen", metavar="HOST:PORT", help="the address to listen on (127.0.0.1:9464)")
    up.add_argument(
        "--demo",
        nargs="?",
        const="recording",
        choices=("recording", "month"),
        help="show the recorded example even beside your own sessions; month: a simulated month, kept apart",
    )
    up.add_argument(
        "--history",
        choices=("ask", "yes", "no"),
        default="ask",
        help="import the agents' earlier sessions first, and follow agents without hooks (asked once)",
    )
    up.add_argument(
        "--otlp-ports",
        action="store_true",
        help="also listen on OTLP's own ports: 4318 for HTTP, and 4317 for gRPC if grpcio is installed",
    )
    up.add_argument(
        "--push", metavar="URL", help="send this machine's sums to a remote-write address (STRETTO_PUSH_URL)"
    )
    up.add_argument("--no-servers", action="store_true", help="do not start Prometheus and Alertmanager")


def _add_servers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    servers = _add_command(
        commands,
        "servers",
        "show_prometheus_login_command:show_servers",
        "print address, user and password file of Prometheus and Alertmanager",
    )
    servers.add_argument(
        "--write",
        metavar="FILE",
        help="write the servers' web configuration for containers, with the token as password",
    )
    service = commands.add_parser("service", help="let systemd or launchd run the service: install")
    actions = service.add_subparsers(title="actions", metavar="ACTION", required=True)
    install = _add_command(
        actions,
        "install",
        "service_unit_command:write_service_unit",
        "write a unit for this user, and start nothing",
    )
    install.add_argument(
        "--manager", choices=("systemd", "launchd"), help="whose unit (launchd on macOS, else systemd)"
    )
    install.add_argument("--replace", action="store_true", help="overwrite a unit that differs")
    receivers = _add_command(
        commands,
        "receivers",
        "check_alert_receivers_command:check_file_and_print_receivers",
        "check where alerts are sent beside the page",
    )
    receivers.add_argument(
        "--write", metavar="FILE", help="write Alertmanager's configuration with these receivers"
    )


def _add_label(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    label = _add_command(
        commands, "label", "label:label_session", "label a session, or name the pattern that it follows"
    )
    label.add_argument("session", metavar="SESSION", help="a session's id or its beginning, or 'last'")
    label.add_argument(
        "labels",
        nargs="+",
        metavar="KEY=VALUE",
        help="pattern=NAME names its pattern; KEY= removes a label",
    )


def _add_backup(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    backup = _add_command(
        commands,
        "backup",
        "backup_and_restore:write_backup",
        "write journal, kept sums and settings into one archive",
    )
    backup.add_argument("file", metavar="FILE", help="the archive to create")
    restore = _add_command(
        commands,
        "restore",
        "backup_and_restore:restore_backup",
        "merge such an archive into the journal and the settings",
    )
    restore.add_argument("file", metavar="FILE", help="an archive that 'stretto backup' has written")


def _add_backfill(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    backfill = _add_command(
        commands,
        "backfill",
        "prometheus_backfill:write_openmetrics_backfill",
        "write past figures as OpenMetrics for Prometheus",
    )
    backfill.add_argument(
        "--output", default="stretto-backfill.om", metavar="FILE", help="the file to create"
    )
    backfill.add_argument(
        "--since",
        metavar="WHEN",
        help="begin at: 24h (ago), 7d, 2026-11-20, an RFC 3339 time; otherwise at the first session",
    )
    backfill.add_argument("--until", metavar="WHEN", help="end before this time (now)")


def _add_sessions(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sessions = _add_command(
        commands, "sessions", "session_commands:list_sessions", "find sessions, the latest first"
    )
    sessions.add_argument(
        "words",
        nargs="*",
        metavar="WORD",
        help="only sessions with words that begin so: in a name, a description of a task, a label, the id",
    )
    sessions.add_argument(
        "--limit", type=int, default=20, metavar="N", help="the largest number of sessions (20)"
    )
    for name in ("project", "worktree", "source", "pattern"):
        sessions.add_argument(f"--{name}", metavar="NAME", help=f"only sessions of this {name}")
    sessions.add_argument(
        "--repository",
        metavar="HASH",
        help="only sessions of this repository, as 'show --json' names it: another may have the same name",
    )
    sessions.add_argument("--agent", metavar="NAME", help="only sessions in which this agent took part")
    sessions.add_argument("--type", metavar="NAME", help="only sessions with a task of this type")
    sessions.add_argument("--tool", metavar="NAME", help="only finished sessions that called this tool")
    sessions.add_argument("--model", metavar="NAME", help="only finished sessions that called this model")
    sessions.add_argument("--label", metavar="KEY=VALUE", help="only sessions with this label")
    sessions.add_argument("--outcome", choices=OUTCOMES, help="only sessions with this outcome")
    sessions.add_argument("--failed", action="store_true", help="only sessions with a failed task")
    sessions.add_argument("--parallel", action="store_true", help="only sessions with parallel executions")
    sessions.add_argument(
        "--since", metavar="WHEN", help="only sessions active since: 24h, 7d, 2026-11-20, or an RFC 3339 time"
    )
    sessions.add_argument("--until", metavar="WHEN", help="only sessions that began before, likewise")
    sessions.add_argument("--sort", choices=SORTS, default=SORTS[0], help="the largest of this first (last)")
    sessions.add_argument("--ascending", action="store_true", help="the smallest first")


def _add_build_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from stretto.cli.export_options import add_exports  # noqa: PLC0415  # as below
    from stretto.cli.findings_and_experiment_options import add_findings  # noqa: PLC0415  # as below
    from stretto.cli.fleet_options import add_fleet, add_ship  # noqa: PLC0415  # as below
    from stretto.cli.gate_profile_and_feature_options import add_features, add_gate, add_profile  # noqa: PLC0415  # the status line needs neither
    from stretto.cli.hub_options import add_hub  # noqa: PLC0415  # as below
    from stretto.cli.operation_verbs import add_mcp, add_operations  # noqa: PLC0415  # as above
    from stretto.cli.report_options import add_report  # noqa: PLC0415  # as above

    add_exports(commands, _add_command)
    add_gate(commands, _add_command)
    add_profile(commands, _add_command)
    add_features(commands, _add_command)
    add_findings(commands, _add_command)
    add_fleet(commands, _add_command)
    add_ship(commands, _add_command)
    add_hub(commands, _add_command)
    add_operations(commands, _add_command)
    add_mcp(commands, _add_command)
    add_report(commands, _add_command)


def _add_baseline(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from stretto.cli.gate_profile_and_feature_options import add_baseline_save_and_compare  # noqa: PLC0415  # see above

    baseline = commands.add_parser(
        "baseline", help="the baselines that parallel work is compared with: list, record, set, forget"
    )
    actions = baseline.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_command(
        actions,
        "list",
        "sequential_baseline_commands:list_baselines",
        "list every known baseline and the parallel work compared with it",
    )
    record = _add_command(
        actions,
        "record",
        "sequential_baseline_commands:record_sequential_runs_as_baseline",
        "record the sequential tasks of a session as a baseline",
    )
    record.add_argument("session", metavar="SESSION", help="its id, the beginning of it, or 'last'")
    record.add_argument("--name", help="the baseline's name (the session's id)")
    record.add_argument(
        "--whole",
        action="store_true",
        help="use it for any mix of its task types, not only for the mix of its runs",
    )
    set_ = _add_command(
        actions,
        "set",
        "sequential_baseline_commands:set_length",
        "set how long a task of a type takes without parallel work",
    )
    set_.add_argument("task_type", metavar="TASK_TYPE")
    set_.add_argument("length", metavar="LENGTH", help="seconds, or a duration such as 4h, 90min, 1h30min")
    forget = _add_command(
        actions,
        "forget",
        "sequential_baseline_commands:forget_baseline",
        "remove a recorded baseline or a task type's set duration",
    )
    forget.add_argument("name", metavar="NAME", help="the baseline's name, or the task type")
    add_baseline_save_and_compare(actions, _add_command)


def _add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: str,
    text: str,
    *,
    json: bool = True,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    command.set_defaults(run=run, has_json=json)
    if json:
        # Without a default, --json before the command stays in force.
        command.add_argument(
            "--json",
            action="store_true",
            default=argparse.SUPPRESS,
            help="answer as JSON (docs/cli.md has the shape)",
        )
    return command
