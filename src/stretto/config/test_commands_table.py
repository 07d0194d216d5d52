"""Read the test commands of the configuration file, which are recognised beside the built-in ones."""

from __future__ import annotations

from stretto.errors import ConfigError, make_unknown_key_error
from stretto.hook.client.tests_and_written_files import is_assignment, is_starter, split_commands

MOST_COMMANDS = 32
LONGEST_COMMAND = 200
"""Characters. Every hook of a finished command reads all of them."""

_KEY = "commands"


def read_test_commands(table: object, where: str) -> tuple[str, ...]:
    """Return the commands of ``[tests] commands``. Raises ConfigError."""
    if not isinstance(table, dict):
        raise ConfigError("tests must be a table", where=where, cause=f"it is {table!r}")
    for key in table:
        if key != _KEY:
            raise make_unknown_key_error(f"tests.{key}", [f"tests.{_KEY}"], where)
    commands = table.get(_KEY, [])
    if not isinstance(commands, list) or len(commands) > MOST_COMMANDS:
        raise ConfigError(
            f"tests.{_KEY} must be a list of at most {MOST_COMMANDS} texts", where=where,
            cause=f"it is {commands!r}" if not isinstance(commands, list) else f"it has {len(commands)}",
            hint=f"write {_KEY} = ['scripts/verify.sh', 'acme test']",
        )  # fmt: skip
    for command in commands:
        fault = _find_fault(command)
        if fault is not None:
            raise ConfigError(
                f"tests.{_KEY} cannot use {command!r}", where=where, cause=fault,
                hint="write a program with the arguments that its test runs begin with, as in 'acme test'",
            )  # fmt: skip
    return tuple(commands)


def _find_fault(command: object) -> str | None:
    """Return why a value is no test command, or None."""
    if not isinstance(command, str):
        return "it is no text"
    if not command.strip() or not command.isprintable() or len(command) > LONGEST_COMMAND:
        return f"it must be a line of at most {LONGEST_COMMAND} printable characters"
    simple = split_commands(command)
    if len(simple) != 1 or not simple[0]:
        return "it is more than a single command"
    words = simple[0]
    if is_assignment(words[0]) or words[0].startswith("-"):
        return "it does not begin with a program"
    if len(words) == 1 and is_starter(words[0]):
        return f"{words[0]} starts other programs, so all of them would be test runs"
    return None
