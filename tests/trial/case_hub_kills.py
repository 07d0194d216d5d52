"""Machine, hub and database are killed at random, in one run, while sessions are shipped in many copies.

In the end the hub has what the machines have: no session and no sum is lost or counted twice. At no time does
a machine note an answer about a revision that the database lacks.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from stretto.cli.machine_identity import find_machine_identity
from stretto.clock import DAY, MINUTE, read_wall_clock
from stretto.config.configuration import Config
from stretto.config.loading import load_config
from stretto.fleet.hub_exchange import Enrolment, encode_message
from stretto.hub.access_tokens import AccessToken, TokenRole, hash_token
from stretto.hub.engine import FleetScope, Mark, SessionChange
from stretto.hub.engine_opening import HubDatabase, open_engine
from stretto.model.event import Event
from stretto.service.configured_session_shipper import make_document_maker
from stretto.store.database import open_reader
from tests.fakes import append
from tests.hub_engines import (
    DatabaseServer,
    add_up,
    can_connect,
    find_missing_part,
    prepare_engine,
    run_server,
)
from tests.ports import find_free_port
from tests.repeating_proxy import RepeatingProxy
from tests.scenes import Drawing, at, fork_join, nested, straggler
from tests.shipped import KEY
from tests.trial.case import NotTriedError, Row, Scope, clear_environment
from tests.waiting import PATIENCE, until

VICTIMS = ("machine", "hub", "database")
"""Each in turn is killed while both machines ship, and each of the others perhaps."""

KILLED_TOO = 0.5
"""Chance of each of the others."""

LONGEST_SECONDS = 0.15
"""Longest time from the arrival of a request to the first kill, and between kills."""

TENANT, TEAM = "acme", "red"


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that ships to the hub by the command that people run."""

    state: Path
    owner: str
    enrolment: Enrolment

    @property
    def config(self) -> Config:
        """Its configuration, without settings."""
        return load_config({}, self.state, state=str(self.state))

    def start_shipping(self) -> subprocess.Popen[bytes]:
        """Start to ship everything, for as long as it takes."""
        return start_stretto(self.state, "ship", "--flush", "--timeout", str(PATIENCE))

    def report(self, events: Iterable[Event]) -> None:
        """Append events to its journal as if they had begun a quarter of an hour ago."""
        shift = read_wall_clock() - 15 * MINUTE - at(0)
        append(self.state / "journal", [structs.replace(event, time=event.time + shift) for event in events])


class HubProcess:
    """A real ``stretto hub serve``."""

    def __init__(self, folder: Path, database: str) -> None:
        self._folder = folder
        self._port = find_free_port()
        self._database = database
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it."""
        self._process = start_stretto(
            self._folder,
            *("hub", "serve", "--listen", f"127.0.0.1:{self._port}"),
            STRETTO_HUB_DATABASE=self._database,
        )

    def wait(self) -> None:
        """Wait until it answers. It ends if its database is away, and is started again."""

        def is_up() -> bool:
            if self._process.poll() is not None:
                self.start()
            return can_connect(self._port)

        assert until(is_up), "the hub does not start"

    def kill(self) -> None:
        """Stop it at once."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(PATIENCE)


