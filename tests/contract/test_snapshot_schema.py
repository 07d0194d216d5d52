"""docs/snapshot.schema.json is what ``/api/snapshot`` answers: complete, closed, and able to refuse."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.fakes import store
from tests.scenes import (
    at,
    conflict,
    delivery,
    earlier_runs,
    one_by_one,
    orchestrated,
    paid,
    sampled,
    spender,
    straggler,
)

from stretto.clock import SECOND
from stretto.model.task_type import TaskTypes
from stretto.summaries.silent_running_tasks import StuckTask
from stretto.summaries.snapshot import LiveState, build_snapshot_document, take_snapshot

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs/snapshot.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@pytest.fixture
def snapshot_document(tmp_path: Path) -> dict[str, Any]:
    """Give the document of a store with every kind of session in it."""
    drawn = (conflict, delivery, one_by_one, orchestrated, paid, sampled, spender, straggler)
    with store(tmp_path) as opened:
        opened.take(*(draw().events for draw in drawn), earlier_runs())
        stuck = (StuckTask("busy", "a", at(8)),)
        snapshot = take_snapshot(opened.connection, at(200), TaskTypes(), {}, live=LiveState(stuck=stuck))
    found: dict[str, Any] = json.loads(json.dumps(build_snapshot_document(snapshot), allow_nan=False))
    return found


def test_the_schema_is_one() -> None:
    """It obeys the rules for schemas itself."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_what_is_answered_is_what_the_schema_says(snapshot_document: dict[str, Any]) -> None:
    """Of a full store, where every branch has something in it."""
    VALIDATOR.validate(snapshot_document)
    assert snapshot_document["bottlenecks"]
    assert snapshot_document["stuck_tasks"]
    assert (
        snapshot_document["verdicts"]["1h"]["lead"]["confidence"]["speedup"]
        or snapshot_document["verdicts"]["1h"]["parts"]
    )
    assert snapshot_document["scores"]["1h"]["quality"]


def test_quantiles_keep_their_key(snapshot_document: dict[str, Any]) -> None:
    """The label ``stat`` of the series is ``quantile`` in the document, with the quantile as its value."""
    labels = [figure["labels"] for figure in snapshot_document["figures"]]
    assert {each["quantile"] for each in labels if "quantile" in each} == {"0.5", "0.95", "0.99"}
    assert not [each for each in labels if "stat" in each]


def test_an_empty_store_answers_by_the_schema_too(tmp_path: Path) -> None:
    """Nothing known is null or empty, never left out."""
    with store(tmp_path) as opened:
        VALIDATOR.validate(
            build_snapshot_document(take_snapshot(opened.connection, 1_800_000_000 * SECOND, TaskTypes(), {}))
        )


def test_what_is_missing_unknown_or_of_another_type_is_refused(snapshot_document: dict[str, Any]) -> None:
    """Each key that is taken out, added or given another type makes the document invalid."""
    for key in snapshot_document:
        without = {name: value for name, value in snapshot_document.items() if name != key}
        assert not VALIDATOR.is_valid(without), key
        assert not VALIDATOR.is_valid({**snapshot_document, key: ["?"]}), key
    assert not VALIDATOR.is_valid({**snapshot_document, "more": 1})
    silent = copy.deepcopy(snapshot_document)
    silent["figures"][0] |= {"value": None, "reason": None}
    assert not VALIDATOR.is_valid(silent)
