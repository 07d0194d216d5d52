"""The options of ``stretto report``."""

from __future__ import annotations

from stretto.cli.gate_profile_and_feature_options import AddCommand, Commands

REPORT_FORMATS = ("markdown", "html", "json")
"""The formats of a report, repeated here so that only ``report`` imports its printers. A test compares."""


def add_report(commands: Commands, add_command: AddCommand) -> None:
    """Add ``stretto report``."""
    report = add_command(
        commands,
        "report",
        "report:show_report",
        "how a day, week, month or any period went; without a period, list the kept reports",
    )
    report.add_argument(
        "period",
        nargs="?",
        metavar="PERIOD",
        help="daily, weekly, monthly (the last that is over), 2026-11-29, 2026-W48, 2026-11,"
        " 2026-11-01..2026-11-15, 24h or 7d",
    )
    report.add_argument(
        "--session", metavar="SESSION", help="a session instead: its id, the beginning of it, or 'last'"
    )
    report.add_argument(
        "--format", choices=REPORT_FORMATS, default=REPORT_FORMATS[0], help="how to print it (markdown)"
    )
    report.add_argument(
        "--output", default="-", metavar="FILE", help="the file, or - for standard output (-)"
    )
    report.add_argument("--replace", action="store_true", help="overwrite the file")
