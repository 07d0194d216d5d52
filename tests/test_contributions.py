from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from stretto.model.facts import ENTITY_KINDS
from stretto.sources.redact import REDACTION_VERSION
from stretto.store import journal_queries, store_notes
from stretto.store.contributions import registry
from stretto.store.contributions.contribution import SessionAspect
from stretto.store.contributions.registry import CONTRIBUTIONS, SUMS_VERSION, get_sums_version
from tests.counted import COUNTED, count_scenes
from tests.fakes import store
from tests.scenes import straggler


def test_counted_is_up_to_date(tmp_path: Path) -> None:
    """A change of the sums raises their version: stores in the field would keep their old sums."""
    step = (
        "the sums have changed: raise SUMS_VERSION in store/contributions/registry.py, then run make counted"
    )
    assert count_scenes(tmp_path) == json.loads(COUNTED.read_text(encoding="utf-8")), step


def test_a_store_with_another_version_of_the_sums_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new contribution, or a raised version, empties the store once; the journal then fills it again."""
    with store(tmp_path) as opened:
        opened.ingest.reset_if_rules_changed("rules")
        opened.take(straggler().events)
        sums = opened.rows()["rollup"]
        opened.ingest.reset_if_rules_changed("rules")
        assert opened.rows()["rollup"] == sums
        monkeypatch.setattr(registry, "SUMS_VERSION", SUMS_VERSION + 1)
        opened.ingest.reset_if_rules_changed("rules")
        assert journal_queries.read_journal_positions(opened.connection) == []
        opened.take()
        assert opened.rows()["rollup"] == sums
        contribution = replace(CONTRIBUTIONS["tasks"])
        monkeypatch.setitem(CONTRIBUTIONS, "new", contribution)
        opened.ingest.reset_if_rules_changed("rules")
        assert opened.rows()["rollup"] == []
        opened.ingest.reset_if_rules_changed("other rules")
        note = f"other rules {get_sums_version()} {REDACTION_VERSION}"
        assert store_notes.read_note(opened.connection, "rules") == note


def test_a_contribution_reads_existing_kinds_and_aspects() -> None:
    """A misspelt kind never changes, so the sums would go stale without an error."""
    for name, contribution in CONTRIBUTIONS.items():
        assert contribution.reads, name
        assert contribution.reads <= {*ENTITY_KINDS, *SessionAspect}, name
