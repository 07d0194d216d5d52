"""The clock is set back and forth while agents report: no event is lost and none is counted twice."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import closing

from stretto import journal
from stretto.clock import DAY, HOUR, SECOND, read_wall_clock
from stretto.hook.client.client import build_record
from stretto.model.event import Outcome
from stretto.store import session_queries
from stretto.store.database import open_reader
from tests.trial.case import Row, Scope
from tests.trial.service import run_service, wait_until

JUMPS = (-400 * DAY, -DAY, -HOUR, -SECOND, 0, SECOND, HOUR, DAY, 30 * DAY)


def run(scope: Scope) -> Iterator[Row]:
    """Report tool calls while the clock jumps between their starts and ends, into a running service."""
    sessions = scope.count(300, 30)
    dice = random.Random(7)  # jumps of a clock, no secret
    state = scope.folder / "state"
    with run_service(state, "--no-servers") as service:
        now = read_wall_clock()
        for number in range(sessions):
            id = f"clock-{number}"
            for call in range(5):
                about = {"tool_name": "Read", "tool_use_id": f"{id}-{call}", "session_id": id}
                for hook in ("PreToolUse", "PostToolUse"):
                    at = now + dice.choice(JUMPS) + number * SECOND
                    payload = json.dumps({**about, "hook_event_name": hook}).encode()
                    path = journal.get_day_file(state / "journal", at)
                    journal.append_records(path, build_record(payload, at))
        wait_until(lambda: f"clock-{sessions - 1}" in str(service.get("/api/sessions?limit=100")), 60)
        problems = json.loads(service.get("/api/problems"))["problems"]
    calls = ends = negative = 0
    with closing(open_reader(state / "stretto.db")) as connection:
        for number in range(sessions):
            session = session_queries.read_session(connection, f"clock-{number}", lambda *_: "other")
            stored = session.tool_calls if session else ()
            calls += len(stored)
            ends += sum(call.outcome is Outcome.SUCCESS for call in stored)
            negative += sum((call.duration or 0) < 0 for call in stored)
    tried = 5 * sessions
    yield Row("clock back and forth: calls", tried, abs(tried - calls))
    yield Row("clock back and forth: outcomes", tried, abs(tried - ends))
    yield Row("clock back and forth: negative lengths", tried, negative)
    yield Row("clock back and forth: problems", 1, len(problems), "; ".join(problems)[:100])
