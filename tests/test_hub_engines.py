"""The engines of a hub: SQLite, PostgreSQL and ClickHouse give the same answers."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import psycopg
import pytest

from stretto.clock import DAY, HOUR, SECOND
from stretto.errors import EngineError, UsageError
from stretto.findings.analysis_run import read_analysis_input
from stretto.findings.analysis_table import find_changes
from stretto.fleet.hub_exchange import MOST_DOCUMENTS
from stretto.hub.access_tokens import AccessToken, TokenRole, hash_token
from stretto.hub.document_row_checks import MOST_AMOUNT
from stretto.hub.engine import FleetScope, Mark, OwnerSum, ReceivedSession, SessionKey
from stretto.hub.engine_opening import HubDatabase, open_engine
from stretto.hub.enough_people_release_rule import (
    DayRelease,
    ReleasedCell,
    decode_day_release,
    encode_day_release,
)
from stretto.hub.grant_database_reader import write_reader_statements
from stretto.hub.release_due_days import release_due_days
from stretto.hub.released_days_table import StoredRelease
from stretto.hub.scope_store import add_released_days, open_scope_store
from stretto.hub.team_experiments_table import StoredExperiment
from stretto.names import measures
from tests.hub_engines import (
    ENGINES,
    FIRST_SLOT,
    SLOTS_A_DAY,
    TODAY,
    ClickhouseServer,
    add_up,
    make_session,
    make_slower_teams,
    prepare_engine,
    read_sums,
    run_database,
    run_server,
    to_sums,
)
from tests.ports import reserve_dead_address
from tests.scenes import BEGIN

BEGINNING = Mark()
_tenants = count()


@pytest.fixture(scope="module", params=ENGINES)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run each database in turn, for all tests, and give its URL."""
    with run_database(request.param, tmp_path_factory.mktemp("hub")) as url:
        yield url


@pytest.fixture(scope="module")
def engine(database: str) -> Iterator[HubDatabase]:
    """Provide the engine of the database."""
    with prepare_engine(database) as opened:
        yield opened


@pytest.fixture
def tenant() -> str:
    """Name a tenant whose sessions no other test touches."""
    return f"tenant {next(_tenants)}"


def list_all(engine: HubDatabase, scope: FleetScope, after: Mark = BEGINNING) -> list[ReceivedSession | None]:
    """Return every change after a mark, read two at a time."""
    changes: list[ReceivedSession | None] = []
    while batch := [*engine.list_changes(scope, after, 2)]:
        changes += [change.stored for change in batch]
        after = batch[-1].mark
    return changes


def test_sums_of_any_day_are_those_of_the_sessions(engine: HubDatabase, tenant: str) -> None:
    """Sums lie in the five minutes of any day: those of each UTC day are exact, by owner."""
    rng = random.Random(1)
    sessions = [
        make_session(
            f"s{number}",
            tenant=tenant,
            owner=f"o{number % 2}",
            instance=f"i{number % 3}",
            sums=[
                (
                    FIRST_SLOT + rng.choice([-289, -288, -1, 0, 1, 287, 288, 300, 575, 576, 899]),
                    measure,
                    (name, rng.randrange(3)),
                    rng.randrange(-9, 99),
                )
                for measure in ("calls", "tasks")
                for name in ("Bash", 'with "quotes" and é')
                for _ in range(12)
            ],
        )
        for number in range(9)
    ]
    engine.write_sessions(sessions)
    for day in range(TODAY - 3, TODAY + 5):
        sums = engine.read_owner_sums(tenant, "a", day)
        assert sums == sorted(sums, key=lambda each: (each.owner, each.measure, json.dumps(each.dims)))
        for owner in ("o0", "o1"):
            chosen = [session for session in sessions if session.owner == owner]
            expected = add_up(chosen, day * SLOTS_A_DAY, (day + 1) * SLOTS_A_DAY - 1)
            assert to_sums(each for each in sums if each.owner == owner) == expected


def test_sums_of_any_number_of_documents_are_exact(engine: HubDatabase, tenant: str) -> None:
    """A thousand documents of the largest amount exceed 64 bits: nothing overflows."""
    amount = MOST_AMOUNT - 1
    sessions = [
        make_session(f"s{number}", tenant=tenant, sums=[(FIRST_SLOT, measures.CAPACITY, ("fix",), amount)])
        for number in range(1_030)
    ]
    for start in range(0, len(sessions), MOST_DOCUMENTS):
        engine.write_sessions(sessions[start : start + MOST_DOCUMENTS])
    engine.write_sessions([replace(sessions[0], document=replace(sessions[0].document, revision=2, sums=()))])
    total = 1_029 * amount
    assert total > 1 << 63
    sums = engine.read_owner_sums(tenant, "a", TODAY)
    assert sums == [OwnerSum("ann", measures.CAPACITY, ("fix",), total)]
    cells = tuple(ReleasedCell(each.measure, each.dims, each.value, 5) for each in sums)
    release = DayRelease(day=TODAY, at=BEGIN, groups={"a": cells}, people={"a": 5}, members={})
    assert decode_day_release(encode_day_release(release)) == release


