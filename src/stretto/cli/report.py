"""``stretto report``: list the kept reports, or print the report of a period or of a session."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from stretto.cli.command_context import CommandContext, replace_controls
from stretto.cli.findings_and_decision_commands import is_service_down
from stretto.cli.import_command import update_store
from stretto.cli.session_commands import UNKNOWN_SESSION, explain_no_match, match_sessions
from stretto.clock import read_wall_clock
from stretto.errors import StoreError, UsageError
from stretto.findings.findings_snapshot import read_findings_state
from stretto.reports.html_report import print_html
from stretto.reports.make_report import make_report
from stretto.reports.markdown_report import print_markdown
from stretto.reports.report_document import Report, encode_report
from stretto.reports.report_folder import FOLDER, SESSION_KIND, ReportFolder, make_session_report_id
from stretto.reports.report_period import parse_period
from stretto.reports.session_report import make_session_report
from stretto.service.configured_session_summary import summarise_configured_session
from stretto.service.report_schedule import make_report_rules
from stretto.store.database import open_reader
from stretto.store.declared_baseline_file import load_declared_baselines
from stretto.version import read_version

STANDARD_OUTPUT = "-"


def _print_json(report: Report) -> str:
    return msgspec.json.format(encode_report(report), indent=2).decode() + "\n"


PRINTERS: Mapping[str, Callable[[Report], str]] = {
    "markdown": print_markdown,
    "html": print_html,
    "json": _print_json,
}
"""Format → the function that prints a report in it."""


def show_report(context: CommandContext, options: argparse.Namespace) -> int:
    """Print the report of a period, or list the kept reports if no period is named."""
    folder = ReportFolder(context.config.state / FOLDER)
    if options.session is not None:
        if options.period is not None:
            raise UsageError("a report is about a period or a session", hint="leave one of them out")
        session_report = _find_session_report(context, folder, options.session)
        if session_report is None:
            return UNKNOWN_SESSION
        report = session_report
    elif options.period is None:
        _list_reports(context, folder)
        return 0
    else:
        report = _find_report(context, folder, options.period)
    _write_output(options, PRINTERS["json" if context.json else options.format](report))
    return 0


def _list_reports(context: CommandContext, folder: ReportFolder) -> None:
    reports = [*folder.list_reports()]
    lines = [
        f"{report.id:<18} {report.title if report.kind == SESSION_KIND else report.state[0]}"
        for report in reports
    ]
    if not lines:
        lines = [
            "no report is kept yet: the service writes them at midnight; 'stretto report daily' makes one"
        ]
    document = {
        "reports": [
            {"id": report.id, "title": report.title, "made": report.made, "state": [*report.state]}
            for report in reports
        ]
    }
    context.print_answer(document, "\n".join(lines))


def _find_report(context: CommandContext, folder: ReportFolder, text: str) -> Report:
    """Return the kept report of a period, else one that is made now. Raises UsageError."""
    config, now = context.config, read_wall_clock()
    period = parse_period(text, now, config.timezone)
    # A kept report that cannot be read is made again, as its error says.
    with suppress(StoreError):
        kept = folder.read_report(period.id)
        if kept is not None:
            return kept
    if is_service_down(context):
        update_store(context)
    rules = make_report_rules(config, load_declared_baselines(config.state), read_version())
    with closing(open_reader(config.database)) as connection:
        return make_report(connection, period, now, rules)


def _find_session_report(context: CommandContext, folder: ReportFolder, name: str) -> Report | None:
    """Return the report of a session and keep it; None, with a note, if the name fits none or several.

    Of a session that the store no longer has, by its whole id, it is the kept report.
    """
    report = _make_session_report(context, folder, name)
    if report is not None and context.config.features.is_on("reports"):
        try:
            folder.keep_report(report, is_to_send=False)
        except OSError as error:
            context.print_note(f"the report is not kept: {folder.path}: {error.strerror or error}")
    return report


def _make_session_report(context: CommandContext, folder: ReportFolder, name: str) -> Report | None:
    config, now = context.config, read_wall_clock()
    if is_service_down(context):
        update_store(context)
    with closing(open_reader(config.database)) as connection:
        ids = match_sessions(connection, name)
        if not ids and (kept := folder.read_report(make_session_report_id(name))) is not None:
            return kept
        if len(ids) != 1:
            context.print_note(explain_no_match(name, ids))
            return None
        summary = summarise_configured_session(
            connection, config, ids[0], load_declared_baselines(config.state), now
        )
        findings = read_findings_state(connection, now, config.timezone)
    if summary is None:
        raise AssertionError("a session that was just listed no longer exists")
    return make_session_report(summary, findings, now, config.timezone, read_version())


def _write_output(options: argparse.Namespace, text: str) -> None:
    if options.output == STANDARD_OUTPUT:
        sys.stdout.write(replace_controls(text))
        return
    path = Path(options.output)
    try:
        with path.open("w" if options.replace else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError("the output exists", where=str(path), hint="--replace writes it anew") from None
