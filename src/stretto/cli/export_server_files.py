"""``stretto export``: write files for servers that run already, and the plugin for Claude Code."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from stretto.cli.command_context import CommandContext
from stretto.config.loading import parse_public_url
from stretto.errors import UsageError
from stretto.servers.export_files import BUILDERS, ExportSettings, Files, ShippedFiles
from stretto.servers.supervisor import find_shipped_folder

_JOB = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,62}")
_SECONDS = re.compile(r"(\d{1,3})s?")
PLUGIN = "deploy/claude-code-plugin"
"""Where the marketplace's file says that the plugin is."""
SHORTEST, LONGEST = 1, 300
"""Bounds of the interval (s): Prometheus takes a series for gone five minutes after its last sample."""


def export_server_files(context: CommandContext, options: argparse.Namespace) -> int:
    """Write the files of an existing server into a folder; exit code 2 if one differs there already."""
    settings = ExportSettings(
        job=check_name("--job", options.job),
        url=check_address("--url", options.url or context.config.link_url),
        interval=check_interval(options.interval),
        namespace=check_name("--namespace", options.namespace),
        token_file=options.token_file,
        limits=context.config.alert_limits,
    )
    shipped = ShippedFiles(
        find_shipped_folder("prometheus"),
        find_shipped_folder("alertmanager"),
        find_shipped_folder("dashboards"),
    )
    return _write_files(context, options, BUILDERS[options.kind](shipped, settings))


def export_plugin(context: CommandContext, options: argparse.Namespace) -> int:
    """Write the plugin and its marketplace into a folder; exit code 2 if a file differs there already."""
    folders = {".claude-plugin": "marketplace", PLUGIN: "plugin"}
    marketplace = {place: find_shipped_folder(name) for place, name in folders.items()}
    files = {
        f"{place}/{path.relative_to(shipped)}": path.read_text(encoding="utf-8")
        for place, shipped in marketplace.items()
        for path in sorted(shipped.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }
    return _write_files(context, options, files)


def _write_files(context: CommandContext, options: argparse.Namespace, texts: Files) -> int:
    folder = Path(options.folder)
    files = {folder / name: text for name, text in texts.items()}
    changed = [path for path, text in files.items() if path.exists() and path.read_text("utf-8") != text]
    if changed and not options.replace:
        raise UsageError(f"{changed[0]} differs from what would be written", hint="--replace writes it anew")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    names = [str(path) for path in files]
    context.print_answer({"files": names}, "\n".join(names))
    return 0


def check_name(option: str, name: str) -> str:
    """Return the name if it can be a job's or a namespace's. Raises UsageError."""
    if _JOB.fullmatch(name):
        return name
    raise UsageError(f"{option}: {name!r} is not a name", hint="letters, digits and hyphens, a letter first")


def check_address(option: str, url: str) -> str:
    """Return an http(s) address without a slash at its end. Raises ConfigError."""
    return parse_public_url(url, option)


def check_interval(text: str) -> int:
    """Return the seconds of ``60s`` or ``60``. Raises UsageError."""
    match = _SECONDS.fullmatch(text)
    if match and SHORTEST <= int(match[1]) <= LONGEST:
        return int(match[1])
    raise UsageError(f"--interval: {text!r} is not a number of seconds from {SHORTEST} to {LONGEST}")