def test_the_highest_revision_wins_in_any_order_and_number_of_copies(
    engine: HubDatabase, tenant: str
) -> None:
    """Copies come in any order and in batches of any size: the sums are those of the newest revisions."""
    rng = random.Random(2)
    newest = [
        make_session(
            f"s{number}",
            tenant=tenant,
            owner=f"o{number % 2}",
            instance=f"i{number % 4}",
            revision=5,
            sums=[
                (FIRST_SLOT + slot, "calls", ("Bash", "success"), rng.randrange(1, 50))
                for slot in rng.sample(range(2 * SLOTS_A_DAY), 5)
            ],
        )
        for number in range(12)
    ]
    older = [
        replace(
            session,
            document=replace(
                session.document, revision=2, sums=((FIRST_SLOT + 5, "calls", ("Read", "success"), 7),)
            ),
        )
        for session in newest
    ]
    arriving = rng.choices(newest + older, k=2 * len(newest)) + newest + older
    rng.shuffle(arriving)
    while arriving:
        size = rng.randrange(1, 9)
        engine.write_sessions(arriving[:size])
        del arriving[:size]
    scope = FleetScope(tenant=tenant)
    assert engine.count_sessions(scope) == len(newest)
    assert read_sums(engine, tenant) == add_up(newest)
    for day in (TODAY, TODAY + 1):
        edges = day * SLOTS_A_DAY, (day + 1) * SLOTS_A_DAY - 1
        assert engine.read_owner_sums(tenant, "a", day) == [
            OwnerSum(owner, measure, dims, value)
            for owner in ("o0", "o1")
            for measure, cells in add_up(
                [session for session in newest if session.owner == owner], *edges
            ).items()
            for dims, value in cells.items()
        ]


def test_an_experiment_is_replaced_only_in_the_state_that_was_read(engine: HubDatabase, tenant: str) -> None:
    """Of two hubs the second stores nothing, and each tenant and team has names of its own."""
    first = StoredExperiment("red", "cache", TODAY, 10, b'{"state":"running"}')
    assert engine.write_experiment(tenant, first, replaces=None)
    assert not engine.write_experiment(tenant, replace(first, at=11), replaces=None)
    other = replace(first, team="blue", day=TODAY - 9)
    assert engine.write_experiment(tenant, other, replaces=None)
    concluded = StoredExperiment("red", "cache", TODAY, 20, '{"state":"é"}'.encode())
    assert not engine.write_experiment(tenant, concluded, replaces=9)
    assert engine.write_experiment(tenant, concluded, replaces=10)
    assert not engine.write_experiment(tenant, replace(first, at=30), replaces=10)
    assert engine.list_experiments(tenant) == [other, concluded]
    assert engine.list_experiments(f"not {tenant}") == []
    engine.delete_before(TODAY - 8)
    assert engine.list_experiments(tenant) == [concluded]


def test_of_hubs_that_store_at_the_same_instant_one_stores(engine: HubDatabase, tenant: str) -> None:
    """All have read the same state; the others learn that they were slower, and their state is nowhere."""
    gate = threading.Barrier(4)

    def store(hub: int, seen: tuple[int | None, int | None], number: int) -> tuple[bool, bool]:
        at, document = number * 10 + hub, b'{"hub": %d}' % hub
        gate.wait()
        return (
            engine.write_experiment(
                tenant, StoredExperiment("red", "cache", TODAY, at, document), replaces=seen[0]
            ),
            engine.write_release(tenant, StoredRelease(TODAY, at, document), replaces=seen[1]),
        )

    replaces: tuple[int | None, int | None] = None, None
    with ThreadPoolExecutor(4) as pool:
        for number in range(1, 6):
            answers = [*pool.map(store, range(4), [replaces] * 4, [number] * 4)]
            (experiment,), (release,) = engine.list_experiments(tenant), engine.list_releases(tenant)
            states = (experiment.at, experiment.document), (release.at, release.document)
            for state, is_stored in zip(states, zip(*answers, strict=True), strict=True):
                assert sum(is_stored) == 1
                hub = is_stored.index(True)
                assert state == (number * 10 + hub, b'{"hub": %d}' % hub)
            replaces = experiment.at, release.at


