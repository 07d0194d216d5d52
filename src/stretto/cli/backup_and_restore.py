"""``stretto backup`` and ``stretto restore``: journal, kept records and settings in one archive."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from stretto.cli.command_context import CommandContext
from stretto.cli.rebuild import rebuild_store
from stretto.clock import SECOND, read_wall_clock
from stretto.demo import recorded_sessions
from stretto.errors import UsageError
from stretto.journal.backup_archive import restore_archive, write_archive

KEY = "hook/key"
"""The key of hashed file names. A present key stays: the installed hooks use it."""

SETTINGS = (
    "baselines.json", "config.toml", "features.json", "receivers.yml", "history.json", "notifications.jsonl",
    KEY,
)  # fmt: skip
"""Files of the state folder that no journal holds. Secrets of receivers are left out."""


def write_backup(context: CommandContext, options: argparse.Namespace) -> int:
    """Write the archive; the service may run meanwhile."""
    target = Path(options.file)
    if target.exists():
        raise UsageError("the file exists", where=str(target), hint="name a new file")
    content = write_archive(
        target,
        context.config.journal,
        _list_settings(context),
        now=read_wall_clock(),
        leave_out=frozenset({recorded_sessions.FILE}),
    )
    document = {
        "file": str(target),
        "files": list(content.files),
        "bytes": content.bytes_written,
    }
    text = (
        f"{len(content.files)} files, {content.bytes_read / 1e6:.1f} MB, in {target}"
        f" ({content.bytes_written / 1e6:.1f} MB); the folder secrets/ is not in it"
    )
    context.print_answer(document, text)
    return 0


def restore_backup(context: CommandContext, options: argparse.Namespace) -> int:
    """Merge the archive into the state folder and make the store again; the service may run meanwhile."""
    stamp = datetime.fromtimestamp(read_wall_clock() // SECOND, UTC).strftime("%Y%m%dT%H%M%S")
    result = restore_archive(
        Path(options.file),
        context.config.journal,
        _list_settings(context),
        stamp=stamp,
        keep_present=frozenset({KEY}),
    )
    rebuilt = rebuild_store(context)
    document = {
        "lines": result.lines,
        "files": result.files,
        "set_aside": result.set_aside,
        "sessions": rebuilt["sessions"],
    }
    lines = [f"{result.lines} journal lines restored; the store has {rebuilt['sessions']} sessions"]
    lines += [f"the present file is now {path}" for path in result.set_aside]
    if "config.toml" in result.files:
        lines.append("config.toml takes effect when the service starts again")
    context.print_answer(document, "\n".join(lines))
    return 0


def _list_settings(context: CommandContext) -> dict[str, Path]:
    """Return the settings files by their name in the archive, where the configuration places them."""
    paths = {name: context.config.state / name for name in SETTINGS}
    if context.environ.get("STRETTO_CONFIG"):
        paths["config.toml"] = Path(context.environ["STRETTO_CONFIG"])
    if context.config.receivers is not None:
        paths["receivers.yml"] = context.config.receivers
    return paths
