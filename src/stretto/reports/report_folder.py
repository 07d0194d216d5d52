"""Keep written reports as files of their own, a bounded number of each kind.

A report that leaves the folder can be made again as long as the store has the sums of its period.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stretto.clock import to_rfc3339
from stretto.errors import StoreError
from stretto.reports.report_document import Report, decode_report, encode_report
from stretto.reports.report_period import get_period_before, parse_period

FOLDER = "reports"
"""The folder of reports in the state folder."""

KEPT = {"day": 90, "week": 53, "month": 36}
"""Kind of period → most reports of it that are kept: a season, a year, three years."""

_ID = re.compile(r"(day|week|month)-[0-9W-]{7,10}")
_UNSENT = ".unsent"
_FORGOTTEN = ".forgotten"
"""Marks a deleted report that was sent: it may be made again, and is not sent again."""


@dataclass(frozen=True, slots=True)
class ReportFolder:
    """The reports that the service has written, in a folder (0700) of files (0600)."""

    path: Path

    def has_report(self, id: str) -> bool:
        """Return whether the report of an id is kept."""
        return _is_id(id) and self._get_file(id).is_file()

    def keep_report(self, report: Report, *, is_to_send: bool) -> None:
        """Write a report in one step, and delete the oldest beyond the bound. Raises OSError.

        ``is_to_send`` marks it until ``note_sent``.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_to_send:
            # The mark comes first: a report without it would never be sent after a crash between the two.
            (self.path / f"{report.id}{_UNSENT}").touch(mode=0o600)
        file = self._get_file(report.id)
        new = file.with_name(f"{file.name}.new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(encode_report(report))
        new.replace(file)
        for id in self.list_ids(report.kind)[KEPT[report.kind] :]:
            self._get_file(id).unlink(missing_ok=True)
            self.note_sent(id)
        marks = sorted(self.path.glob(f"{report.kind}-*{_FORGOTTEN}"), reverse=True)
        for mark in marks[KEPT[report.kind] :]:
            mark.unlink(missing_ok=True)

    def read_report(self, id: str) -> Report | None:
        """Return a kept report, or None if there is none. Raises StoreError if it cannot be read."""
        if not _is_id(id):
            return None
        file = self._get_file(id)
        try:
            text = file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError("the report cannot be read", where=str(file), cause=str(error)) from error
        return decode_report(text, str(file))

    def list_ids(self, kind: str | None = None) -> list[str]:
        """Return the ids of the kept reports of a kind, or of all, the latest period first within a kind."""
        kinds = KEPT if kind is None else (kind,)
        return [
            id
            for each in kinds
            for id in sorted((file.stem for file in self.path.glob(f"{each}-*.json")), reverse=True)
            if _is_id(id)
        ]

    def list_reports(self) -> Iterator[Report]:
        """Yield the kept reports; one that cannot be read is left out."""
        for id in self.list_ids():
            with suppress(StoreError):
                report = self.read_report(id)
                if report is not None:
                    yield report

    def list_unsent(self) -> list[str]:
        """Return the ids of the kept reports that wait to be sent."""
        return [id for id in self.list_ids() if (self.path / f"{id}{_UNSENT}").exists()]

    def note_sent(self, id: str) -> None:
        """Note that a report was sent, or is not to be sent any more."""
        (self.path / f"{id}{_UNSENT}").unlink(missing_ok=True)

    def replace_report(self, report: Report) -> None:
        """Write a kept report anew; whether it waits to be sent stays as it was. Raises OSError."""
        self.keep_report(report, is_to_send=(self.path / f"{report.id}{_UNSENT}").exists())

    def was_forgotten(self, id: str) -> bool:
        """Return whether a report was deleted by ``forget_spans`` after it was sent."""
        return (self.path / f"{id}{_FORGOTTEN}").exists()

    def forget_spans(self, spans: Sequence[tuple[int, int]]) -> int:
        """Delete the reports that can have something of sessions' spans (ns, both included); return how many.

        A report is of its period, and compares it with the one before.
        """
        ids = []
        for report in self.list_reports():
            period = parse_period(report.id.partition("-")[2], sys.maxsize, report.zone)
            earliest = get_period_before(period).start
            if any(earliest <= last and to_rfc3339(first) < report.end for first, last in spans):
                ids.append(report.id)
        for id in ids:
            if not (self.path / f"{id}{_UNSENT}").exists():
                (self.path / f"{id}{_FORGOTTEN}").touch(mode=0o600)
            self._get_file(id).unlink(missing_ok=True)
            self.note_sent(id)
        return len(ids)

    def _get_file(self, id: str) -> Path:
        return self.path / f"{id}.json"


def _is_id(id: str) -> bool:
    """Return whether a text is the id of a written report, and so no path to elsewhere."""
    return _ID.fullmatch(id) is not None
