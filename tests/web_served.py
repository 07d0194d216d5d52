"""A real store in a folder, a backend over it, and a real server on loopback, for the tests of the web."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from threading import Event as Signal
from threading import Thread
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

from stretto import journal
from stretto.clock import DAY, SECOND, read_wall_clock
from stretto.config.loading import load_config
from stretto.exporter.scrape import Exposition, FigureCollector, create_empty_registry, encode_metrics
from stretto.figures.figure import Figure
from stretto.figures.finished_run_statistics import RunProfile
from stretto.figures.sequential_baseline_choice import NOTHING_DECLARED
from stretto.gates.service_baseline_folder import BaselineFolder
from stretto.hook.client.client import build_record
from stretto.model.event import Event
from stretto.model.run_rows_for_analyses import TaskRun
from stretto.notifications.notification_log import Notification, NotificationLog
from stretto.sources.otlp import receive as otlp
from stretto.store import find_work_that_a_score_judges as judged
from stretto.store.database import open_reader, open_writer
from stretto.store.fanout_list import FanoutPage, FanoutQuery, list_fanouts
from stretto.store.finished_runs_of_a_kind import RunFilter
from stretto.store.ingest import Ingest
from stretto.store.run_queries import read_task_runs_begun_between
from stretto.store.session_search import SessionPage, SessionQuery, find_sessions
from stretto.summaries import snapshot
from stretto.summaries.agents_at_work_in_window import ActivitySummary, read_activity_summary
from stretto.summaries.baseline_catalog import build_catalog_document, read_catalog
from stretto.summaries.remembered_written_files import RememberedWrittenFiles
from stretto.summaries.run_statistics_by_kind import ProfileKind, read_run_profile, read_task_profile
from stretto.summaries.session_summary import SessionSummary, summarise_session
from stretto.summaries.snapshot import Snapshot
from stretto.summaries.snapshot_of_any_window import SnapshotRules, read_windowed_snapshot
from stretto.summaries.time_window import TimeWindow
from stretto.summaries.trends import read_trends
from stretto.web.app import Backend, create_app
from stretto.web.live_updates import UpdateStreams
from tests.waiting import PATIENCE

NOON = 1_795_176_000 * SECOND
"""2026-11-20T12:00:00Z, a full hour: windows begin where one thinks they do."""


@dataclass(frozen=True, slots=True)
class Work:
    """A delegated task of a scene; seconds after the scene's start. No end means that it never came."""

    start: float
    end: float | None
    description: str = "review architecture"
    agent: str = "architect"
    ok: bool = True