def test_hubs_that_write_the_same_sessions_at_once_lose_and_double_nothing(
    engine: HubDatabase, tenant: str
) -> None:
    """Each of four threads writes all revisions of all sessions in an order of its own."""
    sessions = [
        make_session(
            f"s{number}",
            tenant=tenant,
            revision=revision,
            sums=[(FIRST_SLOT, "calls", ("Bash", "x"), revision)],
        )
        for number in range(6)
        for revision in (1, 2, 3)
    ]
    gate = threading.Barrier(4)

    def write(seed: int) -> None:
        shuffled = random.Random(seed).sample(sessions, len(sessions))
        gate.wait()
        for start in range(0, len(shuffled), 6):
            engine.write_sessions(shuffled[start : start + 6])

    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(write, range(4))] == [None] * 4
    scope = FleetScope(tenant=tenant)
    assert read_sums(engine, tenant) == {"calls": {("Bash", "x"): 18}}
    assert engine.read_owner_sums(tenant, "a", TODAY) == [OwnerSum("ann", "calls", ("Bash", "x"), 18)]
    assert engine.count_sessions(scope) == 6


def test_a_scope_is_a_tenant_or_some_of_its_teams_owners_and_machines(
    engine: HubDatabase, tenant: str
) -> None:
    """Every question of a scope sees its sessions only; a scope of no team sees nothing."""
    sessions = {
        name: make_session(name, tenant=tenant, team=team, owner=owner, instance=name)
        for name, team, owner in (("m1", "a", "ann"), ("m2", "a", "bo"), ("m3", "b", "ann"))
    }
    stranger = make_session("m1", tenant=f"{tenant}'s neighbour", instance="m1", revision=9)
    engine.write_sessions([*sessions.values(), stranger])
    everything = FleetScope(tenant=tenant)
    for scope, names in (
        (everything, "m1 m2 m3"),
        (replace(everything, teams=("a",)), "m1 m2"),
        (replace(everything, owners=(("a", "ann"),)), "m1"),
        (replace(everything, owners=(("a", "ann"), ("b", "ann"), ("b", "bo"))), "m1 m3"),
        (replace(everything, owners=()), ""),
        (
            replace(
                everything, teams=("a", "b"), owners=(("a", "ann"), ("b", "ann")), instances=("m1", "m2")
            ),
            "m1",
        ),
        (replace(everything, teams=()), ""),
        (FleetScope(tenant="nobody"), ""),
    ):
        chosen = [sessions[name] for name in names.split()]
        assert engine.count_sessions(scope) == len(chosen)
        assert list_all(engine, scope) == chosen
        assert engine.list_heard_of(scope) == [
            (session.team, session.owner, session.document.instance, BEGIN) for session in chosen
        ]
    assert engine.read_owner_sums(tenant, "b", TODAY) == [
        OwnerSum("ann", "tasks", ("review", "critic", "success"), 1)
    ]
    assert engine.read_owner_sums(tenant, "b", TODAY + 1) == []


def test_a_guessed_key_that_comes_first_claims_nothing(engine: HubDatabase, tenant: str) -> None:
    """Documents of one key by two senders are two sessions, each under its own owner, also when forgotten."""
    session = make_session("s", tenant=tenant)
    newer = replace(session.document, revision=BEGIN + 9, sums=(), row={"project": "forged"})
    claims = [
        replace(session, owner="bo", document=newer),
        replace(session, team="b", document=newer),
        replace(session, team="b", owner="bo", document=newer),
    ]
    engine.write_sessions([claims[0]])
    engine.write_sessions([session, *claims[1:]])
    engine.write_sessions([claims[0]])
    assert list_all(engine, FleetScope(tenant=tenant)) == [session, *claims]
    assert engine.read_owner_sums(tenant, "a", TODAY) == [
        OwnerSum("ann", "tasks", ("review", "critic", "success"), 1)
    ]
    of_bo = FleetScope(tenant=tenant, owners=(("a", "bo"),))
    assert engine.forget_sessions(of_bo, sessions=["s"], at=BEGIN + 20) == 1
    assert list_all(engine, of_bo) == [None]
    assert list_all(engine, FleetScope(tenant=tenant, owners=(("a", "ann"),))) == [session]
    later = replace(session, document=replace(session.document, revision=2))
    engine.write_sessions([later])
    assert list_all(engine, FleetScope(tenant=tenant, owners=(("a", "ann"),))) == [later]


