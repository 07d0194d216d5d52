"""Keep written reports as files of their own, a bounded number of each kind.

A report that leaves the folder can be made again as long as the store has the sums of its period, or its
session.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stretto.clock import to_rfc3339
from stretto.errors import StoreError
from stretto.journal.pruned_session_records import hash_session_id
from stretto.reports.report_document import Report, decode_report, encode_report
from stretto.reports.report_period import get_period_before, parse_period

FOLDER = "reports"
"""The folder of reports in the state folder."""

SESSION_KIND = "session"
"""The kind of a report on a session."""

KEPT = {"day": 90, "week": 53, "month": 36, SESSION_KIND: 100}
"""Kind → most reports of it that are kept: a season, a year, three years, a hundred sessions."""

_ID = re.compile(rf"(day|week|month)-[0-9W-]{{7,10}}|{SESSION_KIND}-[0-9a-f]{{32}}")
_UNSENT = ".unsent"
_FORGOTTEN = ".forgotten"
"""Marks a deleted report that was sent: it may be made again, and is not sent again."""


def make_session_report_id(session: str) -> str:
    """Return the id of a session's report, by a hash: the id of a session may be no name of a file."""
    return f"{SESSION_KIND}-{hash_session_id(session)}"


@dataclass(frozen=True, slots=True)
class ReportFolder:
    """The reports of periods, and of sessions that people asked for, in a folder (0700) of files (0600)."""

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
        """Return the ids of the kept reports of a kind, or of all, the latest first within a kind.

        Reports of periods are in the order of these, reports of sessions in that of their writing.
        """
        kinds = KEPT if kind is None else (kind,)
        return [file.stem for each in kinds for file in self._list_files(each)]

    def list_reports(self) -> Iterator[Report]:
        """Yield the kept reports; one that cannot be read is left out."""
        return self._list_reports(None)

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
            if report.kind == SESSION_KIND:
                continue
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

    def forget_sessions(self, hashes: Container[str], since: int | None) -> int:
        """Delete the reports of sessions with these hashes, and those made at or after an instant (ns).

        A session's report compares it with others like it, so one that is made later can have something of
        a forgotten session. Returns how many were deleted.
        """
        ids = [
            report.id
            for report in self._list_reports(SESSION_KIND)
            if report.id.partition("-")[2] in hashes
            or (since is not None and report.made >= to_rfc3339(since))
        ]
        return self._delete(ids)

    def expire_sessions(self, before: int) -> int:
        """Delete the reports of sessions that ended before an instant (ns); return how many."""
        bound = to_rfc3339(before)
        return self._delete([report.id for report in self._list_reports(SESSION_KIND) if report.end < bound])

    def _delete(self, ids: Sequence[str]) -> int:
        for id in ids:
            self._get_file(id).unlink(missing_ok=True)
        return len(ids)

    def _list_files(self, kind: str) -> list[Path]:
        files = [file for file in self.path.glob(f"{kind}-*.json") if _is_id(file.stem)]
        if kind != SESSION_KIND:
            return sorted(files, reverse=True)
        written = {}
        for file in files:
            # Forgetting may have deleted it since it was listed.
            with suppress(FileNotFoundError):
                written[file] = file.stat().st_mtime_ns
        return sorted(written, key=lambda file: (-written[file], file))

    def _list_reports(self, kind: str | None) -> Iterator[Report]:
        for id in self.list_ids(kind):
            with suppress(StoreError):
                report = self.read_report(id)
                if report is not None:
                    yield report

    def _get_file(self, id: str) -> Path:
        return self.path / f"{id}.json"


def _is_id(id: str) -> bool:
    """Return whether a text is the id of a written report, and so no path to elsewhere."""
    return _ID.fullmatch(id) is not None
