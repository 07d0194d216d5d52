"""A hub from machine to reader: what machines ship is what their owners and leads see, and nobody else."""

from __future__ import annotations

import gzip
import html
import random
import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from threading import Event as Signal
from threading import Semaphore
from types import MappingProxyType
from typing import Any

import msgspec
import pytest
from prometheus_client import generate_latest
from starlette.testclient import TestClient

from stretto.clock import DAY, SECOND
from stretto.config.loading import load_config
from stretto.figures.sequential_baseline_choice import NOTHING_DECLARED
from stretto.findings.analysis_run import AnalysisRequest
from stretto.findings.analysis_table import ABSENT_FOR_TEAMS
from stretto.fleet.hidden_names import NameHider
from stretto.fleet.hub_exchange import FORGET_PATH, MOST_DOCUMENTS, SESSIONS_PATH
from stretto.fleet.session_document import MOST_BYTES, SessionDocument, encode_session_document
from stretto.hub import hub_app, open_scopes, scope_service
from stretto.hub.access_tokens import ALL_TEAMS, AccessToken, TokenRole, hash_token
from stretto.hub.document_checks import RefusalReason, find_document_fault
from stretto.hub.document_row_checks import MOST_AMOUNT, MOST_COUNT
from stretto.hub.engine import DAYS_KEPT, FleetScope, ReceivedSession
from stretto.hub.engine_opening import HubDatabase
from stretto.hub.enough_people_release_rule import decode_day_release
from stretto.hub.hub_app import HubApp
from stretto.hub.open_scopes import OpenScopes
from stretto.hub.receive_sessions import MOST_TEXT_BYTES, SessionReceiver
from stretto.hub.received_documents_collector import make_receive_registry
from stretto.model.event import Event
from stretto.names import measures
from stretto.names.measures import Dimension
from stretto.shipping.document_maker import DocumentMaker
from stretto.store.concluded_session import Rules
from stretto.store.contributions.registry import get_sums_version
from stretto.store.database_schema import VERSION
from stretto.store.sum_queries import read_sums
from stretto.summaries.snapshot import Snapshot, take_snapshot
from tests.bench.bench_hub import draw_session
from tests.fakes import store
from tests.hub_engines import (
    ENGINES,
    FIRST_SLOT,
    SLOTS_A_DAY,
    TODAY,
    make_session,
    make_slower_teams,
    run_engine,
)
from tests.scenes import (
    BEGIN,
    Drawing,
    by_description,
    conflict,
    delivery,
    fork_join,
    orchestrated,
    paid,
    sampled,
    spender,
    straggler,
)
from tests.waiting import until

NOW = BEGIN + 3_600 * SECOND
TOMORROW = (TODAY + 1) * DAY + 7 * 3_600 * SECOND
_EPOCH = date(1970, 1, 1).toordinal()
SCENES = (fork_join, straggler, paid, sampled)


@dataclass(frozen=True, slots=True)
class _ShownNames(NameHider):
    """Ships every name as it is, so that figures can be compared by their labels."""

    key: bytes = b"0123456789abcdef"

    def hide_session(self, session_id: str) -> str:
        return session_id

    def hide_text(self, kind: str, text: str) -> str:  # noqa: ARG002  # as in the base class
        return text

    def hide_project(self, project: str) -> str:
        return project

    def hide_name(self, dimension: Dimension, name: str) -> str:  # noqa: ARG002  # as in the base class
        return name


def make_documents(folder: Path, instance: str, drawings: Sequence[Sequence[Event]]) -> list[SessionDocument]:
    """Take the events of a machine into a store of its own, and make the documents of its sessions."""
    maker = DocumentMaker(instance, "rules", Rules(by_description), _ShownNames())
    with store(folder) as opened:
        opened.take(*drawings)
        ids = [id for (id,) in opened.connection.execute("SELECT id FROM sessions ORDER BY id").fetchall()]
        return [
            document for id in ids if (document := maker.make_document(opened.connection, id)) is not None
        ]


def draw(number: int) -> tuple[Event, ...]:
    """Draw the session of a machine, named after it."""
    drawing: Drawing = SCENES[number % len(SCENES)](f"session-{number}")
    return tuple(drawing.events)


@dataclass
class Hub:
    """A hub in this process, with tokens by name."""

    app: HubApp
    database: HubDatabase
    now: list[int]
    tokens: set[str] = field(default_factory=set)

    def client(self, name: str, team: str = "red", role: TokenRole = TokenRole.ME) -> TestClient:
        """Return a client with the token of an owner, made at the first use."""
        token = f"{name} {team} {role}"
        if token not in self.tokens:
            self.tokens.add(token)
            self.database.add_token(
                AccessToken(
                    hash=hash_token(token), tenant="acme", team=team, owner=name, role=role, added=BEGIN
                )
            )
        headers = {"Authorization": f"Bearer {token}"}
        return TestClient(self.app, base_url="http://127.0.0.1", headers=headers)

    def ship(self, client: TestClient, *documents: SessionDocument) -> dict[str, Any]:
        """Ship documents and return the hub's answer."""
        body = gzip.compress(b"\n".join(map(encode_session_document, documents)))
        response = client.post(SESSIONS_PATH, content=body, headers={"Content-Encoding": "gzip"})
        assert response.status_code == 200, response.text
        return dict(response.json())


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Provide a hub on a file, whose stores of scopes and tokens are always looked at again."""
    monkeypatch.setattr(scope_service, "REFRESH_SECONDS", 0.0)
    monkeypatch.setattr(hub_app, "TOKEN_SECONDS", 0.0)
    with run_engine("sqlite", tmp_path) as database, run_hub(tmp_path, database) as running:
        yield running


@contextmanager
def run_hub(
    folder: Path,
    database: HubDatabase,
    environment: Mapping[str, str] = MappingProxyType({"STRETTO_FEATURE_ANALYSIS_CHANGES": "off"}),
    **settings: Any,
) -> Iterator[Hub]:
    """Provide a hub until the block ends."""
    now = [NOW]
    config = load_config(environment, folder, state=str(folder / "state"))
    scopes = OpenScopes(
        config, folder / "scopes", database, clock=lambda: now[0], version="1.0", hosts=frozenset()
    )
    app = HubApp(database, scopes, clock=lambda: now[0], **settings)
    try:
        yield Hub(app, database, now)
    finally:
        scopes.close()


def list_figures(snapshot: Snapshot) -> list[Any]:
    """Return the figures of a snapshot, those of the journal left out: a hub has none."""
    return sorted(
        (figure.name, figure.labels, figure.value, figure.count, figure.low, figure.high)
        for figure in snapshot.figures
        if figure.name != "stretto_last_event_timestamp_seconds"
    )


@pytest.mark.parametrize("scheme", ENGINES)
def test_twenty_machines_in_any_order_with_repeats_are_one_store(
    tmp_path: Path, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every figure of the owner's machines equals that of one store that read all of their journals."""
    rng = random.Random(5)
    drawings = [draw(number) for number in range(20)]
    documents = [
        document
        for number, events in enumerate(drawings)
        for document in make_documents(tmp_path / f"edge-{number}", f"edge-{number}", [events])
    ]
    earlier = [replace(document, revision=document.revision - 1, sums=()) for document in documents[:9]]
    shipped = [*documents, *rng.choices(documents, k=20), *earlier]
    rng.shuffle(shipped)
    monkeypatch.setattr(scope_service, "REFRESH_SECONDS", 0.0)
    with run_engine(scheme, tmp_path) as database, run_hub(tmp_path, database) as running:
        client = running.client("ann")
        for start in range(0, len(shipped), 7):
            running.ship(client, *shipped[start : start + 7])
            client.get("/api/snapshot")
        answer = client.get("/api/snapshot").json()
        service = running.app.scopes.list_services()[0]
    with store(tmp_path / "all") as whole:
        whole.take(*drawings)
        expected = take_snapshot(
            whole.connection,
            NOW,
            service.config.task_types,
            service.config.hours,
            scoring=service.config.scoring,
            rule=service.config.make_headline_rule(NOTHING_DECLARED),
            workflows=service.config.workflows,
        )
    assert service.snapshot is not None
    assert list_figures(service.snapshot) == list_figures(expected)
    assert answer["activity"]["sessions"] == 20


