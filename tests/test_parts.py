from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from stretto.model.facts import KINDS
from stretto.store import queries
from stretto.store.contributions import registry as parts
from stretto.store.contributions.contribution import Aspect
from stretto.store.contributions.registry import COUNTING, PARTS, counting
from tests.fakes import store
from tests.scenes import (
    conflict,
    delivery,
    fork_join,
    idle_tail,
    nested,
    one_by_one,
    orchestrated,
    paid,
    retried,
    sampled,
    spender,
    straggler,
)

COUNTED = Path(__file__).parent / "counted.json"
"""What scenes added to the sums when COUNTING was last raised, as digests."""

SCENES = (
    conflict,
    delivery,
    fork_join,
    idle_tail,
    nested,
    one_by_one,
    orchestrated,
    paid,
    retried,
    sampled,
    spender,
    straggler,
)


def digests(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Yield each scene with a digest of its sums."""
    for scene in SCENES:
        with store(tmp_path / scene.__name__) as opened:
            opened.take(scene().events)
            rows = opened.rows()["rollup"]
        assert rows
        yield scene.__name__, sha256(json.dumps(rows).encode()).hexdigest()[:16]


def test_whoever_changes_what_is_counted_raises_the_version_of_it(tmp_path: Path) -> None:
    """Stores in the field would keep their old sums. Raise COUNTING, then write what is found to the file."""
    found = {"counting": COUNTING, "scenes": dict(digests(tmp_path))}
    assert found == json.loads(COUNTED.read_text(encoding="utf-8"))


def test_a_store_that_was_counted_otherwise_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new part, or a raised version, empties the store once; the journal then fills it again."""
    with store(tmp_path) as opened:
        opened.ingest.renew("rules")
        opened.take(straggler().events)
        sums = opened.rows()["rollup"]
        opened.ingest.renew("rules")
        assert opened.rows()["rollup"] == sums
        monkeypatch.setattr(parts, "COUNTING", COUNTING + 1)
        opened.ingest.renew("rules")
        assert queries.positions(opened.connection) == []
        opened.take()
        assert opened.rows()["rollup"] == sums
        part = replace(PARTS["tasks"])
        monkeypatch.setitem(PARTS, "new", part)
        opened.ingest.renew("rules")
        assert opened.rows()["rollup"] == []
        opened.ingest.renew("other rules")
        assert queries.meta(opened.connection, "rules") == f"other rules {counting()}"


def test_a_part_reads_what_there_is() -> None:
    """A misspelt kind would never be found to have changed."""
    for name, part in PARTS.items():
        assert part.reads, name
        assert part.reads <= {*KINDS, *Aspect}, name