def test_a_session_that_comes_under_two_days_is_one_session(engine: HubDatabase, tenant: str) -> None:
    """It keeps the day that it first came with, whichever month, and its sums are those of the newest."""
    session = make_session("s", tenant=tenant)
    scope = FleetScope(tenant=tenant)
    for revision, day in ((2, TODAY + 1), (3, TODAY + 40), (3, TODAY - 40)):
        engine.write_sessions(
            [replace(session, document=replace(session.document, revision=revision, day=day))]
        )
        engine.write_sessions([session])
    assert engine.count_sessions(scope) == 1
    assert read_sums(engine, tenant) == add_up([session])
    assert [stored.document.revision for stored in list_all(engine, scope) if stored is not None] == [3]
    assert engine.forget_sessions(scope, sessions=["s"], at=BEGIN) == 1
    engine.write_sessions([replace(session, document=replace(session.document, day=TODAY + 1))])
    assert engine.count_sessions(scope) == 0


def test_changes_are_listed_in_the_order_of_their_marks(engine: HubDatabase, tenant: str) -> None:
    """A reader that continues from its last mark sees each newest revision and each forgetting."""
    first, second, third = (
        make_session(name, tenant=tenant, received=BEGIN + place * SECOND)
        for place, name in enumerate(("c", "b", "a"))
    )
    scope = FleetScope(tenant=tenant)
    engine.write_sessions([third, first, second])
    assert list_all(engine, scope) == [first, second, third]
    mark = [*engine.list_changes(scope, Mark(), 9)][-1].mark
    assert list_all(engine, scope, mark) == []
    newer = replace(
        second, received=BEGIN + HOUR, document=replace(second.document, revision=2, sums=(), rows={})
    )
    engine.write_sessions([newer, replace(third, received=BEGIN + DAY)])
    assert engine.forget_sessions(scope, sessions=["c"], at=BEGIN + 2 * HOUR) == 1
    assert list_all(engine, scope, mark) == [newer, None]
    assert [change.key for change in engine.list_changes(scope, mark, 9)] == [
        SessionKey("a", "ann", "laptop", "b"),
        SessionKey("a", "ann", "laptop", "c"),
    ]


def test_days_of_sums_that_were_there_before_a_change_have_changed_too(
    engine: HubDatabase, tenant: str
) -> None:
    """A revision without the sums of a day, and a forgetting, change the days that had them."""

    def make(session: str, revision: int, received: int, *days: int) -> ReceivedSession:
        sums = [((TODAY + day) * SLOTS_A_DAY, "calls", ("Bash", "x"), 1) for day in days]
        return make_session(session, tenant=tenant, revision=revision, received=received, sums=sums)

    engine.write_sessions([make("s", 1, BEGIN, 0, 1), make("t", 1, BEGIN + 1, 4)])
    assert engine.list_changed_days(tenant, BEGIN) == [("a", TODAY), ("a", TODAY + 1), ("a", TODAY + 4)]
    assert engine.list_changed_days(tenant, BEGIN + 1) == [("a", TODAY + 4)]
    engine.write_sessions([make("s", 2, BEGIN + 2, 1, 2)])
    days = [("a", TODAY), ("a", TODAY + 1), ("a", TODAY + 2)]
    assert engine.list_changed_days(tenant, BEGIN + 2) == days
    engine.forget_sessions(FleetScope(tenant=tenant), sessions=["s"], at=BEGIN + 3)
    assert engine.list_changed_days(tenant, BEGIN + 3) == days
    assert engine.list_changed_days(tenant, BEGIN + 4) == []


def test_owners_of_some_days_are_listed_with_those_who_had_them_forgotten(
    engine: HubDatabase, tenant: str
) -> None:
    """By the days of their sums, in this revision or an earlier one."""
    slots = {"ann": (TODAY, TODAY + 1), "ben": (TODAY + 2,), "cat": (TODAY + 3,), "dan": (TODAY - 1,)}
    sessions = [
        make_session(
            tenant=tenant,
            owner=owner,
            sums=[(day * SLOTS_A_DAY, "tasks", ("review", "critic", "success"), 1) for day in days],
        )
        for owner, days in slots.items()
    ]
    engine.write_sessions([*sessions, make_session(tenant=tenant, team="b")])
    engine.forget_sessions(FleetScope(tenant=tenant, owners=(("a", "ben"),)), at=BEGIN + 1)
    assert engine.list_owners(tenant, TODAY, TODAY + 2) == [("a", "ann"), ("a", "ben"), ("b", "ann")]
    assert engine.list_owners(tenant, TODAY + 1, TODAY + 1) == [("a", "ann")]
    assert engine.list_owners(f"not {tenant}", TODAY, TODAY + 2) == []


