"""A hub's databases are killed while they are written to: nothing acknowledged is lost or doubled."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from stretto.errors import EngineError
from stretto.hub.engine import FleetScope, Mark, OwnerSum, ReceivedSession
from tests.hub_engines import FIRST_SLOT, TODAY, make_session, prepare_engine, read_sums, run_server
from tests.waiting import until

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("scheme", ["postgresql", "clickhouse"])
def test_what_was_acknowledged_outlasts_kills_of_the_database(scheme: str, tmp_path: Path) -> None:
    """A hub that sends again what was not acknowledged ends with each session once."""
    sessions = [
        make_session(f"s{number}", revision=revision, sums=[(FIRST_SLOT, "calls", (f"t{number}",), revision)])
        for number in range(20)
        for revision in (1, 2)
    ]
    random.Random(4).shuffle(sessions)
    acknowledged: list[ReceivedSession] = []
    scope = FleetScope(tenant="acme")
    with run_server(scheme, tmp_path) as server, prepare_engine(server.url) as engine:

        def write_session(session: ReceivedSession) -> bool:
            try:
                engine.write_sessions([session])
            except EngineError:
                return False
            acknowledged.append(session)
            return True

        def has_written(enough: int) -> bool:
            return len(acknowledged) >= enough

        with ThreadPoolExecutor(1) as pool:
            written = pool.submit(lambda: [until(partial(write_session, session)) for session in sessions])
            for enough in (8, 20):
                assert until(partial(has_written, enough))
                server.kill()
                before = [*acknowledged]
                server.start()
                changes = engine.list_changes(scope, Mark(), 99)
                stored = {change.key.session: change.stored for change in changes}
                for session in before:
                    found = stored[session.document.session]
                    assert found is not None
                    assert found.document.revision >= session.document.revision
            assert all(written.result())
        tools = sorted((f"t{number}",) for number in range(20))
        assert read_sums(engine, "acme") == {"calls": dict.fromkeys(tools, 2)}
        assert engine.read_owner_sums("acme", "a", TODAY) == [
            OwnerSum("ann", "calls", tool, 2) for tool in tools
        ]
