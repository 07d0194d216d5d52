"""The parser, the dispatch and the exit codes of ``stretto``.

Exit codes: 0 fine, 1 a finding (trouble, or no such session), 2 wrong use, 3 the environment.
Standard output carries the answer, standard error the talk. Each verb's module is imported when it is called,
and the configuration with it: the status line, which needs neither, is drawn again and again while one types.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from stretto.errors import StrettoError

INTERRUPTED = 130

STATUS_LINE = "statusline"

AGENT_NAMES = ("claude-code", "codex", "droid", "gemini-cli", "copilot-cli", "cursor")
"""The agents that hooks can be installed for; spelt here so that no other verb loads the installer."""

OUTCOMES = ("success", "failure", "cancelled", "unknown", "running")
"""How a session ended; spelt here for the same reason, and checked by a test."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if STATUS_LINE in words:
        from stretto.cli import statusline  # noqa: PLC0415  # every other verb does without

        wish = statusline.parse_options(words)
        if wish is not None:
            return statusline.print_line(wish, os.environ)
    return _run_verb(build_parser().parse_args(words))


def _run_verb(options: argparse.Namespace) -> int:
    from stretto.cli.command_context import CommandContext  # noqa: PLC0415  # the status line does without
    from stretto.config.loading import find_unknown_variables, load_config  # noqa: PLC0415  # likewise

    for problem in find_unknown_variables(os.environ):
        print(f"stretto: {problem}", file=sys.stderr)
    try:
        config = load_config(
            os.environ, Path.home(), state=options.state, listen=getattr(options, "listen", None)
        )
        context = CommandContext(
            config=config, json=getattr(options, "json", False), environ=os.environ, home=Path.home()
        )
        module, _, function = options.run.partition(":")
        run: Callable[[CommandContext, argparse.Namespace], int] = getattr(
            import_module(f"stretto.cli.{module}"), function
        )
        return run(context, options)
    except StrettoError as error:
        print(f"stretto: {error.sentence()}", file=sys.stderr)
        if error.hint:
            print(f"         {error.hint}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever reads has seen enough; Python would complain again while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # A folder that cannot be made, a full disk: the environment's fault is told as such, not as ours.
        print(f"stretto: {error.strerror or error}: {error.filename or 'no file'}", file=sys.stderr)
        return StrettoError.exit_code


def build_parser() -> argparse.ArgumentParser:
    """Return the whole command line; docs/cli.md is made from it."""
    top = argparse.ArgumentParser(
        prog="stretto", description="Measures what running agents in parallel gains, costs and loses."
    )
    top.add_argument("--version", action=_ShowVersion, nargs=0, help="show the version and exit")
    top.add_argument("--state", metavar="DIR", help="the folder that everything is kept in (STRETTO_STATE)")
    verbs = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    up = _add_verb(
        verbs,
        "up",
        "up:run_up",
        "run the service, with Prometheus and Alertmanager where installed",
        json=False,
    )
    up.add_argument("--listen", metavar="HOST:PORT", help="where to serve (127.0.0.1:9464)")
    up.add_argument("--demo", action="store_true", help="show the recording even beside own sessions")
    up.add_argument(
        "--history",
        choices=("ask", "yes", "no"),
        default="ask",
        help="import the agent's own transcripts first (parse_options once where there is a terminal)",
    )
    up.add_argument("--no-servers", action="store_true", help="leave Prometheus and Alertmanager alone")

    hooks = verbs.add_parser("hooks", help="connect an agent: install, uninstall, status")
    actions = hooks.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, run, text in (
        ("install", "hooks:install_hooks", "register the hooks in the agent's settings"),
        ("uninstall", "hooks:uninstall_hooks", "remove the hooks, leaving every other setting as it was"),
        ("status", "hooks:show_status", "show which hooks are registered where"),
    ):
        action = _add_verb(actions, name, run, text)
        action.add_argument(
            "--scope", choices=("user", "project", "local"), default="user", help="whose settings"
        )
        if name != "status":
            action.add_argument("--agent", choices=AGENT_NAMES, default=AGENT_NAMES[0], help="whose hooks")
        if name == "install":
            action.add_argument("--transport", choices=("command", "http"), default="command")
            action.add_argument(
                "--statusline",
                action="store_true",
                help="show a line of figures in Claude Code; a status line that is there stays, above it",
            )

    imported = _add_verb(
        verbs, "import", "import_command:run_import", "take in recordings of hooks, and transcripts"
    )
    imported.add_argument(
        "paths", nargs="+", metavar="PATH", help="a file, or a folder such as ~/.claude/projects"
    )

    listed = _add_verb(verbs, "sessions", "store_commands:list_sessions", "list sessions, the latest first")
    listed.add_argument("--limit", type=int, default=20, metavar="N", help="how many (20)")
    listed.add_argument("--project", metavar="NAME", help="only of this project")
    listed.add_argument("--pattern", metavar="NAME", help="only of this pattern")
    listed.add_argument("--outcome", choices=OUTCOMES, help="only those that ended so, or run")
    listed.add_argument(
        "--since", metavar="WHEN", help="only those heard of since: 24h, 7d, 2026-11-20, an RFC 3339 time"
    )

    show = _add_verb(
        verbs,
        "show",
        "store_commands:show_session",
        "show one session: its tasks, its fan-outs and what they gained",
    )
    show.add_argument("session", metavar="SESSION", help="its id, the beginning of it, or 'last'")
    show.add_argument(
        "--what-if",
        metavar="TASK=FACTOR",
        help="work out how long it had taken with one task at FACTOR of its time (0.8: a fifth faster)",
    )

    _add_verb(
        verbs, "top", "top:run_top", "watch what goes on now: agents, their calls, verdicts, spending, alerts"
    )

    status_line = _add_verb(
        verbs,
        STATUS_LINE,
        "statusline:run_statusline",
        "print one line about the session that the agent tells of on standard input",
        json=False,
    )
    status_line.add_argument(
        "--chain",
        metavar="COMMAND",
        help="run the status line command that was there before, on the same input, and print its line first",
    )

    _add_baseline(verbs)

    score = _add_verb(verbs, "score", "score:record_score", "judge a session, or a task or phase of one")
    score.usage = (
        "stretto score [-h] [--json] (latest | --session ID | --task ID | --phase ID) NAME VALUE [--by WHO]"
    )
    # One list: argparse takes an optional word before others for absent as soon as an option stands first.
    score.add_argument(
        "words",
        nargs="+",
        metavar="NAME VALUE",
        help="of what (quality, satisfaction, …) and a number; 'latest' before them is the last session",
    )
    score.add_argument("--session", metavar="ID", help="its id or the beginning of it; beside --task: its")
    score.add_argument("--task", metavar="ID", help="a task, by its id in 'stretto show'")
    score.add_argument("--phase", metavar="ID", help="a phase, by its id in 'stretto show'")
    score.add_argument("--by", metavar="WHO", help="who says so; who judges again corrects what was said")

    backfill = _add_verb(
        verbs, "backfill", "backfill:run_backfill", "write the past as OpenMetrics for Prometheus"
    )
    backfill.add_argument("--output", default="stretto-backfill.om", metavar="FILE", help="a new file")

    _add_verb(verbs, "doctor", "doctor:run_doctor", "walk from hook to notification and say what is missing")
    receivers = _add_verb(
        verbs, "receivers", "receivers:show_receivers", "check where alerts go beside the page"
    )
    receivers.add_argument("--write", metavar="FILE", help="write Alertmanager's configuration with them")
    _add_verb(verbs, "rebuild", "store_commands:rebuild_store", "build the store anew from the journal")
    _add_verb(verbs, "config", "store_commands:show_config", "show every setting and where it comes from")
    return top


class _ShowVersion(argparse.Action):
    """Prints the version, which is looked up only then: that takes longer than most verbs."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from stretto.version import read_version  # noqa: PLC0415  # see above

        print(f"stretto {read_version()}")
        parser.exit()


def _add_baseline(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    baseline = verbs.add_parser("baseline", help="what parallel work is held against: list, record, set …")
    actions = baseline.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_verb(
        actions,
        "list",
        "baseline:list_baselines",
        "list every baseline that is known, and what is held against it",
    )
    record = _add_verb(
        actions, "record", "baseline:record_baseline", "pin what a session ran one after another"
    )
    record.add_argument("session", metavar="SESSION", help="its id, the beginning of it, or 'last'")
    record.add_argument("--name", help="what to call it (the session's id)")
    record.add_argument(
        "--whole",
        action="store_true",
        help="for any mix of its task types, not only for that of its runs",
    )
    given = _add_verb(
        actions, "set", "baseline:set_length", "say how long tasks of a type take one after another"
    )
    given.add_argument("task_type", metavar="TASK_TYPE")
    given.add_argument("length", metavar="LENGTH", help="seconds, or for example 4h, 90min, 1h30min")
    forget = _add_verb(
        actions, "forget", "baseline:forget_baseline", "forget a recorded baseline or a task type's length"
    )
    forget.add_argument("name", metavar="NAME", help="the baseline's name, or the task type")


def _add_verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: str,
    text: str,
    *,
    json: bool = True,
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    verb.set_defaults(run=run)
    if json:
        verb.add_argument("--json", action="store_true", help="answer as JSON (docs/cli.md has the shape)")
    return verb