def test_the_days_of_forgotten_sessions_are_kept_without_their_names(
    engine: HubDatabase, tenant: str
) -> None:
    """Later work under the same name does not cover them; of several forgettings the last one counts."""
    scope = FleetScope(tenant=tenant, owners=(("a", "ann"),))
    sums = [((TODAY + day) * SLOTS_A_DAY, "calls", ("Bash", "x"), 1) for day in (0, 1)]
    session = make_session("s", tenant=tenant, sums=sums)
    engine.write_sessions([session, make_session("s", tenant=tenant, owner="bo")])
    assert engine.list_forgettings(tenant, TODAY) == []
    assert engine.forget_sessions(scope, sessions=["s"], at=BEGIN + 5) == 1
    engine.write_sessions([replace(session, document=replace(session.document, revision=BEGIN + 6))])
    for day in (TODAY, TODAY + 1):
        assert engine.list_forgettings(tenant, day) == [("a", "ann", BEGIN + 5)]
    assert engine.list_forgettings(tenant, TODAY + 2) == []
    assert engine.list_forgettings("another tenant", TODAY) == []
    assert engine.forget_sessions(FleetScope(tenant=tenant), project="p", at=BEGIN + 8) == 2
    assert engine.list_forgettings(tenant, TODAY) == [("a", "ann", BEGIN + 8), ("a", "bo", BEGIN + 8)]


def test_a_forgotten_session_stays_forgotten(engine: HubDatabase, tenant: str) -> None:
    """Late copies up to the forgetting bring nothing back; work that came later is a session again."""
    scope = FleetScope(tenant=tenant)
    old, other = make_session("s", tenant=tenant, revision=7), make_session("t", tenant=tenant, instance="i")
    engine.write_sessions([old, other])
    assert engine.forget_sessions(replace(scope, instances=("laptop",)), at=9) == 1
    assert engine.forget_sessions(replace(scope, instances=("laptop",)), at=9) == 0
    for revision in (6, 7, 8, 9):
        engine.write_sessions([replace(old, document=replace(old.document, revision=revision))])
    assert engine.count_sessions(scope) == 1
    assert read_sums(engine, tenant) == add_up([other])
    assert engine.list_heard_of(scope) == [("a", "ann", "i", BEGIN)]
    later = replace(old, document=replace(old.document, revision=10))
    engine.write_sessions([later])
    assert read_sums(engine, tenant) == add_up([other, later])
    # The machine's clock runs ahead: its revision is higher than the time of the forgetting.
    assert engine.forget_sessions(scope, sessions=["s"], at=9) == 1
    engine.write_sessions([later])
    assert engine.read_owner_sums(tenant, "a", TODAY) == [
        OwnerSum("ann", "tasks", ("review", "critic", "success"), 1)
    ]


def test_a_project_is_forgotten_without_the_others(engine: HubDatabase, tenant: str) -> None:
    """A project's sessions go from every machine of the scope, those of other projects and tenants stay."""
    scope = FleetScope(tenant=tenant)
    neighbour = FleetScope(tenant=f"{tenant}'s neighbour")
    engine.write_sessions(
        [
            make_session("s", tenant=tenant, instance="i1"),
            make_session("t", tenant=tenant, instance="i2"),
            make_session("u", tenant=tenant, row={"project": "q"}),
            make_session("v", tenant=tenant, row={}),
            make_session("s", tenant=neighbour.tenant),
        ]
    )
    assert engine.forget_sessions(scope, sessions=[], at=BEGIN) == 0
    assert engine.forget_sessions(scope, project="p", at=BEGIN) == 2
    assert engine.count_sessions(scope) == 2
    assert engine.forget_sessions(scope, sessions=["u", "v", "s", "unknown"], at=BEGIN + 1) == 2
    assert engine.count_sessions(neighbour) == 1


def test_sums_of_an_older_version_are_completed_and_unknown_ones_kept(
    engine: HubDatabase, tenant: str
) -> None:
    """A machine that has not been updated, or is newer than the hub, loses nothing."""
    old = make_session(
        "s",
        tenant=tenant,
        counted_by="deliveries",
        sums=[(FIRST_SLOT, "measure of the future", ("x", 5, "y"), 1 << 60)],
    )
    engine.write_sessions([old])
    assert read_sums(engine, tenant) == {"measure of the future": {("x", 5, "y"): 1 << 60}}
    assert list_all(engine, FleetScope(tenant=tenant)) == [old]
    tasks = make_session("t", tenant=tenant, counted_by="", instance="old")
    engine.write_sessions([tasks])
    assert {measures.TASKS, measures.DELIVERIES} <= read_sums(engine, tenant).keys()


