"""Sessions for the tests of hubs, and the databases that they run on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stretto.clock import DAY
from stretto.figures.sum_reading import Sums
from stretto.fleet.session_document import SessionDocument
from stretto.hub.engine import ReceivedSession
from stretto.hub.engine_opening import HubDatabase, open_engine
from stretto.store.contributions.registry import get_sums_version
from tests.scenes import BEGIN

TODAY = BEGIN // DAY
"""Number of the day of the scenes."""

SLOTS_A_DAY = 288
FIRST_SLOT = TODAY * SLOTS_A_DAY

ENGINES = [
    "sqlite",
]
"""The databases by the scheme of their URL."""


def make_session(session: str = "s", **rest: Any) -> ReceivedSession:
    """Make a session as a hub receives it; the fields of both classes are known by their names."""
    document: dict[str, Any] = {
        "instance": "laptop",
        "revision": 1,
        "day": TODAY,
        "rules": "r",
        "counted_by": get_sums_version(),
        "last": BEGIN,
        "row": {"project": "p"},
        "sums": ((FIRST_SLOT, "tasks", ("review", "critic", "success"), 1),),
        "rows": {"fanouts": ({"number": 1, "pattern": "fix"},)},
    }
    envelope: dict[str, Any] = {"tenant": "acme", "team": "a", "owner": "ann", "received": BEGIN}
    for name, value in rest.items():
        part = envelope if name in envelope else document
        part[name] = tuple(value) if name == "sums" else value
    return ReceivedSession(document=SessionDocument(session=session, **document), **envelope)


def add_up(sessions: Iterable[ReceivedSession], first: int = 0, last: int = 1 << 40) -> Sums:
    """Return the sums of sessions in some slots of five minutes, as an engine must."""
    total: Counter[tuple[str, tuple[str | int, ...]]] = Counter()
    for received in sessions:
        for slot, measure, dims, value in received.document.sums:
            if first <= slot <= last:
                total[measure, dims] += value
    sums: dict[str, dict[tuple[str | int, ...], int]] = {}
    for (measure, dims), value in total.items():
        if value:
            sums.setdefault(measure, {})[dims] = value
    return dict(sums)


@contextmanager
def run_engine(scheme: str, folder: Path) -> Iterator[HubDatabase]:
    """Provide a prepared engine on a database of its own, until the block ends."""
    with run_database(scheme, folder) as url:
        engine = open_engine(url)
        try:
            engine.prepare()
            yield engine
        finally:
            engine.close()


@contextmanager
def run_database(scheme: str, folder: Path) -> Iterator[str]:
    """Run a database until the block ends, and provide its URL."""
    assert scheme == "sqlite"
    yield f"sqlite:{folder / 'hub.sqlite'}"