def test_owners_see_their_machines_and_nobody_else_s(hub: Hub, tmp_path: Path) -> None:
    """Pages, sessions, executions and operations answer for the owner's scope."""
    ann, ben = hub.client("ann"), hub.client("ben")
    (first,) = make_documents(tmp_path / "a", "laptop", [draw(0)])
    (second,) = make_documents(tmp_path / "b", "tower", [draw(1)])
    assert hub.ship(ann, first)["stored"] == [first.session]
    hub.ship(ben, second)
    listed = ann.get("/api/sessions").json()["sessions"]
    assert [row["id"] for row in listed] == [f"{first.session}.laptop"]
    for path in (
        "/",
        "/sessions",
        "/executions",
        "/patterns",
        "/agents",
        "/findings",
        "/reports",
        "/activity",
    ):
        page = ann.get(path)
        assert page.status_code == 200, path
        assert second.session not in page.text
    operation = ann.get("/api/operations/dashboard").json()
    assert operation["status"] == "success"
    assert ann.get("/metrics").status_code == 200
    for path in ("/api/sessions", "/sessions"):
        missing = ann.get(f"{path}/{listed[0]['id']}")
        assert missing.status_code == 404
        assert "not its course" in missing.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/scores"),
        ("POST", "/api/notifications"),
        ("POST", "/api/rebuild"),
        ("POST", "/api/forget"),
        ("POST", "/hook"),
        ("POST", "/v1/traces"),
        ("PUT", "/api/gates/baselines/main"),
    ],
)
def test_what_a_machine_would_record_is_refused_for_good(
    hub: Hub, tmp_path: Path, method: str, path: str
) -> None:
    """No client tries it again, and no file of the hub keeps it."""
    ann = hub.client("ann")
    ann.get("/api/snapshot")
    before = sorted(path.name for path in (tmp_path / "scopes").rglob("*"))
    refused = ann.request(method, path, json={"name": "quality", "value": 3})
    assert refused.status_code == 409
    assert "a hub records only" in refused.text
    assert sorted(path.name for path in (tmp_path / "scopes").rglob("*")) == before


def test_team_and_owner_are_those_of_the_token(hub: Hub, tmp_path: Path) -> None:
    """A document cannot name another team: unknown fields are ignored."""
    (document,) = make_documents(tmp_path / "a", "laptop", [draw(0)])
    fields = msgspec.json.decode(encode_session_document(document))
    line = msgspec.json.encode({**fields, "team": "blue", "tenant": "other"})
    answer = hub.client("ann", "red").post(SESSIONS_PATH, content=line)
    assert answer.json()["stored"] == [document.session]
    assert [row[:2] for row in hub.database.list_heard_of(FleetScope(tenant="acme"))] == [("red", "ann")]


@pytest.mark.parametrize("first", ["ann", "ben"])
def test_nobody_overwrites_or_claims_the_session_of_another_owner(
    hub: Hub, tmp_path: Path, first: str
) -> None:
    """A forged document is a session of its own sender, whoever comes first; each owner has his own."""
    (document,) = make_documents(tmp_path / "a", "laptop", [draw(0)])
    forged = replace(document, revision=document.revision + 1, sums=(), rows={})
    for name in ("ann", "ben") if first == "ann" else ("ben", "ann"):
        answer = hub.ship(hub.client(name), document if name == "ann" else forged)
        assert (answer["stored"], answer["refused"]) == ([document.session], [])
    owners = {name: hub.client(name).get("/api/sessions").json()["sessions"] for name in ("ann", "ben")}
    assert [len(listed) for listed in owners.values()] == [1, 1]
    order = msgspec.json.encode({"sessions": [document.session]})
    assert hub.client("ben").post(FORGET_PATH, content=order).json() == {"forgotten": 1}
    assert hub.client("ann").get("/api/sessions").json()["sessions"] == owners["ann"]


def test_a_lead_sees_sessions_of_one_name_by_two_owners_who_opted_in(hub: Hub, tmp_path: Path) -> None:
    """Neither takes the place of the other."""
    (document,) = make_documents(tmp_path / "a", "runner", [draw(0)])
    for owner in ("ci", "nightly"):
        hub.database.add_token(
            AccessToken(
                hash=hash_token(owner),
                tenant="acme",
                team="red",
                owner=owner,
                role=TokenRole.ME,
                opted_in=True,
                added=BEGIN,
            )
        )
        headers = {"Authorization": f"Bearer {owner}"}
        hub.ship(TestClient(hub.app, base_url="http://127.0.0.1", headers=headers), document)
    listed = hub.client("lea", role=TokenRole.LEAD).get("/api/sessions").json()["sessions"]
    assert len({row["id"] for row in listed}) == 2