class Store:
    """A journal and a store in a folder, with the clock standing at noon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = NOON
        self.config = load_config({}, folder, state=str(folder / "state"))
        self._otlp = otlp.OtlpTranslator(journal.encode_event)
        self._taken: Snapshot | None = None
        self._problems: list[str] = []
        self.updates = UpdateStreams()
        self.announced: list[Notification] = []
        """Notifications that were announced."""

    def append(self, payload: bytes) -> None:
        """Append a hook's payload to the journal, as the service does."""
        path = journal.get_day_file(self.config.journal, self.now)
        journal.append_records(path, build_record(payload, self.now))

    def receive_otlp(self, signal: otlp.Signal, body: bytes, media: str, encoding: str) -> otlp.RequestResult:
        """Append what an exporter sent to the journal, as the service does; exporters live in the present."""
        got = self._otlp.receive_request(
            signal, body, content_type=media, content_encoding=encoding, now=read_wall_clock()
        )
        if got.records:
            journal.append_records(journal.get_day_file(self.config.journal, self.now), got.records)
        return got

    def append_scores(self, items: Sequence[object]) -> list[judged.ScoreReceipt]:
        """Append scores to the journal, as the service does."""
        with closing(open_reader(self.config.database)) as connection:
            receipts = judged.read_scores(connection, items, self.now, self.config.scores.scales)
        self.events([receipt.event for receipt in receipts if receipt.event is not None])
        return receipts

    def scene(
        self, session: str, start: int, tasks: Sequence[Work], *, over: bool = True, **first: Any
    ) -> None:
        """Append the hook calls of a session: a turn that delegates these tasks, from ``start`` (ns)."""
        calls: list[tuple[float, dict[str, Any]]] = []
        name = "hook_event_name"
        calls.append((0, {name: "SessionStart", "cwd": "/srv/site", "source": "startup", **first}))
        calls.append((0, {name: "UserPromptSubmit", "prompt_id": "p1", "prompt": "/fan-out please", **first}))
        for number, task in enumerate(tasks):
            agent_id, call_id = f"agent{number}", f"call{number}"
            order = {"description": task.description, "subagent_type": task.agent, "prompt": "secret"}
            tool = {"tool_name": "Agent", "tool_use_id": call_id, "tool_input": order}
            calls.append((task.start, {name: "PreToolUse", **tool}))
            calls.append(
                (task.start, {name: "SubagentStart", "agent_id": agent_id, "agent_type": task.agent})
            )
            if task.end is None:
                continue
            calls.append((task.end, {name: "SubagentStop", "agent_id": agent_id, "agent_type": task.agent}))
            if task.ok:
                answer = {"agentId": agent_id, "status": "completed"}
                calls.append((task.end, {name: "PostToolUse", **tool, "tool_response": answer}))
            else:
                calls.append((task.end, {name: "PostToolUseFailure", **tool, "error": "Exit code 1"}))
        last = max([0.0, *(task.end or task.start for task in tasks)])
        if over:
            calls.append((last, {name: "Stop", "prompt_id": "p1"}))
            calls.append((last, {name: "SessionEnd", "reason": "exit"}))
        records = [
            build_record(json.dumps({"session_id": session, **payload}).encode(), start + round(at * SECOND))
            for at, payload in sorted(calls, key=lambda call: call[0])
        ]
        journal.append_records(journal.get_day_file(self.config.journal, start), b"".join(records))

    def earlier_runs(self, tasks: Sequence[Work]) -> None:
        """Append two sessions from before all windows: with a third of these tasks they are a baseline."""
        for number in (1, 2):
            self.scene(f"earlier-{number}", NOON - (20 + number) * DAY, tasks)

    def recording(self) -> None:
        """Put the shipped recordings in, as the service does with an empty store."""
        for file, before in (("sequential", 120 * SECOND), ("fanout", SECOND)):
            lines = resources.files("stretto.demo").joinpath(f"{file}.jsonl").read_bytes().splitlines()
            told = [json.loads(line) for line in lines]
            shift = self.now - before - max(line["t"] for line in told)
            for line in told:
                event = json.loads(build_record(json.dumps(line["payload"]).encode(), line["t"] + shift))
                event["session"] = f"recording-{event['session']}"
                event.setdefault("attributes", {})["recording"] = True
                records = b"\n" + json.dumps(event).encode() + b"\n"
                journal.append_records(self.config.journal / "recording.jsonl", records)

    def events(self, events: Sequence[Event]) -> None:
        """Put events into the journal as they are."""
        path = journal.get_day_file(self.config.journal, self.now)
        journal.append_records(path, b"".join(journal.encode_event(event) for event in events))

    def garble(self) -> None:
        """Put a line into the journal that is none."""
        journal.append_records(journal.get_day_file(self.config.journal, self.now), b"\n{torn\n")

    def refresh(self) -> Snapshot:
        """Take the journal in and work all figures out."""
        with closing(open_writer(self.config.database)) as connection:
            ingest = Ingest(connection, self.config.task_types.classify, idle_limit=14_400)
            for _ in ingest.catch_up(self.config.journal):
                pass
            self._taken = snapshot.take_snapshot(
                connection,
                self.now,
                self.config.task_types,
                self.config.hours,
                workflows=self.config.workflows,
            )
        self.updates.announce_snapshot(self._taken)
        return self._taken

    def make_backend(self, **changed: Any) -> Backend:
        """Return a backend over this store; the newest one hears of what is refreshed."""
        self.updates = UpdateStreams()
        standard: dict[str, Any] = {
            "snapshot": lambda: self._taken,
            "windowed_snapshot": self._windowed,
            "sessions": self._sessions,
            "fanouts": self._fanouts,
            "run_profile": self._profile,
            "task_profile": self._task_profile,
            "task_runs": self._task_runs,
            "activity": self._activity,
            "session_summary": self._insight,
            "trends": self._trends,
            "baselines": self._baselines,
            "expose": self._expose,
            "append_hook": self.append,
            "append_scores": self.append_scores,
            "receive_otlp": self.receive_otlp,
            "announce": self.announced.extend,
            "updates": self.updates,
            "notifications": NotificationLog(self.folder / "notifications.jsonl"),
            "gate_baselines": BaselineFolder(self.folder / "gates"),
            "problems": list,
            "runbook": _RUNBOOK.get,
            "alerts": lambda: sorted(_RUNBOOK),
            "version": "1.2.3",
            "clock": lambda: self.now,
        }
        return Backend(**{**standard, **changed})

    def _sessions(self, query: SessionQuery) -> SessionPage:
        with closing(open_reader(self.config.database)) as connection:
            return find_sessions(connection, query)

    def _fanouts(self, query: FanoutQuery) -> FanoutPage:
        with closing(open_reader(self.config.database)) as connection:
            return list_fanouts(connection, query)

    def _profile(self, kind: ProfileKind, name: str, window: TimeWindow) -> RunProfile:
        with closing(open_reader(self.config.database)) as connection:
            return read_run_profile(
                connection, kind, name, window, self.now, classify=self.config.task_types.classify
            )

    def _task_profile(self, chosen: Mapping[RunFilter, str | None], window: TimeWindow) -> RunProfile:
        with closing(open_reader(self.config.database)) as connection:
            return read_task_profile(connection, chosen, window)

    def _task_runs(self, window: TimeWindow, most: int) -> list[TaskRun]:
        with closing(open_reader(self.config.database)) as connection:
            return read_task_runs_begun_between(connection, window.start or 0, window.end, most=most)

    def _activity(self, window: TimeWindow) -> ActivitySummary:
        with closing(open_reader(self.config.database)) as connection:
            return read_activity_summary(connection, window, self.now, RememberedWrittenFiles())

    def _insight(self, id: str) -> SessionSummary | None:
        with closing(open_reader(self.config.database)) as connection:
            return summarise_session(
                connection,
                id,
                self.config.task_types.classify,
                self.config.hours,
                workflows=self.config.workflows,
            )

    def _windowed(self, latest: Snapshot, window: TimeWindow) -> Snapshot:
        if window.name in latest.verdicts:
            return latest
        rules = SnapshotRules(hours=self.config.hours, scoring=self.config.scoring)
        with closing(open_reader(self.config.database)) as connection:
            return read_windowed_snapshot(connection, latest, window, rules)

    def _trends(self, window: TimeWindow | None) -> dict[str, Any]:
        with closing(open_reader(self.config.database)) as connection:
            return read_trends(connection, self.now, self.config.hours, window=window)

    def _baselines(self) -> dict[str, Any]:
        with closing(open_reader(self.config.database)) as connection:
            catalog = read_catalog(connection, self.config.hours, NOTHING_DECLARED, self.now)
            return build_catalog_document(catalog, self.now)

    def _expose(self, accept: str) -> Exposition:
        collectors = create_empty_registry()
        collectors.register(FigureCollector({"snapshot": self._figures}, 5_000))
        return encode_metrics(collectors, accept)

    def _figures(self) -> tuple[Figure, ...]:
        assert self._taken is not None
        return self._taken.figures


