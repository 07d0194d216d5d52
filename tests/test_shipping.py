from __future__ import annotations

import gc
import json
import random
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from stretto.cli.command_context import CommandContext
from stretto.cli.demo_month_folder import make_month_context
from stretto.cli.main import main
from stretto.clock import MINUTE, read_wall_clock
from stretto.config.loading import load_config
from stretto.errors import ConfigError, HubError
from stretto.fleet.hidden_names import NameRules
from stretto.fleet.hub_exchange import Enrolment, ForgetRequestToHub, encode_message
from stretto.fleet.session_document import SessionDocument, encode_session_document
from stretto.model.event import Event
from stretto.otlp_export.span_sender import NullSender
from stretto.service.enrolment_file import find_hub_settings
from stretto.service.service import Service
from stretto.service.session_shipping import SessionShipping
from stretto.shipping import ship_batches
from stretto.shipping.back_off import LONGEST_SECONDS, BackOff
from stretto.shipping.hub_client import HubClient, parse_retry_after
from stretto.shipping.ship_batches import MadeDocument, Shipper
from stretto.store.database import open_reader, open_writer
from stretto.store.ingest import Ingest
from stretto.store.shipped_sessions import (
    count_shipping,
    list_due_sessions,
    list_refusals,
    mark_all_sessions,
    note_revisions_about_to_ship,
    write_ship_receipts,
)
from stretto.store.store_rescue import rescue_and_move_store_aside
from tests.fakes import IDLE, Store, append, recorded, store
from tests.hub_receiver import HubReceiver, HubRefusal
from tests.ports import reserve_dead_address
from tests.scenes import Drawing, at, by_description, fork_join, nested, straggler
from tests.shipped import KEY, TOKEN, make_maker, make_shipper
from tests.waiting import until

LATER = at(86_400)


@pytest.fixture
def hub() -> Iterator[HubReceiver]:
    with HubReceiver() as receiver:
        yield receiver


def ship_all(opened: Store, shipper: Shipper) -> int:
    """Ship until nothing is due; return the number of documents that were sent."""
    mark_all_sessions(opened.connection, shipper.made_as)
    sent = 0
    while not (batch := shipper.make_batch(opened.connection)).is_empty:
        write_ship_receipts(opened.connection, batch.unchanged)
        if batch.documents:
            note_revisions_about_to_ship(opened.connection, batch.attempts)
            receipts = shipper.send_batch(batch)
            sent += len(receipts)
            write_ship_receipts(opened.connection, receipts)
    return sent


