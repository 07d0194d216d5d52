"""Grafana's boards on a hub's database: fresh, the same for both databases, and answered by real ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import psycopg
import pytest
import yaml
from grafana.board.build import HUB_DASHBOARDS, find_stale, render_hub_files
from grafana.board.hub_board_document import SOURCE_UID, HubDatabaseKind
from grafana.board.hub_boards import HUB_BOARDS, LIST_TEAMS

from stretto.clock import DAY, HOUR
from stretto.hub.engine import ReceivedSession
from stretto.hub.grant_database_reader import write_reader_statements
from stretto.hub.release_due_days import release_due_days
from stretto.names import measures
from tests.fakes import ROOT
from tests.hub_engines import TODAY, prepare_engine, run_database
from tests.scenes import BEGIN
from tests.test_hub_app import draw, make_documents

WASTED = ("review", "critic", "failed")

PANELS = [panel for board in HUB_BOARDS for panel in board.panels]
DEPLOYED = ROOT / "deploy" / "hub"

Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.mark.parametrize("kind", HubDatabaseKind)
def test_hub_dashboards_are_what_the_builder_writes(kind: HubDatabaseKind) -> None:
    """No file was changed by hand or left over, and each panel says what it is and names its data source."""
    expected = render_hub_files(kind)
    assert [path.name for path in find_stale(expected, HUB_DASHBOARDS / kind.value)] == [], (
        "run make dashboards"
    )
    for text in expected.values():
        board = json.loads(text)
        source = {"type": kind.source, "uid": SOURCE_UID}
        assert board["uid"].startswith("stretto-hub-")
        assert board["description"].endswith("?")
        for panel in board["panels"]:
            assert panel["datasource"] == source
            (target,) = panel["targets"]
            assert target["datasource"] == source
            assert re.fullmatch(r".+\. [A-Z][^.]*\?", panel["description"])
        (variable,) = board["templating"]["list"]
        assert (variable["query"], variable["datasource"]) == (LIST_TEAMS, source)


def test_titles_of_a_hub_tell_panels_apart() -> None:
    """A title is used once on its boards, and panels of one board do not overlap."""
    assert len({panel.title for panel in PANELS}) == len(PANELS)
    for path in HUB_DASHBOARDS.glob("*/*.json"):
        places = [panel["gridPos"] for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]]
        assert len({(place["x"], place["y"]) for place in places}) == len(places)
        assert all(place["x"] + place["w"] <= 24 for place in places)


@pytest.mark.parametrize("kind", HubDatabaseKind)
def test_grafana_is_provisioned_with_the_source_that_the_boards_name(kind: HubDatabaseKind) -> None:
    """Its type and uid, its address in the compose file, and secrets that the service is given."""
    (source,) = yaml.safe_load((DEPLOYED / "grafana" / f"{kind.value}.yml").read_text(encoding="utf-8"))[
        "datasources"
    ]
    assert (source["type"], source["uid"]) == (kind.source, SOURCE_UID)
    services = yaml.safe_load((DEPLOYED / "compose.yml").read_text(encoding="utf-8"))["services"]
    grafana = services[f"grafana-{kind.value}"]
    assert grafana["profiles"] == [f"grafana-{kind.value}"]
    host = source["jsonData"].get("host") or source["url"].partition(":")[0]
    assert services[host]["profiles"] == [kind.value]
    secret = re.fullmatch(r"\$__file\{/run/secrets/(.+)\}", source["secureJsonData"]["password"])
    assert secret is not None
    assert secret[1] in grafana["secrets"]
    mounted = {place.split(":")[1]: place.split(":")[0] for place in grafana["volumes"]}
    assert (DEPLOYED / mounted["/etc/grafana/dashboards"]).resolve() == HUB_DASHBOARDS / kind.value
    boards = yaml.safe_load((DEPLOYED / "grafana" / "boards.yml").read_text(encoding="utf-8"))
    assert boards["providers"][0]["options"]["path"] in mounted


@contextmanager
def ask_postgresql(url: str, user: str) -> Iterator[Ask]:
    """Provide what asks PostgreSQL as a reader."""
    with psycopg.connect(url, user=user, autocommit=True) as connection:
        yield lambda sql: connection.execute(sql).fetchall()


@contextmanager
def ask_clickhouse(url: str, user: str) -> Iterator[Ask]:
    """Provide what asks ClickHouse in the database of a reader; the engine as a library has no users."""

    def ask(sql: str) -> list[tuple[Any, ...]]:
        address = f"http://{urlsplit(url).netloc}/?database={user}"
        with urlopen(address, f"{sql} FORMAT JSONCompactEachRow".encode()) as response:
            return [tuple(json.loads(line)) for line in response.read().splitlines()]

    yield ask


def fill_in(sql: str, kind: HubDatabaseKind) -> str:
    """Return a query with its variable and macro as Grafana's data sources write them."""
    first, last = (TODAY - 5) * DAY // 10**9, (TODAY + 5) * DAY // 10**9
    between = f"day >= toDateTime({first}) AND day <= toDateTime({last})"
    if kind is HubDatabaseKind.POSTGRESQL:
        texts = [datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for time in (first, last)]
        between = f"day BETWEEN '{texts[0]}' AND '{texts[1]}'"
    return sql.replace("${team:sqlstring}", "'red','other'").replace("$__timeFilter(day)", between)


