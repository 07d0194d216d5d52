"""Taking along: every table as CSV, JSON and Markdown, every drawing as an SVG that stands alone."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

import httpx
import pytest

from stretto.clock import HOUR
from stretto.web.drawing_export import draw_figure
from stretto.web.table_export import read_tables, to_csv, to_json, to_markdown
from tests.test_notification_log import alert, message
from tests.web_crowd import FIRST, PATTERN, STATE, add_crowd
from tests.web_page import ARCHITECTURE, TESTS, full, make_waves, read, shown
from tests.web_served import NOON, Store, served

PATHS = (
    "/", "/sessions", "/sessions/together", "/types", "/types/testing", f"/patterns/{PATTERN}?window=7d",
    "/executions", "/executions/together/1", f"/compare?first={FIRST}&second=together", "/periods?window=7d",
    "/activity?window=7d", "/findings/a1b2", "/alerts", "/alerts/StrettoDown",
)  # fmt: skip

SVG = "{http://www.w3.org/2000/svg}"

TABLE = """
<table><caption>Runs</caption>
<thead><tr><th>Name <button>?</button><span popover>A definition</span></th><th>At</th>
<th>Length</th></tr></thead>
<tbody><tr><th><a href="/x">a | b</a></th>
<td><time datetime="2026-11-20T11:00:00Z">1 h ago</time> <span class="date">x</span></td>
<td><span class="absent">—</span> <span class="why">never seen</span></td></tr>
<tr><th>=1+1</th><td><span title="12345">12.3 k</span></td><td>3 s<wbr></td></tr>
<tr><th>wide</th><td colspan="2">both</td></tr></tbody></table>
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve sessions of every kind, two with many lanes, some whose agents talk; findings, an alert."""
    store = Store(tmp_path_factory.mktemp("exports"))
    full(store)
    store.scene("forty", NOON - 3 * HOUR, make_waves(20))
    store.scene("at-once", NOON - 3 * HOUR, make_waves(40))
    add_crowd(store, 4)
    store.refresh()
    with served(store.make_backend(findings=lambda: STATE)) as client:
        store.refresh()
        client.post("/api/notifications", content=message(alert()))
        yield client


def test_a_table_is_read_as_it_is_shown() -> None:
    """Definitions are left out; times and counts are exact; what is not known is nothing."""
    (table,) = read_tables(TABLE)

    assert table.headings == ["Name", "At", "Length"]
    assert table.rows == [
        ["a | b", "2026-11-20T11:00:00Z", None],
        ["=1+1", "12345", "3 s"],
        ["wide", "both", None],
    ]


def test_each_form_says_the_same() -> None:
    """A spreadsheet takes no text for a formula; Markdown escapes its own signs and shows a dash."""
    (table,) = read_tables(TABLE)

    assert to_csv(table) == "Name,At,Length\na | b,2026-11-20T11:00:00Z,\n'=1+1,12345,3 s\nwide,both,\n"
    assert to_json(table).startswith(b'[{"Name":"a | b","At":"2026-11-20T11:00:00Z","Length":null}')
    assert to_markdown(table).splitlines()[:3] == [
        "| Name | At | Length |",
        "| --- | --- | --- |",
        "| a \\| b | 2026-11-20T11:00:00Z | — |",
    ]


def test_a_name_from_outside_is_a_text_in_markdown() -> None:
    """No mark-up and no link of it counts, as in a report."""
    (table,) = read_tables(
        "<table><thead><tr><th>Task</th></tr></thead>"
        "<tbody><tr><td>&lt;img src=x&gt; [a](b) *c*</td></tr></tbody></table>"
    )

    assert to_markdown(table).splitlines()[2] == r"| \<img src=x\> \[a\](b) \*c\* |"


@pytest.mark.parametrize("path", PATHS)
def test_every_table_and_drawing_has_its_links(client: httpx.Client, path: str) -> None:
    """As many links of each form as tables and figures, and each leads to a file with content."""
    page = read(client, path)
    links = [address for address in page.addresses if "format=" in address]
    forms = [parse_qs(address.partition("?")[2])["format"][0] for address in links]

    tables, figures = len(page.attributes("table")), len(page.attributes("figure"))
    assert {form: forms.count(form) for form in ("csv", "json", "md", "svg")} == {
        "csv": tables, "json": tables, "md": tables, "svg": figures,
    }  # fmt: skip
    assert tables
    for address in links:
        answer = client.get(httpx.URL(path).join(address))
        assert answer.status_code == 200
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
        assert answer.content


def test_a_list_of_sessions_is_a_spreadsheet(client: httpx.Client) -> None:
    """A row for each session of the page, below the headings of the page."""
    rows = list(csv.reader(io.StringIO(client.get("/sessions?format=csv").text)))

    assert rows[0][:4] == ["Session", "Last event", "Elapsed", "Speed-up"]
    assert len(rows) == 1 + len(client.get("/api/sessions").json()["sessions"])


def test_a_drawing_needs_nothing_else(client: httpx.Client) -> None:
    """It is XML with its own colours, the names of the lanes and the marks of the axis."""
    answer = client.get("/sessions/together?format=svg")
    root = ET.fromstring(answer.text)  # the project's own answer
    texts = {element.text for element in root.iter(f"{SVG}text")}

    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    assert {"main agent", "architect", "tester"} <= texts
    assert "var(--" not in answer.text


@pytest.mark.parametrize(
    ("path", "lanes"), [("/sessions/together", 3), ("/sessions/forty", 25), ("/sessions/at-once", 41)]
)
def test_a_lane_has_its_name_beside_it(client: httpx.Client, path: str, lanes: int) -> None:
    """However close the lanes are: the names go down the drawing in steps of a lane, to its last."""
    root = ET.fromstring(client.get(f"{path}?format=svg").text)  # the project's own answer
    names = [float(text.get("y", "")) for text in root.iter(f"{SVG}text") if text.get("x") == "8"]
    tracks = [rect for rect in root.iter(f"{SVG}rect") if (rect.get("class") or "").startswith("track")]
    drawing = next(svg for svg in root.iter(f"{SVG}svg") if tracks[0] in list(svg))
    top = next(float(svg.get("y", "")) for svg in root.iter(f"{SVG}svg") if drawing in list(svg))

    assert len(names) == len(tracks) == lanes
    for name, track in zip(names, tracks, strict=True):
        place, height = float(track.get("y", "")), float(track.get("height", ""))
        assert top + place < name < top + place + height + 1


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ("format=pdf", 400),
        ("format=csv&number=x", 400),
        ("format=csv&number=99", 404),
        ("format=svg&number=99", 404),
    ],
)
def test_what_is_not_there_is_not_taken(client: httpx.Client, parameters: str, status: int) -> None:
    """An unknown form is refused; a table that the page does not have is not found."""
    assert client.get(f"/types?{parameters}").status_code == status


def test_a_figure_without_a_drawing_is_none() -> None:
    """Nothing is made up."""
    assert draw_figure("<figure><p>text</p></figure>", 1, "") is None
    assert draw_figure("<p>no figure</p>", 1, "") is None


def test_a_hostile_name_stays_a_text(tmp_path: Path) -> None:
    """In a drawing as on the page."""
    store = Store(tmp_path)
    store.scene("odd", NOON - HOUR, (ARCHITECTURE, TESTS), cwd="/srv/x")
    odd = Store(tmp_path / "odd")
    odd.scene("odd", NOON - HOUR, [type(TESTS)(0, 9, "a", "<b>&amp;"), TESTS])
    with shown(odd) as client:
        answer = client.get("/sessions/odd?format=svg")

    assert ET.fromstring(answer.text) is not None  # the project's own answer
    assert "<b>" not in answer.text