def read_shipped(connection: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """Return session → (revision, day) of what the store notes as answered."""
    rows = connection.execute("SELECT session, revision, day FROM shipped ORDER BY session")
    return {session: (revision, day) for session, revision, day in rows}


def read_sums(connection: sqlite3.Connection) -> dict[str, int]:
    query = "SELECT measure, SUM(value) FROM rollup WHERE width = 300 GROUP BY measure"
    return dict(connection.execute(query))


def test_a_changed_session_is_shipped_again_with_a_higher_revision_and_nothing_else(
    tmp_path: Path, hub: HubReceiver
) -> None:
    """Documents replace each other by revision; recordings are never shipped; the day is the first one."""
    with store(tmp_path) as opened:
        opened.take(fork_join().events, nested().events)
        shipper = make_shipper(hub.url)
        assert ship_all(opened, shipper) == 2
        assert ship_all(opened, shipper) == 0
        first = read_shipped(opened.connection)
        assert {*first} == {"fork-join", "nested"}
        late = Drawing("fork-join").score("quality", 9, 100_000)
        opened.take(late.events)
        assert ship_all(opened, shipper) == 1
        second = read_shipped(opened.connection)
        assert second["nested"] == first["nested"]
        assert second["fork-join"][0] > first["fork-join"][0]
        assert second["fork-join"][1] == first["fork-join"][1]
        assert len(hub.documents) == 2
        assert hub.sum_measures() == read_sums(opened.connection)
        opened.take(Drawing("shown").opens(recording=True).ends(5).events)
        assert ship_all(opened, shipper) == 0
    assert hub.headers[0]["Authorization"] == f"Bearer {TOKEN}"
    assert hub.headers[0]["Content-Encoding"] == "gzip"


def test_an_open_session_is_shipped_after_five_minutes_and_at_most_so_often(
    tmp_path: Path, hub: HubReceiver
) -> None:
    """Partial documents have the session's own key, so the finished one replaces them."""
    with store(tmp_path) as opened:
        opened.take(Drawing("open").opens().prompt(0).call("a", 1, 2).events)
        connection = opened.connection
        assert list_due_sessions(connection, 9, open_before=at(0)) == []
        assert len(list_due_sessions(connection, 9, open_before=at(10))) == 1
        shipper = make_shipper(hub.url)
        assert ship_all(opened, shipper) == 1
        opened.take(Drawing("open").call("b", 3, 4).events)
        assert ship_all(opened, shipper) == 0
        opened.take(Drawing("open").stop(5).ends(6).events)
        assert ship_all(opened, shipper) == 1
        (document,) = hub.documents.values()
        assert document.row["outcome"] == "success"
        assert hub.sum_measures() == read_sums(connection)


def test_a_session_whose_answer_was_lost_before_midnight_keeps_its_day(
    tmp_path: Path, hub: HubReceiver
) -> None:
    """The hub may have it under that day, so the revision of the next day names the same."""
    with store(tmp_path) as opened:
        opened.take(Drawing("open").opens().prompt(0).call("a", 1, 2).events)
        shipper = make_shipper(hub.url)
        first = shipper.make_batch(opened.connection)
        note_revisions_about_to_ship(opened.connection, first.attempts)
        hub.silent = True
        with pytest.raises(HubError):
            shipper.send_batch(first)
        hub.silent = False
        opened.take(Drawing("open").stop(100_000).ends(100_001).events)
        assert ship_all(opened, shipper) == 1
        ((_, day),) = read_shipped(opened.connection).values()
        assert day == first.documents[0].document.day


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_lost_on_the_way_the_hub_has_all_and_no_note_is_ahead_of_it(
    tmp_path: Path, hub: HubReceiver, seed: int
) -> None:
    """Answers and notes are lost at random, sessions change between: sums are equal in the end."""
    draw = random.Random(seed)
    shipper = make_shipper(hub.url)
    with store(tmp_path) as opened:
        for step in range(40):
            if step < 8 or draw.random() < 0.3:
                opened.take(draw.choice((fork_join, nested, straggler))(f"s-{step}").events)
            else:
                opened.take(Drawing(f"s-{draw.randrange(8)}").score("quality", step % 10, 60 + step).events)
            hub.silent = draw.random() < 0.4
            batch = shipper.make_batch(opened.connection)
            note_revisions_about_to_ship(opened.connection, batch.attempts)
            try:
                receipts = shipper.send_batch(batch) if batch.documents else []
            except HubError:
                continue
            # A process that is killed here has noted nothing.
            if draw.random() < 0.6:
                write_ship_receipts(opened.connection, receipts)
            for id, (revision, _) in read_shipped(opened.connection).items():
                name = shipper._maker.name_session(opened.connection, id)
                assert revision <= hub.acknowledged[name]
        hub.silent = False
        ship_all(opened, shipper)
        assert hub.sum_measures() == read_sums(opened.connection)
        assert count_shipping(opened.connection, open_before=LATER).pending == 0


def test_a_store_that_is_made_again_ships_only_what_changed(tmp_path: Path, hub: HubReceiver) -> None:
    """Neither a rebuild nor a damaged store forgets what the hub has, and its revisions only grow."""
    shipper = make_shipper(hub.url)
    with store(tmp_path) as opened:
        opened.take(fork_join().events, nested().events)
        assert ship_all(opened, shipper) == 2
        before = read_shipped(opened.connection)
        opened.ingest.clear_store()
        opened.take()
        assert count_shipping(opened.connection, open_before=LATER).pending == 2
        assert ship_all(opened, shipper) == 0
        assert read_shipped(opened.connection) == before
    rescue_and_move_store_aside(tmp_path / "stretto.db", tmp_path / "journal", LATER, "damaged")
    with store(tmp_path) as opened:
        opened.take(Drawing("nested").score("quality", 7, 90_000).events)
        assert ship_all(opened, shipper) == 1
        after = read_shipped(opened.connection)
        assert after["fork-join"] == before["fork-join"]
        assert after["nested"][0] > before["nested"][0]
        assert after["nested"][1] == before["nested"][1]


def test_other_rules_of_names_ship_everything_again(tmp_path: Path, hub: HubReceiver) -> None:
    """A project that is no longer allowed to be shown is hidden at the hub too."""
    with store(tmp_path) as opened:
        opened.take(straggler().events)
        assert ship_all(opened, make_shipper(hub.url, NameRules(shown_projects=frozenset({"shop"})))) == 1
        (document,) = hub.documents.values()
        assert document.row["project"] == "shop"
        assert ship_all(opened, make_shipper(hub.url)) == 1
        (document,) = hub.documents.values()
        assert str(document.row["project"]).startswith("~")


def test_a_refused_document_is_noted_and_not_sent_again_until_it_changes(
    tmp_path: Path, hub: HubReceiver
) -> None:
    """The reason is kept; the other sessions are shipped."""
    shipper = make_shipper(hub.url)
    with store(tmp_path) as opened:
        opened.take(fork_join().events, nested().events)
        name = shipper._maker.name_session(opened.connection, "nested")
        hub.refused[name] = "it is from tomorrow"
        assert ship_all(opened, shipper) == 2
        assert ship_all(opened, shipper) == 0
        assert list_refusals(opened.connection, 5) == [("nested", "it is from tomorrow")]
        counts = count_shipping(opened.connection, open_before=LATER)
        assert (counts.pending, counts.shipped, counts.refused) == (0, 1, 1)
        hub.refused.clear()
        opened.take(Drawing("nested").score("quality", 7, 90).events)
        assert ship_all(opened, shipper) == 1
        assert list_refusals(opened.connection, 5) == []


def test_a_request_that_is_too_large_is_halved(tmp_path: Path, hub: HubReceiver) -> None:
    """Down to the one document that cannot be taken, which holds up no other."""
    hub.most_lines = 1
    shipper = make_shipper(hub.url)
    with store(tmp_path) as opened:
        opened.take(fork_join().events, nested().events, straggler().events)
        for _ in range(10):
            with suppress(HubError):
                ship_all(opened, shipper)
        assert len(hub.documents) == 3
        hub.most_lines = 0
        opened.take(Drawing("nested").score("quality", 7, 90).events)
        assert ship_all(opened, shipper) == 1
        ((session, why),) = list_refusals(opened.connection, 5)
        assert session == "nested"
        assert "413" in why


def test_a_hub_that_refuses_for_long_has_everything_afterwards(tmp_path: Path, hub: HubReceiver) -> None:
    """Sessions wait in the store; problem, lag and counts tell of it, and all fall back to nothing."""
    hub.refusal = HubRefusal(HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": "0"})
    with store(tmp_path) as opened:
        opened.take(fork_join().events, nested().events, recorded("two-phase"))
        shipping = SessionShipping(make_shipper(hub.url), tmp_path / "stretto.db", BackOff(lambda: 0.0))

        def is_after_notes(condition: bool) -> bool:
            shipping.store_receipts(opened.connection)
            return condition

        shipping.start()
        try:
            assert until(lambda: is_after_notes(len(hub.headers) >= 2))
            assert until(lambda: is_after_notes(shipping.describe_problem() is not None))
            assert "3 session(s) wait to be shipped" in str(shipping.describe_problem())
            assert shipping.measure_lag() > 0
            hub.refusal = None
            assert until(lambda: is_after_notes(len(hub.documents) == 3))
            assert until(lambda: is_after_notes(shipping.counts.pending == 0))
            assert shipping.describe_problem() is None
            assert shipping.measure_lag() == 0
        finally:
            shipping.stop()
        assert hub.sum_measures() == read_sums(opened.connection)


def test_of_a_hub_that_refuses_for_long_no_more_than_a_batch_is_in_memory(
    tmp_path: Path, hub: HubReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many sessions wait and are tried: the documents of one batch, and none between two tries."""
    most = 3
    monkeypatch.setattr(ship_batches, "MOST_DOCUMENTS", most)
    hub.refusal = HubRefusal(HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": "600"})
    held: list[int] = []

    # What other tests left is passed over in each count: it may be a million objects.
    gc.collect()
    gc.freeze()

    def count_documents() -> int:
        gc.collect()
        return sum(isinstance(each, MadeDocument) for each in gc.get_objects())

    def encode_and_count(document: SessionDocument) -> bytes:
        held.append(count_documents())
        return encode_session_document(document)

    monkeypatch.setattr(ship_batches, "encode_session_document", encode_and_count)
    with store(tmp_path) as opened:
        opened.take(*(fork_join(f"s-{number}").events for number in range(4 * most)))
        shipping = SessionShipping(make_shipper(hub.url), tmp_path / "stretto.db", BackOff(lambda: 0.0))
        monkeypatch.setattr(shipping, "_hand_over", lambda note: note(opened.connection) or True)
        for attempt in range(1, 13):
            pause = shipping._ship_batch()
            assert pause >= 600
            assert len(hub.headers) == attempt
            assert count_documents() == 0
        assert len(held) == 12 * most
        assert max(held) == most - 1, "the batch so far, beside the one that is encoded"
        assert shipping.counts.pending == 4 * most
        hub.refusal = None
        while shipping._ship_batch() == 0:
            assert count_documents() == 0
        assert len(hub.documents) == 4 * most


def test_the_pause_doubles_up_to_a_quarter_of_an_hour_and_honours_the_hub() -> None:
    """Half of each pause is random, so that machines do not come back together."""
    least, most = BackOff(lambda: 0.0), BackOff(lambda: 1.0)
    assert [least.note_failure() for _ in range(4)] == [0.5, 1, 2, 4]
    assert [most.note_failure() for _ in range(4)] == [1, 2, 4, 8]
    for _ in range(20):
        most.note_failure()
    assert most.note_failure() == LONGEST_SECONDS
    assert least.note_failure(60) == 60
    assert BackOff(lambda: 1.0).note_failure(60) == 66
    assert BackOff(lambda: 0.0).note_failure(1e9) == 3_600
    most.note_success()
    assert most.note_failure() == 1


def test_retry_after_is_seconds_or_a_date() -> None:
    """Both forms of RFC 9110; anything else is no wish."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert parse_retry_after("120", now) == 120
    assert parse_retry_after("Thu, 01 Jan 2026 00:01:00 GMT", now) == 60
    assert parse_retry_after("Wed, 31 Dec 2025 00:00:00 GMT", now) == 0
    assert parse_retry_after("soon", now) is None
    assert parse_retry_after(None, now) is None


def test_the_token_goes_nowhere_unencrypted_and_follows_no_redirect(hub: HubReceiver) -> None:
    """An address without TLS is refused, and so is a hub that sends the request elsewhere."""
    with pytest.raises(ConfigError, match="must begin with https://"):
        HubClient("http://hub.example.org", TOKEN)
    hub.refusal = HubRefusal(HTTPStatus.TEMPORARY_REDIRECT, {"Location": "http://127.0.0.1:1/elsewhere"})
    client = HubClient(hub.url, TOKEN)
    with closing(client), pytest.raises(HubError, match="307"):
        client.post_documents(b"")


def test_a_hub_that_is_away_or_something_else_is_told_with_the_cause(
    tmp_path: Path, hub: HubReceiver
) -> None:
    """No address answers; the token is unknown; the answer is no hub's."""
    with reserve_dead_address() as address, closing(HubClient(f"http://{address}", TOKEN)) as client:
        with pytest.raises(HubError, match="refused") as away:
            client.forget_sessions(ForgetRequestToHub(("a",)))
        assert away.value.status is None
    with store(tmp_path) as opened, closing(HubClient(hub.url, TOKEN)) as client:
        opened.take(fork_join().events)
        hub.refusal = HubRefusal(HTTPStatus.UNAUTHORIZED, {})
        with pytest.raises(HubError, match="401") as unknown:
            client.post_documents(b"")
        assert "administrator" in unknown.value.hint
        hub.refusal = None
        shipper = make_shipper(hub.url)
        batch = shipper.make_batch(opened.connection)
        hub.forgetful = True
        with pytest.raises(HubError, match="names none"):
            shipper.send_batch(batch)
        hub.refusal = HubRefusal(HTTPStatus.OK, {})
        with pytest.raises(HubError, match="cannot be read"):
            client.post_documents(b"")


def move_to_now(events: Iterable[Event]) -> list[Event]:
    """Return the events of a scene as if it had begun a quarter of an hour ago."""
    shift = read_wall_clock() - 15 * MINUTE - at(0)
    return [structs.replace(event, time=event.time + shift) for event in events]


def test_the_service_ships_and_its_metrics_say_so(tmp_path: Path, hub: HubReceiver) -> None:
    """Finished sessions leave by themselves; what the hub refuses and what waits are gauges and a problem."""
    config = load_config({"STRETTO_STATE": str(tmp_path)}, tmp_path)
    append(config.journal, move_to_now(fork_join().events))
    append(config.journal, move_to_now(nested().events))
    shipper = Shipper(make_maker(), HubClient(hub.url, TOKEN), read_wall_clock)
    hub.refused[make_maker().hider.hide_session("nested")] = "no reason"
    service = Service(config, version="1", clock=read_wall_clock, sender=NullSender(), hub=shipper)
    service.start()
    try:
        shipping = service.shipping
        assert shipping is not None
        assert until(lambda: (shipping.counts.shipped, shipping.counts.refused) == (1, 1))
        exposed = service.expose_metrics("").body.decode()
        assert "\nstretto_ship_pending 0.0\n" in exposed
        assert "\nstretto_ship_lag_seconds 0.0\n" in exposed
        assert "\nstretto_ship_rejected 1.0\n" in exposed
        hub.refusal = HubRefusal(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "3600"})
        append(config.journal, move_to_now(straggler().events))
        assert until(lambda: any("wait to be shipped" in each for each in service.list_problems()))
    finally:
        service.stop()
    with closing(open_reader(config.database)) as connection:
        assert {*read_shipped(connection)} == {"fork-join", "nested"}


def test_a_simulated_month_is_shipped_to_no_hub(tmp_path: Path) -> None:
    """Neither the configured hub nor the one that the machine is enrolled at gets it."""
    url = "https://hub.example.org"
    config = load_config({"STRETTO_STATE": str(tmp_path / "state"), "STRETTO_HUB_URL": url}, tmp_path)
    assert config.fleet_hub_url == url
    config.state.mkdir()
    (config.state / "hub.json").write_bytes(enrol(tmp_path, url).read_bytes())
    context = CommandContext(config, json=False, environ={}, home=tmp_path)
    assert find_hub_settings(replace(config, fleet_hub_url=None)) is not None
    assert find_hub_settings(make_month_context(context).config) is None


def enrol(tmp_path: Path, url: str) -> Path:
    """Write an enrolment file and return its path."""
    path = tmp_path / "enrolment.json"
    path.write_bytes(encode_message(Enrolment(hub_url=url, token=TOKEN, key=KEY.hex())))
    return path


def run(capsys: pytest.CaptureFixture[str], state: Path, *words: str) -> tuple[int, Any]:
    """Run a command and return its exit code and its answer as JSON."""
    code = main(["--state", str(state), *words, "--json"])
    output = capsys.readouterr()
    return code, json.loads(output.out) if output.out else output.err


def test_the_commands_enrol_ship_forget_and_leave(
    tmp_path: Path, hub: HubReceiver, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CI job ships at its end, without a service, open sessions too."""
    for name in ("STRETTO_REQUIRE_SERVERS", "STRETTO_STATE"):
        monkeypatch.delenv(name, raising=False)
    state = tmp_path / "state"
    code, error = run(capsys, state, "ship")
    assert code == 2
    assert "enrolled at no hub" in error
    code, answer = run(capsys, state, "fleet", "join", str(enrol(tmp_path, hub.url)))
    assert (code, answer) == (0, {"hub": hub.url})
    assert (state / "hub.json").stat().st_mode & 0o777 == 0o600
    now = read_wall_clock() / 1e9 - at(0) / 1e9
    append(state / "journal", fork_join("over").events)
    append(state / "journal", Drawing("open").opens(now - 5).prompt(now - 4).events)
    code, answer = run(capsys, state, "ship", "--once")
    assert (code, answer["pending"], answer["shipped"]) == (0, 0, 1)
    code, answer = run(capsys, state, "ship", "--flush")
    assert (code, answer["pending"], answer["shipped"], answer["fault"]) == (0, 0, 2, None)
    assert len(hub.documents) == 2
    code, answer = run(capsys, state, "ship", "--status")
    assert (code, answer["shipped"], answer["refused"]) == (0, 2, 0)
    assert answer["last_shipped"] is not None
    code, answer = run(capsys, state, "doctor")
    (line,) = [each for each in answer["findings"] if each["station"] == "hub"]
    assert (line["verdict"], line["found"]) == ("fine", f"{hub.url} has 2 session(s), 0 wait")
    code, answer = run(capsys, state, "ship", "--forget", "ov")
    assert (code, answer) == (0, {"forgotten": 1})
    assert len(hub.documents) == 1
    hub.refusal = HubRefusal(HTTPStatus.SERVICE_UNAVAILABLE, {})
    append(state / "journal", nested("late").events)
    code, answer = run(capsys, state, "ship", "--once")
    assert (code, answer["pending"]) == (1, 1)
    assert "503" in answer["fault"]
    code, answer = run(capsys, state, "forget", "over")
    assert "the hub has the session: stretto ship --forget over" in answer["not_recalled"]
    code, answer = run(capsys, state, "fleet", "leave")
    assert (code, answer) == (0, {"left": True})
    assert not (state / "hub.json").exists()


def test_an_enrolment_that_cannot_be_used_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each fault is named with its place, and nothing is kept."""
    path = tmp_path / "enrolment.json"
    for text, cause in (
        ("{}", "missing required field"),
        (json.dumps({"hub_url": "https://h", "token": "t", "key": "short"}), "32 hexadecimal digits"),
        (json.dumps({"hub_url": "http://hub.example.org", "token": "t", "key": KEY.hex()}), "https://"),
    ):
        path.write_text(text, encoding="utf-8")
        code, error = run(capsys, tmp_path / "state", "fleet", "join", str(path))
        assert code == 2
        assert cause in error
        assert not (tmp_path / "state" / "hub.json").exists()


def test_the_configured_hub_wins_and_needs_token_and_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers name files of secrets; a missing one is named."""
    state, token, key = tmp_path / "state", tmp_path / "token", tmp_path / "key"
    monkeypatch.setenv("STRETTO_HUB_URL", "https://hub.example.org/")
    code, error = run(capsys, state, "ship")
    assert code == 2
    assert "fleet.hub_token_file is not set" in error
    token.write_text("t\n", encoding="utf-8")
    key.write_text(KEY.hex() + "\n", encoding="utf-8")
    monkeypatch.setenv("STRETTO_HUB_TOKEN_FILE", str(token))
    monkeypatch.setenv("STRETTO_HUB_KEY_FILE", str(key))
    with closing(open_writer(state / "stretto.db")) as connection:
        Ingest(connection, by_description, idle_limit=IDLE)
    code, answer = run(capsys, state, "ship")
    assert (code, answer["hub"], answer["pending"]) == (0, "https://hub.example.org", 0)
    with closing(open_reader(state / "stretto.db")) as connection:
        assert read_shipped(connection) == {}