def test_sessions_before_a_day_are_deleted_with_their_sums(engine: HubDatabase, tenant: str) -> None:
    """Retention deletes by the day that a session is kept under; the sums of later sessions stay exact."""
    old = TODAY - 100
    sums = [(slot * SLOTS_A_DAY, "calls", ("Bash", "x"), 1) for slot in (old, old + 1)]
    engine.write_sessions(
        [
            make_session("s", tenant=tenant, day=old, sums=sums),
            make_session("t", tenant=tenant, day=old + 1, sums=sums),
            make_session("u", tenant=tenant, day=old, sums=sums),
        ]
    )
    scope = FleetScope(tenant=tenant)
    engine.forget_sessions(scope, sessions=["u"], at=BEGIN)
    releases = [StoredRelease(day, BEGIN, b"{}") for day in (old, old + 1)]
    lonely = f"{tenant} of a release"
    for name, release in [(tenant, release) for release in releases] + [(lonely, releases[0])]:
        assert engine.write_release(name, release, replaces=None)
    engine.delete_before(old + 1)
    assert (engine.list_releases(tenant), engine.list_releases(lonely)) == (releases[1:], [])
    assert engine.list_forgettings(tenant, old) == []
    assert engine.count_sessions(scope) == 1
    assert read_sums(engine, tenant, around=old) == {"calls": {("Bash", "x"): 2}}
    assert engine.read_owner_sums(tenant, "a", old) == [OwnerSum("ann", "calls", ("Bash", "x"), 1)]
    assert [change.key.session for change in engine.list_changes(scope, Mark(), 9)] == ["t"]


def test_a_prepared_database_is_left_as_it_is(engine: HubDatabase, tenant: str) -> None:
    """Every hub prepares the database when it starts."""
    engine.write_sessions([make_session(tenant=tenant)])
    engine.prepare()
    assert engine.count_sessions(FleetScope(tenant=tenant)) == 1


def test_tokens_are_found_by_hash_and_revoked_once(engine: HubDatabase, tenant: str) -> None:
    """The table knows tenant, team, owner and role of a token, never the token."""
    token = AccessToken(
        hash=hash_token(f"{tenant} secret"),
        tenant=tenant,
        team="a",
        owner="ann",
        role=TokenRole.ME,
        added=BEGIN,
    )
    runners = replace(token, hash=hash_token(f"{tenant} 2"), owner="runners", opted_in=True, added=BEGIN - 1)
    for added in (token, runners, replace(token, team="forged")):
        engine.add_token(added)
    assert engine.find_token(token.hash) == token
    assert engine.find_token(hash_token("guessed")) is None
    assert engine.list_tokens(tenant) == [runners, token]
    assert not engine.revoke_token("another tenant", token.hash, BEGIN + 1)
    assert engine.revoke_token(tenant, token.hash, BEGIN + 1)
    assert not engine.revoke_token(tenant, token.hash, BEGIN + 2)
    assert engine.find_token(token.hash) == replace(token, revoked=BEGIN + 1)
    assert engine.list_tokens("another tenant") == []


@pytest.mark.parametrize("database", [pytest.param("clickhouse", marks=pytest.mark.stack)], indirect=True)
def test_clickhouse_deletes_sessions_by_itself_400_days_after_their_day(database: str) -> None:
    """Nobody has to ask for it: the next merge leaves them out."""
    engine = open_engine(f"{database}_of_old_sessions")
    engine.prepare()
    engine.write_sessions([make_session("old", day=TODAY - 2_000)])
    # Rewriting what another day has rewrites this day's rows too.
    engine.delete_before(TODAY - 3_000)
    assert engine.count_sessions(FleetScope(tenant="acme")) == 0
    engine.close()


def test_of_two_hubs_that_release_a_day_one_wins(engine: HubDatabase, tenant: str) -> None:
    """A release takes the place of the one that its hub has seen, and of no other."""
    first, late, second = (StoredRelease(TODAY, BEGIN + at, b'{"number": %d}' % at) for at in (1, 2, 3))
    assert engine.write_release(tenant, first, replaces=None)
    assert not engine.write_release(tenant, late, replaces=None)
    assert engine.list_releases(tenant) == [first]
    assert not engine.write_release(tenant, late, replaces=BEGIN)
    assert engine.write_release(tenant, second, replaces=first.at)
    other_day = StoredRelease(TODAY - 1, BEGIN + 4, b"{}")
    assert engine.write_release(tenant, other_day, replaces=None)
    assert engine.list_releases(tenant) == [second, other_day]
    assert engine.list_releases(tenant, after=second.at) == [other_day]
    assert engine.list_releases("another tenant") == []


SELECT_RELEASED = (
    "SELECT team, measure, dim_1, dim_3, dim_4, value, people FROM {} ORDER BY value"  # of a view
)