@pytest.mark.stack
@pytest.mark.parametrize("kind", HubDatabaseKind)
def test_every_panel_is_answered_by_the_database(kind: HubDatabaseKind, tmp_path: Path) -> None:
    """Each query gives a time, a name and a number, as its reader; tasks are those that were shipped."""
    documents = [
        replace(
            document,
            session=f"{number} {owner}",
            sums=(*document.sums, (document.sums[0][0], measures.WASTED_TIME, WASTED, HOUR)),
        )
        for number in range(4)
        for document in make_documents(tmp_path / str(number), f"i{number}", [draw(number)])
        for owner in range(6)
    ]
    sessions = [
        ReceivedSession(
            tenant="acme", team="red", owner=document.session[-1], received=BEGIN, document=document
        )
        for document in documents
    ]
    tasks = sum(
        value for document in documents for _, measure, _, value in document.sums if measure == measures.TASKS
    )
    with run_database(kind.value, tmp_path) as url:
        with prepare_engine(url) as engine:
            engine.write_sessions(sessions)
            assert release_due_days(engine, "acme", lambda: (TODAY + 3) * DAY) >= 1
        statements = write_reader_statements(url, tenant="acme", user="reader", password="p")
        if kind is HubDatabaseKind.POSTGRESQL:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(statements)
        else:
            for statement in statements.split(";\n")[:2]:
                urlopen(f"http://{urlsplit(url).netloc}/", statement.encode()).close()
        asking = ask_postgresql if kind is HubDatabaseKind.POSTGRESQL else ask_clickhouse
        with asking(url, "reader") as ask:
            assert ask(LIST_TEAMS) == [("red",)]
            answers = {panel.title: ask(fill_in(panel.sql, kind)) for panel in PANELS}
    for title, rows in answers.items():
        assert rows, title
        for time, name, amount in rows:
            assert time, title
            assert isinstance(name, str)
            assert amount is None or float(amount) >= 0
    assert sum(float(amount) for _, _, amount in answers["Tasks"]) == tasks
    assert sum(float(amount) for _, _, amount in answers["Tasks by type"]) == tasks
    assert {float(amount) for _, _, amount in answers["People"]} == {6}
    assert sum(float(amount) for _, _, amount in answers["Wasted time by type"]) == len(documents)
    shares = [float(row[2]) for title in ("Success", "Success by type") for row in answers[title] if row[2]]
    assert shares
    assert max(shares) <= 1