def test_owners_of_one_name_in_two_teams_are_two_owners(hub: Hub, tmp_path: Path) -> None:
    """Neither sees or forgets the other's sessions, and a lead sees those who opted in within the team."""
    (document,) = make_documents(tmp_path / "a", "runner", [draw(0)])
    red, blue = hub.client("ci", "red"), hub.client("ci", "blue")
    hub.ship(red, document)
    assert blue.get("/api/sessions").json()["sessions"] == []
    assert blue.post(FORGET_PATH, json={"sessions": [document.session]}).json() == {"forgotten": 0}
    opted_in = AccessToken(
        hash=hash_token("of blue"), tenant="acme", team="blue", owner="ci",
        role=TokenRole.ME, opted_in=True, added=BEGIN,
    )  # fmt: skip
    hub.database.add_token(opted_in)
    assert hub.client("max", ALL_TEAMS, TokenRole.LEAD).get("/api/sessions").json()["sessions"] == []
    assert len(red.get("/api/sessions").json()["sessions"]) == 1


def test_an_order_to_forget_names_at_most_as_many_sessions_as_a_request_ships(hub: Hub) -> None:
    """Whoever has more to forget sends several."""
    client = hub.client("ann")
    refusal = client.post(FORGET_PATH, json={"sessions": ["s"] * (MOST_DOCUMENTS + 1)})
    assert refusal.status_code == 400
    assert f"more than {MOST_DOCUMENTS}" in refusal.text
    assert client.post(FORGET_PATH, json={"sessions": ["s"] * MOST_DOCUMENTS}).json() == {"forgotten": 0}


@pytest.mark.parametrize(
    "header",
    [None, "Bearer wrong", "Basic bm9ib2R5Ondyb25n", "Basic ?", "Digest x"],
)
def test_without_a_valid_token_nothing_is_answered(hub: Hub, header: str | None) -> None:
    """Neither machines nor readers pass; only the health of the process is open."""
    client = TestClient(
        hub.app, base_url="http://127.0.0.1", headers={} if header is None else {"Authorization": header}
    )
    assert client.post(SESSIONS_PATH, content=b"").status_code == 401
    refusal = client.get("/")
    assert refusal.status_code == 401
    assert len(refusal.headers.get_list("WWW-Authenticate")) == 2
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/readyz").text == "ready\n"


def test_days_past_their_retention_leave_the_database_and_the_pages(hub: Hub, tmp_path: Path) -> None:
    """Engines list no change for what they delete by age, so the stores of scopes look at days themselves."""
    (document,) = make_documents(tmp_path / "a", "laptop", [draw(0)])
    for number in range(5):
        hub.ship(hub.client(f"p{number}"), replace(document, instance=f"i{number}"))
    readers = [hub.client("p1"), hub.client("lea", role=TokenRole.LEAD)]
    hub.now[0] = TOMORROW
    hub.app.release_days()

    def count_rows() -> list[tuple[int, int, int | None]]:
        for reader in readers:
            assert reader.get("/api/snapshot").status_code == 200
        query = (
            "SELECT (SELECT COUNT(*) FROM hub_documents), (SELECT COUNT(*) FROM hub_releases),"
            " (SELECT SUM(value) FROM rollup WHERE width = 300 AND measure = 'tasks')"
        )
        return [service._writer.execute(query).fetchone() for service in hub.app.scopes.list_services()]

    (own, released) = before = count_rows()
    assert (own[:2], released[:2], released[2]) == ((1, 0), (0, 1), 5 * (own[2] or 0))
    hub.now[0] = (TODAY + DAYS_KEPT) * DAY
    assert count_rows() == before
    hub.app.delete_old_days()
    assert hub.database.count_sessions(FleetScope(tenant="acme")) == 5
    hub.now[0] += DAY
    assert count_rows() == [(0, 0, None), (0, 0, None)]
    hub.app.delete_old_days()
    assert hub.database.count_sessions(FleetScope(tenant="acme")) == 0
    assert hub.database.list_releases("acme") == []