def start_stretto(state: Path, *words: str, **environ: str) -> subprocess.Popen[bytes]:
    """Start a command of Stretto on a state folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "stretto", "--state", str(state), *words],
        env={**clear_environment(state), **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def run(scope: Scope) -> Iterator[Row]:
    """Ship, kill, and compare, with each database of a hub."""
    for scheme in ("postgresql", "clickhouse"):
        if reason := find_missing_part(scheme):
            raise NotTriedError(reason)
        folder = scope.folder / scheme
        folder.mkdir(parents=True)
        with run_server(scheme, folder) as server:
            dice = random.Random(20_261_201)  # moments of kills, no secret
            yield _Shipments(folder, server, dice).try_all(scheme, scope.count(50, len(VICTIMS)))


class _Shipments:
    """Two machines, a hub and a database, with what was done to them."""

    def __init__(self, folder: Path, server: DatabaseServer, dice: random.Random) -> None:
        self._folder = folder
        self._server = server
        self._dice = dice
        self._kills: Counter[str] = Counter()
        self._ahead = 0
        self._hub = HubProcess(folder / "hub", server.url)
        self._proxy = RepeatingProxy(self._hub.url, dice)

    def try_all(self, scheme: str, rounds: int) -> Row:
        """Let both machines ship so often while parts are killed, then in peace; return what differs."""
        with prepare_engine(self._server.url) as engine:
            machines = [self._enrol(engine, owner) for owner in ("ann", "ben")]
        self._hub.start()
        self._hub.wait()
        try:
            with self._proxy:
                for number in range(rounds):
                    for machine in machines:
                        self._report_work(machine, number)
                    self._ship_and_kill(machines, VICTIMS[number % len(VICTIMS)])
                    self._ahead += sum(map(self._count_notes_ahead, machines))
                last = [machine.start_shipping() for machine in machines]
                assert [process.wait(PATIENCE) for process in last] == [0, 0], "sessions still wait"
                self._proxy.pass_on_copies(self._proxy.waiting_copies)
                assert self._proxy.waiting_copies == 0
        finally:
            self._hub.kill()
        kills = ", ".join(f"{count} of the {name}" for name, count in sorted(self._kills.items()))
        return Row(
            f"kills of machine, hub and {scheme}",
            self._proxy.documents,
            self._ahead + self._count_differences(machines),
            f"{2 * rounds} shipments; kills: {kills}; {self._proxy.lost_answers} answers lost",
        )

    def _enrol(self, engine: HubDatabase, owner: str) -> Machine:
        token = f"token of {owner}"
        engine.add_token(
            AccessToken(
                hash=hash_token(token), tenant=TENANT, team=TEAM, owner=owner, role=TokenRole.ME, added=1
            )
        )
        state = self._folder / owner
        state.mkdir()
        enrolment = Enrolment(hub_url=self._proxy.url, token=token, key=KEY.hex())
        (state / "hub.json").write_bytes(encode_message(enrolment))
        return Machine(state, owner, enrolment)

    def _report_work(self, machine: Machine, number: int) -> None:
        """Let two sessions happen, and one of the earlier ones change."""
        for scene in self._dice.sample((fork_join, nested, straggler), 2):
            machine.report(scene(f"{machine.owner}-{number}-{scene.__name__}").events)
        changed = f"{machine.owner}-{self._dice.randint(0, number)}-nested"
        machine.report(Drawing(changed).score("quality", number % 10, 60 + number).events)

    def _ship_and_kill(self, machines: Sequence[Machine], in_turn: str) -> None:
        before = self._proxy.requests
        processes = [machine.start_shipping() for machine in machines]
        assert until(lambda: self._proxy.requests > before)
        victims = [name for name in VICTIMS if name == in_turn or self._dice.random() < KILLED_TOO]
        self._dice.shuffle(victims)
        for victim in victims:
            time.sleep(self._dice.uniform(0, LONGEST_SECONDS))
            self._kills[victim] += 1
            if victim == "machine":
                self._dice.choice(processes).kill()
            elif victim == "hub":
                self._hub.kill()
                self._hub.start()
            else:
                self._server.kill()
                self._server.start()
        self._hub.wait()
        for process in processes:
            process.wait(PATIENCE)

    def _count_notes_ahead(self, machine: Machine) -> int:
        """Return how many answers a machine noted of revisions that the database lacks."""
        if not machine.config.database.exists():
            return 0  # killed before it had made its store
        maker = make_document_maker(machine.config, machine.enrolment, find_machine_identity(machine.config))
        with closing(open_reader(machine.config.database)) as connection:
            query = "SELECT session, revision FROM shipped WHERE refusal IS NULL"
            noted = {
                maker.name_session(connection, session): revision
                for session, revision in connection.execute(query).fetchall()
            }
        stored = {change.key.session: change.stored for change in self._read_changes(machine)}
        return sum(
            (newest := stored.get(session)) is None or newest.document.revision < revision
            for session, revision in noted.items()
        )

    def _count_differences(self, machines: Iterable[Machine]) -> int:
        """Return in how many measures a machine's sums at the hub are not its own."""
        differences = 0
        for machine in machines:
            with closing(open_reader(machine.config.database)) as connection:
                query = "SELECT measure, SUM(value) FROM rollup WHERE width = 300 GROUP BY measure"
                expected = Counter[str](dict(connection.execute(query).fetchall()))
            sessions = [change.stored for change in self._read_changes(machine) if change.stored is not None]
            shipped, added = Counter[str](), Counter[str]()
            for measure, cells in add_up(sessions).items():
                shipped[measure] += sum(cells.values())
            today = read_wall_clock() // DAY
            with self._open_engine() as engine:
                for day in range(today - 2, today + 2):
                    for each in engine.read_owner_sums(TENANT, TEAM, day):
                        if each.owner == machine.owner:
                            added[each.measure] += each.value
            differences += sum(
                not expected[measure] == shipped[measure] == added[measure]
                for measure in expected | shipped | added
            )
        return differences

    def _read_changes(self, machine: Machine) -> list[SessionChange]:
        scope = FleetScope(tenant=TENANT, owners=((TEAM, machine.owner),))
        with self._open_engine() as engine:
            return [*engine.list_changes(scope, Mark(), 100_000)]

    @contextmanager
    def _open_engine(self) -> Iterator[HubDatabase]:
        engine = open_engine(self._server.url)
        try:
            yield engine
        finally:
            engine.close()
