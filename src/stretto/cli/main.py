"""The command ``stretto``: parse the command line, run the command, return its exit code.

Exit codes: 0 success, 1 a negative answer (trouble found, no such session), 2 wrong use, 3 the environment,
4 too little data (``gate``).
Standard output carries the answer, standard error the notes. A command's module and the configuration are
imported only when they are needed: the status line runs again and again while a person types.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from stretto.cli.command_line import STATUS_LINE, build_parser
from stretto.errors import StrettoError

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    command_line = sys.argv[1:] if arguments is None else arguments
    if STATUS_LINE in command_line:
        from stretto.cli import statusline  # noqa: PLC0415  # only the status line needs it

        line_options = statusline.parse_options(command_line)
        if line_options is not None:
            return statusline.print_line(line_options, os.environ)
    parser = build_parser()
    options = parser.parse_args(command_line)
    if options.json and not options.has_json:
        parser.error("this command has no answer as JSON")
    return _run_command(options)


def _run_command(options: argparse.Namespace) -> int:
    import sqlite3  # noqa: PLC0415  # the status line does not need it

    from stretto.cli.command_context import CommandContext  # noqa: PLC0415  # the status line does not need it
    from stretto.config.loading import describe_unknown_variables, load_config  # noqa: PLC0415  # likewise

    for problem in describe_unknown_variables(os.environ):
        print(f"stretto: {problem}", file=sys.stderr)
    try:
        config = load_config(
            os.environ,
            Path.home(),
            state=options.state,
            listen=getattr(options, "listen", None),
            push=getattr(options, "push", None),
        )
        for note in config.features.notes:
            print(f"stretto: {note}", file=sys.stderr)
        context = CommandContext(config=config, json=options.json, environ=os.environ, home=Path.home())
        module, _, function = options.run.partition(":")
        run: Callable[[CommandContext, argparse.Namespace], int] = getattr(
            import_module(f"stretto.cli.{module}"), function
        )
        return run(context, options)
    except StrettoError as error:
        print(f"stretto: {error.to_line()}", file=sys.stderr)
        if error.hint:
            print(f"         {error.hint}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has closed the pipe. Without this, Python would report it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except sqlite3.Error as error:
        print(f"stretto: the store cannot be read: {error}", file=sys.stderr)
        print("         run 'stretto rebuild': it makes the store again from the journal", file=sys.stderr)
        return StrettoError.exit_code
    except OSError as error:
        # A folder that cannot be created or a full disk is a fault of the environment, not of the program.
        print(f"stretto: {error.strerror or error}: {error.filename or 'no file'}", file=sys.stderr)
        return StrettoError.exit_code
