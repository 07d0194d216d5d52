"""Reports at midnight: written once, made up for once, kept within bounds, and sent once."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stretto.clock import DAY, HOUR, MINUTE, SECOND, to_rfc3339
from stretto.config.loading import load_config
from stretto.errors import StoreError
from stretto.figures.sequential_baseline_choice import NOTHING_DECLARED
from stretto.journal.pruned_session_records import hash_session_id
from stretto.reports.make_report import ReportRules, make_report
from stretto.reports.markdown_report import print_markdown, print_summary
from stretto.reports.report_document import Report
from stretto.reports.report_folder import KEPT, ReportFolder, make_session_report_id
from stretto.reports.report_period import parse_period
from stretto.service.report_schedule import ReportSchedule
from stretto.store.database import open_reader
from tests.web_page import full
from tests.web_served import NOON, Store, Work

MIDNIGHT = int(datetime(2026, 11, 20, 23, tzinfo=UTC).timestamp()) * SECOND
"""The midnight after noon in Berlin."""


class Night:
    """A schedule over a store in Berlin, with a clock that the test moves."""

    def __init__(self, folder: Path, *, arrives: bool = True, **environ: str) -> None:
        self.store = Store(folder)
        full(self.store)
        self.store.refresh()
        self.now = NOON
        self.is_ready = True
        self.sent: list[str] = []
        self.arrives = arrives
        config = load_config(
            {"STRETTO_TIMEZONE": "Europe/Berlin", **environ}, folder, state=str(folder / "state")
        )
        self.schedule = ReportSchedule(
            config,
            clock=lambda: self.now,
            version="1",
            declared=lambda: NOTHING_DECLARED,
            is_ready=lambda: self.is_ready,
            send=self.send,
        )

    def send(self, report: Report) -> bool:
        """Note what was sent, if it arrives."""
        if self.arrives:
            self.sent.append(report.id)
        return self.arrives

    def look(self, now: int) -> list[str]:
        """Return what is written at an instant."""
        self.now = now
        return self.schedule.write_due_reports()


def test_a_day_is_written_at_its_midnight_and_once(tmp_path: Path) -> None:
    """The last second of the day writes nothing of it, midnight writes it, later looks write nothing."""
    night = Night(tmp_path)
    night.look(MIDNIGHT - SECOND)

    assert night.look(MIDNIGHT) == ["day-2026-11-20"]
    assert night.look(MIDNIGHT) == []
    assert night.look(MIDNIGHT + 5 * HOUR) == []
    report = night.schedule.folder.read_report("day-2026-11-20")
    assert report is not None
    assert report.start == "2026-11-19T23:00:00.000000Z"
    assert not report.is_quiet


def test_missed_nights_are_made_up_for_once(tmp_path: Path) -> None:
    """After ten days off, the last day, week and month are written, and none of the days between."""
    night = Night(tmp_path)

    assert night.look(MIDNIGHT + 10 * DAY + MINUTE) == ["day-2026-11-30", "week-2026-W48", "month-2026-11"]
    assert night.look(MIDNIGHT + 10 * DAY + 2 * MINUTE) == []


def test_nothing_is_written_of_a_time_before_the_first_event(tmp_path: Path) -> None:
    """A new installation has no report of yesterday."""
    night = Night(tmp_path)

    assert night.look(NOON - 60 * DAY) == []


def test_nothing_is_written_while_the_store_is_behind(tmp_path: Path) -> None:
    """The report waits until everything of the day is in the store."""
    night = Night(tmp_path)
    night.look(NOON)
    night.is_ready = False
    assert night.look(MIDNIGHT) == []
    night.is_ready = True

    assert night.look(MIDNIGHT + MINUTE) == ["day-2026-11-20"]


def test_a_report_is_sent_once_and_waits_for_its_receiver(tmp_path: Path) -> None:
    """What does not arrive is sent at the next look, over a restart too; a quiet day is not sent."""
    night = Night(tmp_path, arrives=False)
    night.look(MIDNIGHT)
    assert night.sent == []
    night.arrives = True
    night.look(MIDNIGHT + MINUTE)
    night.look(MIDNIGHT + 2 * MINUTE)
    assert night.sent.count("day-2026-11-20") == 1

    assert night.look(MIDNIGHT + DAY) == ["day-2026-11-21"]
    assert "day-2026-11-21" not in night.sent


def test_a_report_that_cannot_be_read_holds_up_no_other(tmp_path: Path) -> None:
    """The fault is raised after the other reports that wait were sent."""
    night = Night(tmp_path, arrives=False)
    night.look(MIDNIGHT)
    torn = night.schedule.folder.path / "day-2026-11-25.json"
    torn.write_text("{")
    torn.with_suffix(".unsent").touch()
    night.arrives = True
    with pytest.raises(StoreError, match="cannot be read"):
        night.look(MIDNIGHT + MINUTE)
    assert "day-2026-11-20" in night.sent


def test_a_switch_turns_reports_off(tmp_path: Path) -> None:
    """Switched off, the thread does not begin; stopping is harmless."""
    night = Night(tmp_path, STRETTO_FEATURES_REPORTS="off")

    assert not night.schedule.is_on
    night.schedule.start()
    night.schedule.stop()
    assert night.schedule.folder.list_ids() == []


def test_reports_have_the_parts_that_are_configured(tmp_path: Path) -> None:
    """The named parts stand in the order of the report, below its three sentences."""
    parts = "recommendations, kpis, untold"
    night = Night(tmp_path, STRETTO_REPORTS_PARTS=parts)
    night.look(MIDNIGHT)
    report = night.schedule.folder.read_report("day-2026-11-20")

    assert report is not None
    assert [section.key for section in report.sections] == ["kpis", "recommendations", "untold"]
    assert len(report.state) == 3
    assert "## What ran" not in print_markdown(report)
    assert print_summary(report).splitlines()[0] == "*Report on Friday 20 November 2026*"


def test_a_report_is_made_again_when_its_time_has_grown(tmp_path: Path) -> None:
    """An import of that day adds runs: within an hour the report has them; it is not sent twice."""
    night = Night(tmp_path)
    night.look(MIDNIGHT)
    before = night.schedule.folder.read_report("day-2026-11-20")
    night.store.scene("imported", NOON + HOUR, [Work(0, 60), Work(0, 50, "write docs")])
    night.store.refresh()

    assert night.look(MIDNIGHT + MINUTE) == []
    assert night.look(MIDNIGHT + HOUR) == ["day-2026-11-20"]
    assert night.look(MIDNIGHT + 2 * HOUR) == []
    after = night.schedule.folder.read_report("day-2026-11-20")
    assert before is not None
    assert after is not None
    assert (before.tasks_begun, after.tasks_begun) == (6, 8)
    assert night.sent.count("day-2026-11-20") == 1


def test_a_report_outlives_its_runs(tmp_path: Path) -> None:
    """Runs that a bound deleted, and reports of an earlier version, are no reason to make a report again."""
    night = Night(tmp_path)
    night.look(MIDNIGHT)
    folder = night.schedule.folder
    report = folder.read_report("day-2026-11-20")
    assert report is not None
    folder.keep_report(replace(report, tasks_begun=99, sessions_ended=99), is_to_send=False)
    assert night.look(MIDNIGHT + HOUR) == []
    folder.keep_report(replace(report, tasks_begun=None, sessions_ended=None), is_to_send=False)
    assert night.look(MIDNIGHT + 2 * HOUR) == []


@pytest.fixture
def made(tmp_path: Path) -> Report:
    """Return a report."""
    store = Store(tmp_path)
    store.refresh()
    with closing(open_reader(store.config.database)) as connection:
        return make_report(connection, parse_period("2026-11-19", NOON, "UTC"), NOON, ReportRules())


def test_the_folder_is_bounded_and_private(tmp_path: Path, made: Report) -> None:
    """Beyond the bound the oldest go; only the owner can read."""
    folder = ReportFolder(tmp_path / "reports")
    ids = [f"month-{year}-{month:02d}" for year in (2020, 2021, 2022, 2023) for month in range(1, 13)]
    for id in ids:
        folder.keep_report(replace(made, id=id, kind="month"), is_to_send=True)

    assert folder.list_ids() == sorted(ids, reverse=True)[: KEPT["month"]]
    assert len(folder.list_unsent()) == KEPT["month"]
    assert oct(folder.path.stat().st_mode)[-3:] == "700"
    assert {oct(file.stat().st_mode)[-3:] for file in folder.path.iterdir()} == {"600"}


def test_no_id_leads_out_of_the_folder(tmp_path: Path) -> None:
    """What is no id of a report is not looked for."""
    (tmp_path / "day-secret.json").write_text("{}", encoding="utf-8")
    folder = ReportFolder(tmp_path / "reports")

    for id in ("../day-secret", "day-../../x", "day-secret", "", "recent-24hours", "session-secret"):
        assert folder.read_report(id) is None
        assert not folder.has_report(id)


def test_a_torn_file_is_named_and_spoils_no_list(tmp_path: Path, made: Report) -> None:
    """The error names the file and the next step; the list goes on without it."""
    folder = ReportFolder(tmp_path / "reports")
    folder.keep_report(made, is_to_send=False)
    (folder.path / "day-2026-11-18.json").write_bytes(b'{"id": ')

    with pytest.raises(StoreError, match=r"day-2026-11-18\.json") as torn:
        folder.read_report("day-2026-11-18")
    assert "stretto report" in torn.value.hint
    assert [report.id for report in folder.list_reports()] == ["day-2026-11-19"]


def test_forgetting_removes_the_reports_of_the_time(tmp_path: Path, made: Report) -> None:
    """Those of periods with an instant of a session, and the next that compares with it; no other."""
    folder = ReportFolder(tmp_path / "reports")
    day = int(datetime(2026, 11, 19, tzinfo=UTC).timestamp()) * SECOND
    folder.keep_report(made, is_to_send=True)
    assert folder.forget_spans([(0, SECOND), (day + DAY, day + DAY), (day - 2 * DAY, day - DAY - 1)]) == 0
    assert folder.forget_spans([(day + DAY - 1, day + 9 * DAY)]) == 1
    assert list(folder.path.iterdir()) == []
    folder.keep_report(made, is_to_send=True)
    assert folder.forget_spans([(day - DAY, day - DAY)]) == 1


def test_forgetting_removes_the_session_s_report_and_later_ones(tmp_path: Path, made: Report) -> None:
    """A report that was made before the forgotten session began can have nothing of it."""
    folder = ReportFolder(tmp_path / "reports")
    for name, day in (("early", 1), ("mine", 2), ("late", 3)):
        report = replace(made, id=make_session_report_id(name), kind="session", made=to_rfc3339(day * DAY))
        folder.keep_report(report, is_to_send=False)
    assert folder.forget_sessions({hash_session_id("nobody")}, None) == 0
    assert folder.forget_sessions({hash_session_id("mine")}, 3 * DAY) == 2
    assert folder.list_ids() == [make_session_report_id("early")]


def test_a_session_s_report_goes_with_its_session(tmp_path: Path) -> None:
    """The hourly look deletes the reports of sessions that ended before the kept days."""
    night = Night(tmp_path)
    night.look(MIDNIGHT)
    day = night.schedule.folder.read_report("day-2026-11-20")
    assert day is not None
    for name, days in (("old", 31), ("new", 29)):
        end = to_rfc3339(NOON - days * DAY)
        id = make_session_report_id(name)
        report = replace(day, id=id, kind="session", end=end, sessions_ended=None)
        night.schedule.folder.keep_report(report, is_to_send=False)
    night.look(MIDNIGHT + 2 * HOUR)
    assert night.schedule.folder.list_ids("session") == [make_session_report_id("new")]


def test_a_forgotten_report_is_made_again_and_not_sent_again(tmp_path: Path) -> None:
    """Forgetting deletes what was mailed: the next look makes it again without a second mail."""
    night = Night(tmp_path)
    night.look(MIDNIGHT)
    assert night.sent.count("day-2026-11-20") == 1
    assert night.schedule.folder.forget_spans([(NOON, NOON)]) > 0

    assert "day-2026-11-20" in night.look(MIDNIGHT + MINUTE)
    assert night.sent.count("day-2026-11-20") == 1