@pytest.mark.stack
@pytest.mark.parametrize("database", ["postgresql", "clickhouse"], indirect=True)
def test_grafana_reads_the_released_sums_of_its_tenant_alone(database: str) -> None:
    """The view has a row for each released cell, but not which are of few people, and nothing of others."""
    store_releases(database)
    statements = write_reader_statements(database, tenant="o'acme", user="grafana_acme", password="it's \\ x")
    assert "it''s" in statements
    rows = (read_as_reader_of_clickhouse if database.startswith("clickhouse") else read_as_reader)(
        database, statements
    )
    assert [(*names, int(value), int(people)) for *names, value, people in rows] == [
        ("red", "tasks", "review", "success", "", 7, 5),
        ("red", "tasks", "review", "success", "", 1 << 70, 6),
    ]


@pytest.mark.stack
def test_clickhouse_refuses_its_reader_everything_but_the_view(tmp_path: Path) -> None:
    """With no right but that of the statements: the view reads what its user may not."""
    with run_server("clickhouse", tmp_path) as server:
        assert isinstance(server, ClickhouseServer)
        store_releases(server.url)
        *statements, create_user, grant, _ = write_reader_statements(
            server.url, tenant="o'acme", user="grafana_acme", password="p"
        ).split(";\n")
        for statement in statements:
            ask_clickhouse(server.url, statement.replace("DEFINER = CURRENT_USER", "DEFINER = hub"))
        assert create_user.startswith("CREATE USER grafana_acme")
        right, of_reader, _ = grant.partition(" TO grafana_acme")
        assert of_reader
        server.kill()
        server.set_rights(f"<grants><query>{right}</query></grants>")
        server.start()
        view = SELECT_RELEASED.format("grafana_acme.released_sums")
        assert len(ask_clickhouse(server.url, view).splitlines()) == 2
        for query in (
            SELECT_RELEASED.format("stretto_tests.released_sums"),
            "SELECT document FROM stretto_tests.releases",
            "SELECT * FROM stretto_tests.tokens",
            "SELECT * FROM file('/etc/passwd', LineAsString)",
            "CREATE TABLE grafana_acme.own (n Int8) ENGINE = Memory",
        ):
            with pytest.raises(HTTPError) as refused:
                ask_clickhouse(server.url, query)
            assert b"ACCESS_DENIED" in refused.value.read()


def store_releases(url: str) -> None:
    """Store the released day of two tenants, which is not of few people."""
    engine = open_engine(url)
    engine.prepare()
    for tenant, team, sizes in (("o'acme", "red", ((7, 1), (1 << 70, 6))), ("neighbour", "blue", ((3, 5),))):
        cells = tuple(
            ReleasedCell("tasks", ("review", "other", "success"), value, people) for value, people in sizes
        )
        release = DayRelease(day=TODAY, at=BEGIN, groups={team: cells}, people={team: 5}, members={})
        stored = StoredRelease(TODAY, BEGIN, encode_day_release(release))
        assert engine.write_release(tenant, stored, replaces=None)
    engine.close()


def ask_clickhouse(url: str, query: str) -> bytes:
    """Return the answer to a query. Raises HTTPError if it is refused."""
    with urlopen(f"http://{urlsplit(url).netloc}/", query.encode()) as response:
        return bytes(response.read())


def read_as_reader(database: str, statements: str) -> list[tuple[Any, ...]]:
    """Run the statements in PostgreSQL, and ask as the reader, whom everything else is refused."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(statements)
    with psycopg.connect(database, user="grafana_acme", autocommit=True) as connection:
        for query in (
            SELECT_RELEASED.format("stretto.released_sums"),
            "SELECT document FROM stretto.releases",
            "SELECT * FROM stretto.tokens",
            "CREATE TABLE grafana_acme.own (n integer)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(query)
        return connection.execute(SELECT_RELEASED.format("released_sums")).fetchall()


def read_as_reader_of_clickhouse(database: str, statements: str) -> list[tuple[Any, ...]]:
    """Run the statements in ClickHouse, and ask the reader's view.

    The engine as a library has no SQL of users: it reads those statements without carrying them out.
    """
    address = f"http://{urlsplit(database).netloc}/"
    for statement in filter(None, statements.split(";\n")):
        if statement.startswith(("CREATE USER", "GRANT")):
            quoted = statement.replace("\\", "\\\\").replace("'", "\\'")
            statement = f"SELECT formatQuery('{quoted}')"  # noqa: PLW2901  # what is run of it
        urlopen(address, statement.encode()).close()
    query = SELECT_RELEASED.format("grafana_acme.released_sums") + " FORMAT JSONCompactEachRow"
    with urlopen(address, query.encode()) as response:
        return [tuple(json.loads(line)) for line in response.read().splitlines()]


def test_a_reader_needs_a_plain_name_and_a_database_with_users() -> None:
    """No name ends the statement that it stands in, and none is that of the hub's own tables."""
    for url, user, why in (
        ("postgresql://h/d", "a; DROP", "cannot be the name"),
        ("postgresql://h/d", "stretto", "the hub's own name"),
        ("clickhouse://h/fleet", "fleet", "the hub's own name"),
        ("sqlite:file", "grafana", "no users"),
    ):
        with pytest.raises(UsageError, match=why):
            write_reader_statements(url, tenant="t", user=user, password="p")