_RUNBOOK: Mapping[str, str] = {
    "StrettoDown": "# StrettoDown\n\nThe service does **not** answer.\n\n"
    "1. Look: `stretto doctor`\n2. Start it\n\n```\nstretto up\n```\n"
}


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, updates: UpdateStreams) -> None:
        super().__init__(config)
        self.ready = Signal()
        self._updates = updates

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._updates.close()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@contextmanager
def served(backend: Backend) -> Iterator[httpx.Client]:
    """Serve a backend on a free port of the loopback interface, and leave no thread."""
    with serve_app(create_app(backend), backend.updates) as client:
        yield client


@contextmanager
def serve_app(app: ASGIApp, updates: UpdateStreams) -> Iterator[httpx.Client]:
    """Serve an application in the same way."""
    # With its protocol named, or asyncio leaves Nagle's algorithm on: 40 ms for every answer with a body.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        lifespan="off",
        access_log=False,
        log_level="critical",
        timeout_graceful_shutdown=1,
    )
    server = _Server(config, updates)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="web")
    thread.start()
    try:
        assert server.ready.wait(PATIENCE), "the server did not start"
        host, port = listener.getsockname()
        # Nothing is encrypted: without verification no certificates are loaded for each client.
        with httpx.Client(base_url=f"http://{host}:{port}", timeout=PATIENCE, verify=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def exchange(client: httpx.Client, request: bytes, *, until: bytes = b"") -> bytes:
    """Send raw bytes and return what comes back in the first piece, or all up to some bytes."""
    assert client.base_url.port is not None
    with socket.create_connection(
        (client.base_url.host, client.base_url.port), timeout=PATIENCE
    ) as connection:
        connection.sendall(request)
        answer = connection.recv(65_536)
        while until and until not in answer:
            more = connection.recv(65_536)
            if not more:
                break
            answer += more
        return answer
