"""``stretto report``, and the reports over HTTP."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from stretto.cli.main import main
from stretto.cli.report import PRINTERS
from stretto.cli.report_options import REPORT_FORMATS
from stretto.reports.make_report import ReportRules, make_report
from stretto.reports.report_folder import FOLDER, ReportFolder, make_session_report_id
from stretto.reports.report_period import parse_period
from stretto.store.database import open_reader
from tests.test_reports import Reading
from tests.test_switched_off import switch_off
from tests.web_page import full, read
from tests.web_served import NOON, Store, served


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store with a kept report."""
    store = Store(tmp_path)
    full(store)
    store.refresh()
    with closing(open_reader(store.config.database)) as connection:
        report = make_report(
            connection, parse_period("2026-11-19", NOON, "UTC"), NOON, ReportRules(version="1")
        )
    ReportFolder(store.config.state / FOLDER).keep_report(report, is_to_send=False)
    return store


def run(store: Store, *words: str) -> int:
    """Run a command on the store."""
    return main(["--state", str(store.config.state), *words])


def test_the_formats_are_those_of_the_printers() -> None:
    """The parser repeats the names, so that it imports no printer."""
    assert tuple(PRINTERS) == REPORT_FORMATS


def test_without_a_period_the_kept_reports_are_listed(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each, with the first sentence of its state; as JSON with all three."""
    assert run(store, "report") == 0
    assert capsys.readouterr().out.startswith("day-2026-11-19     On Thursday 19 November 2026,")
    assert run(store, "report", "--json") == 0
    (entry,) = json.loads(capsys.readouterr().out)["reports"]
    assert entry["id"] == "day-2026-11-19"
    assert len(entry["state"]) == 3


def test_a_kept_report_is_printed_as_it_was(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """A period whose report is kept is not worked out again."""
    assert run(store, "report", "2026-11-19", "--json") == 0
    printed = json.loads(capsys.readouterr().out)

    assert printed["version"] == "1"


def test_a_kept_report_that_is_torn_is_made_again(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """The error of a torn file names this command: it answers from the store."""
    (store.config.state / FOLDER / "day-2026-11-19.json").write_text("{", encoding="utf-8")
    assert run(store, "report", "2026-11-19") == 0
    assert "19 November 2026" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("format", "begins"), [("markdown", "# Report on"), ("html", "<!doctype html>"), ("json", "{")]
)
def test_any_period_is_printed_in_any_format(
    store: Store, capsys: pytest.CaptureFixture[str], format: str, begins: str
) -> None:
    """A period without a kept report is worked out from the store."""
    assert run(store, "report", "2026-11-20", "--format", format) == 0
    out = capsys.readouterr().out

    assert out.startswith(begins)
    assert "20 November 2026" in out


def test_a_report_is_written_into_a_file_once(
    store: Store, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A file that exists stays, unless it is to be replaced."""
    file = tmp_path / "report.html"
    words = ("report", "2026-11-20", "--format", "html", "--output", str(file))

    assert run(store, *words) == 0
    assert run(store, *words) == 2
    assert "--replace" in capsys.readouterr().err
    assert run(store, *words, "--replace") == 0
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_what_is_no_period_is_wrong_use(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the text and what would do."""
    assert run(store, "report", "soon") == 2
    assert "'soon' is not a period" in capsys.readouterr().err


def test_reports_are_listed_and_shown_over_http(store: Store) -> None:
    """The page links to each report as HTML, Markdown and JSON; what is not kept answers 404."""
    folder = ReportFolder(store.config.state / FOLDER)
    backend = store.make_backend(reports=lambda: [*folder.list_reports()], report=folder.read_report)
    with served(backend) as client:
        page = read(client, "/reports")
        assert "/reports/day-2026-11-19" in page.addresses
        assert client.get("/reports/day-2026-11-19").text.startswith("<!doctype html>")
        assert client.get("/reports/day-2026-11-19.md").text.startswith("# Report on")
        document = client.get("/reports/day-2026-11-19.json").json()
        assert document == client.get("/api/reports/day-2026-11-19").json()
        assert [entry["id"] for entry in client.get("/api/reports").json()["reports"]] == ["day-2026-11-19"]
        for path in ("/reports/day-2026-11-18", "/reports/day-2026-11-19.pdf", "/api/reports/..%2Fstretto"):
            assert client.get(path).status_code == 404


def test_without_reports_the_page_says_why(store: Store) -> None:
    """Before the first midnight, and with the switch off, the page says so."""
    with served(store.make_backend()) as client:
        assert "The first report is written at midnight" in read(client, "/reports").text
    with served(store.make_backend(writes_reports=False)) as client:
        assert "Reports are switched off" in read(client, "/reports").text
    with served(store.make_backend(features=switch_off("dashboards"))) as client:
        assert client.get("/reports/day-2026-11-19").status_code == 404
        assert client.get("/api/reports").status_code == 200


@pytest.mark.parametrize("session", ["together", "open", "alone"])
def test_a_session_has_a_report_of_its_own(
    store: Store, capsys: pytest.CaptureFixture[str], session: str
) -> None:
    """Three sentences, and each number of the HTML is that of the JSON, of running sessions too."""
    assert run(store, "report", "--session", session, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert run(store, "report", "--session", session, "--format", "html") == 0
    html = capsys.readouterr().out

    assert len(document["state"]) == 3
    told = [
        (cell["value"], cell["text"])
        for section in document["sections"]
        for table in section["tables"]
        for row in table["rows"]
        for cell in row[1:]
        if cell["value"] is not None
    ]
    assert len(told) > 5
    assert [(value, text) for value, text in Reading(html).numbers] == told
    assert [section["key"] for section in document["sections"]][-1] == "untold"


def test_a_session_s_report_is_kept_and_listed(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """It stands below the periods, under a name without the session's id; asked again it is replaced."""
    for _ in range(2):
        assert run(store, "report", "--session", "together", "--json") == 0
    printed = json.loads(capsys.readouterr().out.partition("\n}\n{")[0] + "\n}")

    folder = ReportFolder(store.config.state / FOLDER)
    assert folder.list_ids() == ["day-2026-11-19", printed["id"]]
    assert "together" not in printed["id"]
    assert run(store, "report") == 0
    assert capsys.readouterr().out.splitlines()[1].endswith(printed["title"])
    backend = store.make_backend(reports=lambda: [*folder.list_reports()], report=folder.read_report)
    with served(backend) as client:
        assert f"/reports/{printed['id']}" in read(client, "/reports").addresses
        assert client.get(f"/reports/{printed['id']}").text.startswith("<!doctype html>")


def test_a_session_that_is_gone_has_its_kept_report(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole id finds it; with reports switched off none is kept."""
    run(store, "report", "--session", "together")
    capsys.readouterr()
    folder = ReportFolder(store.config.state / FOLDER)
    report = folder.read_report(make_session_report_id("together"))
    assert report is not None
    folder.keep_report(replace(report, id=make_session_report_id("pruned")), is_to_send=False)
    assert run(store, "report", "--session", "pruned") == 0
    assert capsys.readouterr().out.startswith("# Report on session")
    assert run(store, "features", "set", "reports=off") == 0
    assert run(store, "report", "--session", "alone") == 0
    assert folder.read_report(make_session_report_id("alone")) is None


def test_a_session_s_report_is_printed_where_it_cannot_be_kept(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file in the folder's place is named in a note."""
    folder = store.config.state / FOLDER
    shutil.rmtree(folder)
    folder.write_text("", encoding="utf-8")
    assert run(store, "report", "--session", "together") == 0
    answer = capsys.readouterr()
    assert answer.out.startswith("# Report on session")
    assert f"the report is not kept: {folder}" in answer.err


def test_a_session_that_is_none_is_a_negative_answer(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 1 and the note says what to do; a period beside it is wrong use."""
    assert run(store, "report", "--session", "nowhere") == 1
    assert "there is no session 'nowhere'" in capsys.readouterr().err
    assert run(store, "report", "daily", "--session", "together") == 2
    assert "a period or a session" in capsys.readouterr().err