def test_what_got_worse_for_a_team_is_the_same_on_each_database(
    engine: HubDatabase, tenant: str, tmp_path: Path
) -> None:
    """Seven people of red became slower, five of blue did not: red's leads learn it, and blue's do not."""
    engine.write_sessions(make_slower_teams(tenant))
    assert release_due_days(engine, tenant, lambda: (TODAY + 1) * DAY) == 21
    found = {}
    for team in ("red", "blue"):
        with closing(open_scope_store(tmp_path / team)) as store:
            add_released_days(store, engine, tenant, team)
            given = read_analysis_input(store, TODAY * DAY - 1, "UTC")
        found[team] = {
            (each.kind, *each.subject.values()): each
            for each in find_changes(given).findings
            if each.since is not None
        }
    assert found["blue"] == {}
    assert found["red"].keys() == {("task_length",), ("task_length", "tests")}
    whole = found["red"]["task_length",]
    assert (whole.since, whole.evidence.n) == ((TODAY - 7) * DAY, 7)
    assert whole.evidence.effect == pytest.approx(1.49, abs=0.1)


def test_tenants_are_those_with_tokens(engine: HubDatabase, tenant: str) -> None:
    """A hub that starts anew knows whose days it has to release."""
    assert tenant not in engine.list_tenants()
    for token in ("1", "2"):
        engine.add_token(
            AccessToken(
                hash=hash_token(tenant + token),
                tenant=tenant,
                team="a",
                owner="ann",
                role=TokenRole.ME,
                added=0,
            )
        )
    assert engine.list_tenants().count(tenant) == 1


@pytest.mark.parametrize("url", ["", "hub.sqlite", "sqlite:", "mysql://user:secret@host/db"])
def test_another_url_is_refused_without_its_password(url: str) -> None:
    """The message names the URLs that work."""
    with pytest.raises(UsageError) as caught:
        open_engine(url)
    assert "sqlite:FILE" in caught.value.hint
    assert "secret" not in caught.value.to_line()


def test_a_file_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    """A folder, a foreign file and a newer version are errors with file and cause."""
    foreign = tmp_path / "foreign"
    foreign.write_text("no database" * 100, encoding="utf-8")
    engine = open_engine(f"sqlite:{foreign}")
    with pytest.raises(EngineError, match="not a database"):
        engine.prepare()
    engine.close()
    with pytest.raises(EngineError, match="hub's database"):
        open_engine(f"sqlite:{tmp_path}/missing/file")


def test_a_postgresql_that_does_not_answer_is_reported_without_its_password() -> None:
    """The error has the host, the database and the cause."""
    with reserve_dead_address() as address:
        engine = open_engine(f"postgresql://user:secret@{address}/fleet")
        with pytest.raises(EngineError, match="refused") as caught:
            engine.prepare()
        engine.close()
    assert "127.0.0.1/fleet" in caught.value.to_line()
    assert "secret" not in caught.value.to_line()
    with pytest.raises(EngineError, match="does not answer"):
        open_engine("postgresql://host/fleet?nonsense=1")


def test_a_clickhouse_that_does_not_answer_is_reported_without_its_password() -> None:
    """The error has the host, the database and the cause, and a name that is no identifier is refused."""
    with reserve_dead_address() as address, pytest.raises(EngineError, match="refused") as caught:
        open_engine(f"clickhouse://user:secret@{address}/fleet")
    assert "127.0.0.1/fleet" in caught.value.to_line()
    assert "secret" not in caught.value.to_line()
    with pytest.raises(UsageError, match="not known"):
        open_engine("clickhouse://host/fleet;DROP")


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    """A hub that was rolled back does not write into tables that it does not know."""
    import sqlite3  # noqa: PLC0415  # to plant the version

    file = tmp_path / "hub.sqlite"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    engine = open_engine(f"sqlite:{file}")
    with pytest.raises(EngineError, match="version 99"):
        engine.prepare()
    engine.close()