def test_a_revoked_token_is_refused_and_an_administrator_sees_no_figures(hub: Hub) -> None:
    """Leaving takes effect; who keeps the tokens reads nothing."""
    client = hub.client("ann")
    assert client.get("/api/snapshot").status_code == 200
    token = hash_token(f"ann red {TokenRole.ME}")
    assert hub.database.revoke_token("acme", token, NOW)
    assert client.get("/api/snapshot").status_code == 401
    admin = hub.client("root", role=TokenRole.ADMIN)
    assert admin.get("/api/snapshot").status_code == 403
    assert admin.post(SESSIONS_PATH, content=b"").status_code == 403


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"v": 99}, "version 99"),
        ({"sums": {"tasks": [[["review"], [0, 1]]]}}, "other dimensions"),
        ({"sums": {"tasks": [[["review", 3, "success"], [0, 1]]]}}, "other dimensions"),
        ({"sums": {"tasks": [[["review", "critic", "success"], [0, 1 << 63]]]}}, "reach"),
        ({"sums": {"ends_seen": [[[], [0, MOST_COUNT // 2, 1, MOST_COUNT // 2]]]}}, "reach"),
        ({"sums": {"capacity": [[["p"], [0, MOST_AMOUNT]]]}}, "reach"),
        ({"sums": {"of tomorrow": [[["p"], [0, -MOST_AMOUNT]]]}}, "reach"),
        ({"sums": {"ends_seen": [[[], [0, 5, 1, -1]]]}}, "below 0"),
        ({"rows": {"fanouts": {"width": MOST_COUNT}}}, "`int` <= "),
        ({"sums": {"task_time": [[["review", 10**6], [0, 1]]]}}, "bucket"),
        ({"sums": {"task_time": [[["review", 1 << 70], [0, 1]]]}}, "bucket"),
        ({"sums": {"tasks": [[["review", "critic", "<b>ann"], [0, 1]]]}}, "a word"),
        ({"first": FIRST_SLOT - 500 * SLOTS_A_DAY}, "older"),
        ({"day": TODAY - 500}, "older"),
        ({"rules": "a\0"}, "a character"),
        ({"last": NOW + 2 * DAY}, "clock"),
        ({"session": ""}, "names"),
        ({"instance": "a\0"}, "a character"),
        ({"revision": -1}, "below 0"),
        ({"revision": (1 << 63) - 1}, "revision is more than a day ahead"),
        ({"first": -5}, "older"),
        ({"first": 1 << 40}, "a day ahead"),
        ({"sums": {"tasks\0": [[[], [0, 1]]]}}, "a character"),
        ({"row": {"project": "p"}}, "missing required field `source`"),
        ({"rows": {"fanouts": [{"number": 1}]}}, "missing required field `pattern`"),
        ({"rows": {"of tomorrow": [{}] * 6_000}}, "rows"),
        ({"rules": "r" * MOST_BYTES}, "bytes"),
        ({"row": {"start": "abc"}}, "`int`, got `str` - at `$.start`"),
        ({"row": {"dollars": "x"}}, "`float | null`, got `str`"),
        ({"row": {"turns": 2.5}}, "`int`, got `float`"),
        ({"row": {"tasks": 1 << 60}}, "`int` <= "),
        ({"row": {"start": -1}}, "`int` >= 0"),
        ({"row": {"worktree": 5}}, "`str | null`, got `int`"),
        ({"row": {"outcome": "<b>"}}, "Invalid enum value"),
        ({"row": {"tools": "{}"}}, "its shape"),
        ({"rows": {"session_runs": {"labels": '{"a":1}'}}}, "its shape"),
        ({"rows": {"session_runs": {"wall_parts": '{"idle":"x"}'}}}, "its shape"),
        ({"rows": {"session_runs": {"score_sums": "[1]"}}}, "its shape"),
        ({"rows": {"task_runs": {"length": "x"}}}, "`int | null`, got `str`"),
        ({"rows": {"task_runs": {"length": -5}}}, "`int` >= 0"),
        ({"rows": {"task_runs": {"concurrency": None}}}, "got `null`"),
        ({"rows": {"task_runs": {"session": "another"}}}, "the hub fills"),
        ({"rows": {"task_runs": {"kept": 5}}}, "the hub fills"),
    ],
)
def test_a_document_that_would_break_readers_is_refused_alone(
    hub: Hub, tmp_path: Path, change: dict[str, Any], why: str
) -> None:
    """The answer names the session and the reason; the documents beside it are stored, and pages answer."""
    (document,) = make_documents(tmp_path / "a", "laptop", [draw(0)])
    broken = _change_fields(encode_session_document(replace(document, session="broken")), change)
    body = broken + b"\n" + encode_session_document(document)
    client = hub.client("ann")
    answer = client.post(SESSIONS_PATH, content=body).json()
    assert answer["stored"] == [document.session]
    assert client.get("/sessions").status_code == 200
    (refused,) = answer["refused"]
    assert refused["session"] == change.get("session", "broken")
    assert why in refused["why"]


def _change_fields(line: bytes, change: dict[str, Any]) -> bytes:
    """Change the fields of a document; of a row as a whole, or of the rows of a table, some columns."""
    fields = msgspec.json.decode(line)
    for name, value in change.items():
        if name == "row" and "project" not in value:
            fields["row"] |= value
        elif name == "rows" and isinstance(columns := next(iter(value.values())), dict):
            (table,) = value
            fields["rows"][table] = [row | columns for row in fields["rows"][table]]
        else:
            fields[name] = value
    return msgspec.json.encode(fields)


def test_what_machines_ship_is_accepted(tmp_path: Path) -> None:
    """Each measure's words are known to the hub, those of the cost of watching too."""
    drawings = [*(scene() for scene in (*SCENES, conflict, delivery, orchestrated, spender)), draw_session()]
    documents = make_documents(tmp_path, "laptop", [drawing.events for drawing in drawings])
    assert len(documents) == len(drawings)
    assert measures.OVERHEAD_KNOWN in {measure for each in documents for _, measure, *_ in each.sums}
    for document in documents:
        assert find_document_fault(document, encode_session_document(document), NOW) is None


@pytest.mark.parametrize("counted_by", ["x", get_sums_version()])
def test_sums_that_contradict_each_other_take_no_page_away(hub: Hub, tmp_path: Path, counted_by: str) -> None:
    """Delivered tasks without any work are figures without work."""
    (document,) = make_documents(tmp_path / "a", "laptop", [draw(0)])
    cells: list[tuple[str, tuple[str, ...], int]] = [
        ("parallel_tasks", ("p", "s", "t"), 3),
        ("parallel_delivered", ("p", "s", "t"), 3),
        ("verdict_tasks", ("p", "s", "t", "delivered"), 3),
        ("verdict_fanouts", ("p", "s"), 1),
    ]
    sums = tuple((document.sums[0][0], *cell) for cell in cells)
    client = hub.client("ann")
    answer = hub.ship(client, replace(document, counted_by=counted_by, sums=(*document.sums, *sums)))
    assert answer["stored"] == [document.session]
    assert client.get("/").status_code == 200


def test_a_stored_document_that_cannot_be_added_is_left_out(hub: Hub, tmp_path: Path) -> None:
    """An earlier hub may have taken it. The sessions beside it are listed, and the next request is too."""
    (document,) = make_documents(tmp_path / "a", "laptop", [draw(0)])
    runs = tuple({**row, "labels": '{"a":1}'} for row in document.rows["session_runs"])
    broken = replace(document, session="broken", rows={**document.rows, "session_runs": runs})
    envelope = {"tenant": "acme", "team": "red", "owner": "ann", "received": NOW}
    for each in (broken, document):
        hub.database.write_sessions([ReceivedSession(document=each, **envelope)])  # type: ignore[arg-type]
    client = hub.client("ann")
    for _ in range(2):
        listed = client.get("/api/sessions").json()["sessions"]
        assert [row["id"] for row in listed] == [f"{document.session}.laptop"]
        assert client.get("/").status_code == 200


def test_a_session_that_the_hub_cannot_store_is_refused_alone(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the hub itself is answered by a refusal, so that later sessions are shipped."""
    documents = [
        replace(each, session=name)
        for name in ("fine", "broken")
        for each in make_documents(tmp_path / name, "laptop", [draw(0)])
    ]
    write = hub.database.write_sessions

    def write_unless_broken(sessions: Sequence[ReceivedSession]) -> None:
        if any(each.document.session == "broken" for each in sessions):
            raise OverflowError
        write(sessions)

    monkeypatch.setattr(hub.database, "write_sessions", write_unless_broken)
    answer = hub.ship(hub.client("ann"), *documents)
    assert answer["stored"] == ["fine"]
    assert [each["session"] for each in answer["refused"]] == ["broken"]


def test_what_a_hub_received_is_counted_for_prometheus(hub: Hub, tmp_path: Path) -> None:
    """Stored and refused by reason, bytes as they came, and how late: no tenant, team or name of a person."""
    (document,) = make_documents(tmp_path / "a", "laptop", [draw(0)])
    ahead = replace(document, session="ahead", last=NOW + 600 * SECOND)
    far = replace(document, session="far", last=NOW + 2 * DAY)
    negative = (document.sums[0][0], measures.ENDS_SEEN, (), -1)
    lines = [
        *map(encode_session_document, (document, ahead, far, replace(document, sums=(negative,)))),
        b"{}",
    ]
    answer = hub.client("ann").post(SESSIONS_PATH, content=b"\n".join(lines))
    assert len(answer.json()["stored"]) == 2
    exposed = generate_latest(make_receive_registry(hub.app.receiver.copy_counts)).decode()
    assert "\nstretto_hub_received_documents_total 5.0\n" in exposed
    assert "\nstretto_hub_stored_documents_total 2.0\n" in exposed
    assert "\nstretto_hub_skewed_documents_total 1.0\n" in exposed
    refused = dict(re.findall(r'refused_documents_total\{reason="(\w+)"\} (\S+)', exposed))
    assert refused.keys() == {*RefusalReason}
    assert {reason for reason, count in refused.items() if count == "1.0"} == {"clock", "malformed", "sums"}
    assert 'stretto_hub_refused_documents_total{reason="rows"} 0.0' in exposed
    values = {name: float(value) for name, value in re.findall(r"\n(stretto_\w+) (\S+)", exposed)}
    ends_of_lines = len(lines) - 1
    assert values["stretto_hub_received_bytes_total"] == sum(map(len, lines)) + ends_of_lines > 1_000
    of_the_one_ahead = 0
    assert values["stretto_hub_lag_seconds_total"] == (NOW - document.last) / SECOND + of_the_one_ahead > 1
    assert "acme" not in exposed
    assert "ann" not in exposed


def test_days_of_one_tenant_hold_up_no_other(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The days of the other tenants are released."""
    for tenant in ("aaa", "acme"):
        hub.database.add_token(
            AccessToken(hash=tenant, tenant=tenant, team="red", owner="o", role=TokenRole.ME, added=BEGIN)
        )
    for number in range(5):
        hub.database.write_sessions([_make_owned(f"p{number}")])
    list_changed_days = hub.database.list_changed_days

    def fail_for_one(tenant: str, since: int) -> list[tuple[str, int]]:
        if tenant == "aaa":
            raise OverflowError
        return list_changed_days(tenant, since)

    monkeypatch.setattr(hub.database, "list_changed_days", fail_for_one)
    hub.now[0] = TOMORROW
    assert hub.app.release_days() == 1


def test_an_unknown_measure_is_kept_and_not_read(hub: Hub, tmp_path: Path) -> None:
    """A newer machine can ship to an older hub."""
    (document,) = make_documents(tmp_path / "a", "laptop", [draw(0)])
    newer = replace(document, sums=(*document.sums, (document.sums[0][0], "of tomorrow", ("x",), 4)))
    client = hub.client("ann")
    assert hub.ship(client, newer)["stored"] == [document.session]
    assert client.get("/api/snapshot").status_code == 200


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [(b"no gzip", "gzip", 400), (gzip.compress(b"x" * 99, mtime=0)[:-9], "gzip", 400), (b"", "br", 400)],
    ids=["no gzip", "cut short", "another encoding"],
)
def test_a_malformed_request_is_not_sent_again(hub: Hub, body: bytes, encoding: str, status: int) -> None:
    """The sender learns that the fault is the request's."""
    answer = hub.client("ann").post(SESSIONS_PATH, content=body, headers={"Content-Encoding": encoding})
    assert answer.status_code == status


def test_a_small_request_takes_no_more_room_than_there_is(hub: Hub) -> None:
    """Room is reserved before each piece of a text is decompressed, for the first request too."""
    hub.app.receiver = SessionReceiver(hub.database, most_bytes=1 << 20)
    body = gzip.compress(b" " * (4 << 20))
    answer = hub.client("ann").post(SESSIONS_PATH, content=body, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 429
    assert hub.app.receiver._bytes == 0
    large = gzip.compress(b" " * (MOST_TEXT_BYTES + 1))
    hub.app.receiver = SessionReceiver(hub.database)
    answer = hub.client("ann").post(SESSIONS_PATH, content=large, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 400


def test_too_much_at_once_is_asked_to_come_again(hub: Hub, tmp_path: Path) -> None:
    """The answer says when; nothing of the request was stored."""
    hub.app.receiver = SessionReceiver(hub.database, most_bytes=10)
    hub.app.receiver._bytes = 5
    (document,) = make_documents(tmp_path / "a", "laptop", [draw(0)])
    answer = hub.client("ann").post(SESSIONS_PATH, content=encode_session_document(document))
    assert (answer.status_code, int(answer.headers["Retry-After"])) == (429, hub_app.RETRY_SECONDS)
    assert hub.database.count_sessions(FleetScope(tenant="acme")) == 0


def test_a_forgotten_session_leaves_the_pages_of_its_owner(hub: Hub, tmp_path: Path) -> None:
    """Its sums leave too, a later copy does not bring it back, and others' sessions cannot be named."""
    ann, ben = hub.client("ann"), hub.client("ben")
    first, second = (make_documents(tmp_path / f"{number}", "laptop", [draw(number)])[0] for number in (0, 1))
    hub.ship(ann, first, second)
    before = ann.get("/api/snapshot").json()
    order = msgspec.json.encode({"sessions": [second.session]})
    assert ben.post(FORGET_PATH, content=order).json() == {"forgotten": 0}
    assert ann.post(FORGET_PATH, content=order).json() == {"forgotten": 1}
    hub.ship(ann, second)
    after = ann.get("/api/snapshot").json()
    assert before["activity"]["sessions"] == 2
    assert after["activity"]["sessions"] == 1
    only = hub.client("cleo")
    hub.ship(only, replace(first, instance="other"))
    assert after["verdicts"] == only.get("/api/snapshot").json()["verdicts"]


def test_leads_see_released_days_of_five_people_and_more(hub: Hub) -> None:
    """Four people: nothing. Of five: the day as a whole, some hours after its end, without sessions."""
    lead = hub.client("lea", role=TokenRole.LEAD)
    everybody = hub.client("max", ALL_TEAMS, TokenRole.LEAD)
    for number in range(4):
        hub.database.write_sessions([_make_owned(f"p{number}")])
    hub.now[0] = TOMORROW
    hub.app.release_days()
    assert _count_tasks(lead) == 0
    hub.database.write_sessions([_make_owned("p4")])
    hub.now[0] += SECOND
    hub.app.release_days()
    assert _count_tasks(lead) == 5
    for number in range(5):
        late = _make_owned(f"p{number}", session=f"late {number}", received=BEGIN + 2)
        hub.database.write_sessions([late])
        hub.now[0] += SECOND
        hub.app.release_days()
        assert _count_tasks(lead) == (5 if number < 4 else 10), "a late person would be a difference"
    assert _count_tasks(everybody) == 10
    assert lead.get("/api/sessions").json()["sessions"] == []
    assert lead.get("/").status_code == 200
    assert _count_tasks(hub.client("leo", "blue", TokenRole.LEAD)) == 0


def test_leads_learn_what_got_worse_and_nothing_of_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page and API say since when, by how much and for how many people; no answer names one of them."""
    monkeypatch.setattr(scope_service, "REFRESH_SECONDS", 0.0)
    with run_engine("sqlite", tmp_path) as database, run_hub(tmp_path, database, {}) as hub:
        database.write_sessions(make_slower_teams("acme"))
        lead = hub.client("lea", role=TokenRole.LEAD)
        hub.now[0] = (TODAY + 1) * DAY
        assert hub.app.release_days() == 21
        assert until(lambda: lead.get("/api/findings").json()["analyses"])
        answer = lead.get("/api/findings")
        document = answer.json()
        assert [(result["name"], result["error"]) for result in document["analyses"]] == [
            ("changes", None),
            ("experiments", None),
        ]
        whole, tests = sorted(document["open"], key=lambda each: len(each["subject"]))
        assert (whole["subject"], tests["subject"]) == ({}, {"type": "tests"})
        assert whole["since"].startswith(date.fromordinal(_EPOCH + TODAY - 7).isoformat())
        assert whole["evidence"]["n"] == 7
        assert whole["evidence"]["runs"] == []
        assert document["absent"].keys() == ABSENT_FOR_TEAMS.keys()
        page = lead.get("/findings").text
        assert "7\N{NO-BREAK SPACE}people" in page
        assert ABSENT_FOR_TEAMS["trends"] in html.unescape(page)
        detail = lead.get(f"/findings/{whole['id']}").text
        assert 'method="post"' not in page + detail, "the hub would refuse what such a form sends"
        past = lead.get("/api/findings?at=2020-01-01").json()
        assert (past["open"], past["absent"].keys()) == ([], ABSENT_FOR_TEAMS.keys())
        for text in (answer.text, page, detail):
            assert "person-" not in text


def test_sums_beyond_64_bits_take_no_page_away(hub: Hub) -> None:
    """Many people's working time in ns, or many documents at the limit: leads see what their sum is."""
    lead = hub.client("lea", role=TokenRole.LEAD)
    amount = MOST_AMOUNT - 1
    sessions = [
        _make_owned(
            f"p{number % 5}",
            session=f"{number} {day}",
            sums=[(FIRST_SLOT + day * SLOTS_A_DAY, measures.CAPACITY, ("fix",), amount)],
        )
        for number in range(1_030)
        for day in (0, -1)
    ]
    hub.database.write_sessions(sessions)
    hub.now[0] = TOMORROW
    assert hub.app.release_days() == 2
    assert lead.get("/").status_code == 200
    (service,) = hub.app.scopes.list_services()
    with closing(sqlite3.connect(service.config.database)) as connection:
        sums = read_sums(connection, service.read_clock(), 7 * 86_400)
    largest = (1 << 63) - 1
    assert 1_030 * amount > largest, "a day is more than a number of the store"
    assert sums[measures.CAPACITY] == {("fix",): pytest.approx(2 * largest)}


def test_leads_see_the_sessions_of_owners_who_opted_in(hub: Hub, tmp_path: Path) -> None:
    """Runners are listed with their parallel executions; who takes the consent back is gone at once."""
    lead = hub.client("lea", role=TokenRole.LEAD)
    runners = AccessToken(
        hash=hash_token("ci"),
        tenant="acme",
        team="red",
        owner="ci",
        role=TokenRole.ME,
        opted_in=True,
        added=1,
    )
    hub.database.add_token(runners)
    (of_ann,) = make_documents(tmp_path / "a", "laptop", [draw(0)])
    (of_ci,) = make_documents(tmp_path / "b", "runner", [draw(1)])
    hub.ship(hub.client("ann"), of_ann)
    hub.ship(TestClient(hub.app, base_url="http://127.0.0.1", headers={"Authorization": "Bearer ci"}), of_ci)
    listed = lead.get("/api/sessions").json()["sessions"]
    assert [row["id"] for row in listed] == [f"{of_ci.session}.runner"]
    assert of_ann.session not in lead.get("/executions").text
    assert _count_tasks(lead) == 0, "its sums are those of released days alone"
    assert hub.database.revoke_token("acme", runners.hash, NOW)
    assert lead.get("/api/sessions").json()["sessions"] == []


def test_forgetting_leaves_what_was_released(hub: Hub) -> None:
    """The day is released again at once, without the forgotten session."""
    lead = hub.client("lea", role=TokenRole.LEAD)
    for number in range(6):
        hub.database.write_sessions([_make_owned(f"p{number}")])
    hub.now[0] = TOMORROW
    hub.app.release_days()
    assert _count_tasks(lead) == 6
    hub.now[0] = TOMORROW + SECOND
    order = msgspec.json.encode({"sessions": ["of p1"]})
    assert hub.client("p1").post(FORGET_PATH, content=order).json() == {"forgotten": 1}
    assert _count_tasks(lead) == 5


def test_sessions_of_different_rules_are_a_problem_on_the_page(hub: Hub, tmp_path: Path) -> None:
    """Their sums are added, though they do not mean the same."""
    ann = hub.client("ann")
    (document,) = make_documents(tmp_path / "a", "laptop", [draw(0)])
    hub.ship(ann, document)
    assert "rule sets" not in ann.get("/").text
    hub.ship(ann, replace(document, instance="tower", rules="others"), replace(document, instance="desk"))
    assert "sessions of 2 rule sets: 2 of rules, 1 of others" in ann.get("/").text


def test_stores_stay_open_while_they_are_read(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More readers than stores that stay open: each is answered, and those unused are closed."""
    monkeypatch.setattr(open_scopes, "MOST_SCOPES", 1)
    (document,) = make_documents(tmp_path / "a", "laptop", [draw(0)])
    clients = [hub.client(name) for name in ("ann", "ben", "cleo", "dan")]
    for number, client in enumerate(clients):
        hub.ship(client, replace(document, instance=f"of {number}"))
    with ThreadPoolExecutor(len(clients)) as pool:
        answers = list(pool.map(lambda client: client.get("/api/sessions"), clients * 6))
    assert [answer.status_code for answer in answers] == [200] * 24
    assert all(len(answer.json()["sessions"]) == 1 for answer in answers)
    assert len(hub.app.scopes.list_services()) == 1


def test_a_slow_first_fill_keeps_neither_machines_nor_other_readers_waiting(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks for the same scope waits with it, without a thread."""
    monkeypatch.setattr(open_scopes, "READER_THREADS", 2)
    may_go_on, reading = Signal(), Signal()
    list_changes = hub.database.list_changes

    def list_slowly(scope: FleetScope, *rest: Any) -> Any:
        if scope.owners == (("red", "ann"),):
            reading.set()
            assert may_go_on.wait(60)
        return list_changes(scope, *rest)

    monkeypatch.setattr(hub.database, "list_changes", list_slowly)
    ann, ben = (hub.client(name).headers for name in ("ann", "ben"))
    (document,) = make_documents(tmp_path / "a", "laptop", [draw(0)])
    # One event loop for all, as in a running hub.
    with TestClient(hub.app, base_url="http://127.0.0.1") as client, ThreadPoolExecutor(60) as pool:
        waiting = [pool.submit(client.get, "/api/sessions", headers=ann) for _ in range(60)]
        try:
            assert reading.wait(60)
            shipped = client.post(SESSIONS_PATH, content=encode_session_document(document), headers=ben)
            assert shipped.json()["stored"] == [document.session]
            assert len(client.get("/api/sessions", headers=ben).json()["sessions"]) == 1
            assert not any(each.done() for each in waiting)
        finally:
            may_go_on.set()
        assert {each.result().status_code for each in waiting} == {200}


def test_machines_are_answered_while_all_threads_for_pages_are_busy(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More slow pages than Starlette has threads: sessions are stored, and the hub is ready meanwhile."""
    ann, ben = hub.client("ann"), hub.client("ben")
    assert ann.get("/api/sessions").status_code == 200
    (service,) = hub.app.scopes.list_services()
    may_go_on, lock, making = Signal(), threading.Lock(), [0]
    find_sessions = type(service.answers).find_sessions

    def find_slowly(answers: Any, *rest: Any, **named: Any) -> Any:
        with lock:
            making[0] += 1
        assert may_go_on.wait(60)
        return find_sessions(answers, *rest, **named)

    monkeypatch.setattr(type(service.answers), "find_sessions", find_slowly)
    hub.app.scopes.close()
    (document,) = make_documents(tmp_path / "a", "laptop", [draw(0)])
    pages = 60
    with TestClient(hub.app, base_url="http://127.0.0.1") as client, ThreadPoolExecutor(pages) as pool:
        waiting = [pool.submit(client.get, "/api/sessions", headers=ann.headers) for _ in range(pages)]
        try:
            assert until(lambda: making[0] == hub_app.PAGES_AT_ONCE)
            shipped = client.post(
                SESSIONS_PATH, content=encode_session_document(document), headers=ben.headers
            )
            assert shipped.json()["stored"] == [document.session]
            assert client.get("/readyz").text == "ready\n"
            assert making[0] == hub_app.PAGES_AT_ONCE
            assert not any(each.done() for each in waiting)
        finally:
            may_go_on.set()
        assert {each.result().status_code for each in waiting} == {200}


@pytest.mark.parametrize("harm", ["another schema", "garbage"])
def test_a_store_that_cannot_be_used_is_filled_again(hub: Hub, tmp_path: Path, harm: str) -> None:
    """It is a cache: nobody has to mend it, and nothing is lost with it."""
    ann = hub.client("ann")
    hub.ship(ann, *make_documents(tmp_path / "a", "laptop", [draw(0)]))
    before = ann.get("/api/sessions").json()
    (service,) = hub.app.scopes.list_services()
    file = service.config.database
    hub.app.scopes.close()
    if harm == "garbage":
        file.write_bytes(b"no database" * 1000)
    else:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA user_version = 1")
    assert ann.get("/api/sessions").json() == before


def test_a_store_that_is_damaged_while_it_is_open_is_filled_again(hub: Hub, tmp_path: Path) -> None:
    """The request that meets the damage is answered from the new store."""
    ann = hub.client("ann")
    hub.ship(ann, *make_documents(tmp_path / "a", "laptop", [draw(0)]))
    before = ann.get("/api/sessions").json()
    (service,) = hub.app.scopes.list_services()
    with closing(sqlite3.connect(service.config.database)) as connection:
        connection.execute("DROP TABLE hub_documents")
        connection.execute("DROP TABLE sessions")
        connection.commit()
    hub.ship(ann, *make_documents(tmp_path / "b", "tower", [draw(1)]))
    assert len(ann.get("/api/sessions").json()["sessions"]) == len(before["sessions"]) + 1


def test_a_store_of_another_schema_version_is_in_another_folder(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older hub on the same folder does not take the newer one's marks."""
    ann = hub.client("ann")
    ann.get("/api/sessions")
    (service,) = hub.app.scopes.list_services()
    hub.app.scopes.close()
    monkeypatch.setattr(open_scopes, "VERSION", VERSION + 1)
    ann.get("/api/sessions")
    (other,) = hub.app.scopes.list_services()
    assert other.config.database.parent != service.config.database.parent


def test_analyses_of_all_scopes_take_turns_and_end_with_their_store(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None begins before the store is filled, and a closed store's never begins."""
    turn = Semaphore(0)
    runs: list[AnalysisRequest] = []
    monkeypatch.setattr(hub.app.scopes, "_analysis_turn", turn)
    monkeypatch.setattr(scope_service, "TURN_SECONDS", 0.01)

    def run(request: AnalysisRequest, *, stopping: Signal) -> None:
        assert not stopping.is_set()
        runs.append(request)

    monkeypatch.setattr(scope_service, "run_analysis_process", run)
    for name in ("ann", "ben"):
        assert hub.client(name).get("/api/sessions").status_code == 200
    request = AnalysisRequest("", NOW, ("widths",), "UTC", None)
    first, second = hub.app.scopes.list_services()
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(service._run_analyses, request) for service in (first, second)]
        first.close()
        assert waiting[0].result(60).error == "the store was closed"
        assert not runs
        turn.release()
        waiting[1].result(60)
        assert runs == [request]
    assert turn.acquire(blocking=False)


def test_forgetting_adds_no_waiting_session_of_another(hub: Hub) -> None:
    """Whoever forgets his own would see the late session of a colleague: the day is withdrawn instead."""
    lead = hub.client("lea", role=TokenRole.LEAD)
    hub.database.write_sessions([_make_owned(f"p{number}") for number in range(7)])
    hub.now[0] = TOMORROW
    hub.app.release_days()
    hub.database.write_sessions([_make_owned("p2", session="late", received=TOMORROW)])
    hub.now[0] += SECOND
    order = msgspec.json.encode({"sessions": ["of p1"]})
    assert hub.client("p1").post(FORGET_PATH, content=order).json() == {"forgotten": 1}
    assert _count_tasks(lead) == 0
    hub.database.write_sessions(
        [_make_owned(f"p{number}", session=f"late {number}", received=TOMORROW) for number in range(3, 7)]
    )
    hub.app.release_days()
    assert _count_tasks(lead) == 11


def test_a_forgetting_whose_release_failed_is_released_by_the_next_pass(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database went away in between, or another hub was faster each time."""
    lead = hub.client("lea", role=TokenRole.LEAD)
    hub.database.write_sessions([_make_owned(f"p{number}") for number in range(6)])
    hub.now[0] = TOMORROW
    hub.app.release_days()
    hub.now[0] += SECOND
    order = msgspec.json.encode({"sessions": ["of p1"]})
    with monkeypatch.context() as patched:
        patched.setattr(hub.database, "write_release", lambda *_, **__: False)
        assert hub.client("p1").post(FORGET_PATH, content=order).json() == {"forgotten": 1}
    assert _count_tasks(lead) == 6
    hub.now[0] += SECOND
    assert hub.app.release_days() == 1
    assert _count_tasks(lead) == 5
    assert hub.app.release_days() == 0


def test_late_sessions_of_who_forgot_are_released_by_the_rules_of_the_late(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The release after a forgetting failed. Late sessions of that owner wait, on that day and on another."""
    lead = hub.client("lea", role=TokenRole.LEAD)
    days = [(TODAY - 1) * SLOTS_A_DAY, FIRST_SLOT]

    def write(owner: str, session: str, *slots: int, value: int = 1) -> None:
        sums = [(slot, measures.TASKS, ("review", "critic", "success"), value) for slot in slots]
        hub.database.write_sessions(
            [_make_owned(owner, session=session, sums=sums, received=hub.now[0], revision=hub.now[0])]
        )

    for number in range(6):
        write(f"p{number}", f"of p{number}", *days)
    hub.now[0] = TOMORROW
    assert hub.app.release_days() == 2
    hub.now[0] += SECOND
    write("p1", "of yesterday", days[0], value=4)
    hub.now[0] += SECOND
    write("p1", "of today", days[1])
    order = msgspec.json.encode({"sessions": ["of today"]})
    with monkeypatch.context() as patched:
        patched.setattr(hub.database, "write_release", lambda *_, **__: False)
        assert hub.client("p1").post(FORGET_PATH, content=order).json() == {"forgotten": 1}
    hub.now[0] += SECOND
    assert hub.app.release_days() == 0, "nothing that leads saw was forgotten"
    order = msgspec.json.encode({"sessions": ["of p1"]})
    assert hub.client("p1").post(FORGET_PATH, content=order).json() == {"forgotten": 1}
    released = {
        stored.day: decode_day_release(stored.document) for stored in hub.database.list_releases("acme")
    }
    assert released[TODAY - 1].withheld == ("red",), "with the late session of that day"
    assert [cell.value for cell in released[TODAY].groups["red"] if cell.dims] == [5]
    assert _count_tasks(lead) == 5


def test_behind_a_proxy_requests_without_tls_are_refused(tmp_path: Path) -> None:
    """A token that came in the clear is no secret any more."""
    with (
        run_engine("sqlite", tmp_path) as database,
        run_hub(tmp_path, database, is_behind_proxy=True) as running,
    ):
        client = running.client("ann")
        assert client.get("/api/snapshot").status_code == 403
        assert client.get("/api/snapshot", headers={"X-Forwarded-Proto": "https"}).status_code == 200


def _make_owned(owner: str, **rest: Any) -> Any:
    session = rest.pop("session", f"of {owner}")
    return make_session(session, owner=owner, team="red", instance=f"laptop of {owner}", **rest)


def _count_tasks(lead: TestClient) -> int:
    """Return the tasks that a lead sees in the newest released day."""
    figures = lead.get("/api/snapshot").json()["figures"]
    return sum(
        figure["value"] or 0
        for figure in figures
        if figure["name"] == "stretto_window_tasks" and figure["labels"]["window"] == "24h"
    )
